import { DomainError } from '@millrace/kernel';

/** Turns the many ways in which a database can be away, or too slow, into one error that a caller may see. */
export async function translateOutage<T>(result: Promise<T>): Promise<T> {
  try {
    return await result;
  } catch (error) {
    if (!isOutage(error)) throw error;
    throw new DomainError('UNAVAILABLE', 'The database does not answer.', { remedy: 'Try again in a moment.', cause: error });
  }
}

const outageCodes = new Set([
  'P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2028', // Prisma: unreachable, timed out, closed, no connection free
  'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT',
  '57P01', '57P02', '57P03', '53300', // Postgres: shutting down, crashed, starting up, too many connections
  '57014', '55P03', '25P03', // so slow that our own limits ended it: a statement, the wait for a lock, a transaction whose process stood still
  '40P01', '40001', // undone for the sake of another transaction
]);

function isOutage(error: unknown): boolean {
  for (let cause = error as Chained | undefined, depth = 0; cause && depth < 5; depth++) {
    if (typeof cause.code === 'string' && outageCodes.has(cause.code)) return true;
    if (typeof cause.originalCode === 'string' && outageCodes.has(cause.originalCode)) return true;
    if (/Connection terminated|timeout exceeded when trying to connect|^timeout expired$|is not queryable$|DatabaseNotReachable|ConnectionClosed/.test(String(cause.message ?? cause.kind))) {
      return true;
    }
    cause = cause.cause ?? cause.meta?.driverAdapterError;
  }
  return false;
}

interface Chained {
  code?: unknown;
  originalCode?: unknown;
  message?: unknown;
  kind?: unknown;
  cause?: Chained;
  meta?: { driverAdapterError?: Chained };
}
