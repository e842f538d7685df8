import { DomainError } from '@millrace/kernel';

/**
 * Lets `atOnce` pieces of work run and `waiting` more stand in line, in order; further ones are refused. Parsing takes
 * memory and a processor, so one process must bound how much of it goes on.
 */
export function createImportGate({ atOnce, waiting }: { atOnce: number; waiting: number }) {
  let running = 0;
  const line: (() => void)[] = [];
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (running < atOnce) running++;
    else {
      if (line.length >= waiting) {
        throw new DomainError('UNAVAILABLE', 'Too many files are being read just now.', { remedy: 'Try again in a minute.' });
      }
      await new Promise<void>((resolve) => line.push(resolve)); // takes over the place of the one that ends
    }
    try {
      return await work();
    } finally {
      const next = line.shift();
      if (next) next();
      else running--;
    }
  };
}
