import { createFileStore } from '../src/index.ts';

/**
 * A process to be killed or starved: `put-slowly.ts ROOT KEY BYTES`. Puts so many bytes, says `writing` after each
 * chunk, and then waits for ever (`BYTES` below zero) or ends by printing the outcome.
 */
const [root, key, bytes] = process.argv.slice(2) as [string, string, string];
const wanted = Math.abs(Number(bytes));

async function* source(): AsyncGenerator<Uint8Array> {
  for (let sent = 0; sent < wanted; sent += 65_536) {
    yield Buffer.alloc(65_536, 'x');
    process.stdout.write('writing\n');
  }
  if (Number(bytes) < 0) await new Promise((resolve) => setTimeout(resolve, 600_000));
}

try {
  const outcome = await createFileStore({ root }).put(key, source());
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
} catch (error) {
  process.stdout.write(`${JSON.stringify({ ...(error as Error), message: (error as Error).message, cause: undefined })}\n`);
}
