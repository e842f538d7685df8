import type { Database } from '@millrace/database';
import { DomainError, type Logger } from '@millrace/kernel';

/** Then a caller is told that nothing is served unmetered, where nobody has set another time. */
export const usualPatienceMs = 1_500;

export interface MeteringOptions {
  database: Database;
  logger: Logger;
  /** how long a caller waits to be counted */
  patienceMs?: number | undefined;
}

/** Fails closed: whoever cannot be metered by `end` (of `performance.now()`) is not served. @throws DomainError UNAVAILABLE */
export async function inTime<T>(work: T | Promise<T>, end: number): Promise<T> {
  let late: NodeJS.Timeout | undefined;
  const patience = new Promise<never>((_resolve, reject) => {
    late = setTimeout(() => reject(unmetered(null)), Math.max(0, end - performance.now()));
  });
  try {
    return await Promise.race([work, patience]);
  } catch (error) {
    throw error instanceof DomainError ? unmetered(error) : error;
  } finally {
    clearTimeout(late);
  }
}

function unmetered(cause: Error | null): DomainError {
  return new DomainError('UNAVAILABLE', 'The limits of your tenant cannot be counted right now: nothing is served unmetered.', {
    remedy: 'Try again after the seconds in Retry-After.',
    ...(cause && { cause }),
  });
}
