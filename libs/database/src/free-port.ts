import { randomInt } from 'node:crypto';
import net from 'node:net';

/** Whether somebody could listen there now. */
export function isPortFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}

/** Below the ports that systems give to connections, and to who listens at any port: before it is used, nobody gets it by chance. */
const range = { from: 20_000, below: 32_768 };
const given = new Set<number>();

/** Of this machine, at this moment, and given once. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 1_000; attempt++) {
    const port = randomInt(range.from, range.below);
    if (given.has(port) || !(await isPortFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`No port from ${range.from} to ${range.below - 1} is free.`);
}
