import { Socket } from 'node:net';
import type pg from 'pg';

/** The system asks whoever says nothing for so long whether it is still there, and ends the connection ten unanswered seconds later. */
export const keepAlive = { keepAlive: true, keepAliveInitialDelayMillis: 10_000 } as const;

/**
 * Ends a connection that owes an answer and lets nothing be heard for so long. A peer that vanished without a word (its machine lost its power, or something on
 * the way forgot the connection) is else waited for until TCP gives up on what was sent, a quarter of an hour later. The statement fails as in any other outage: whether
 * it took place is not known.
 * @param silent told when that has happened
 */
export function endWhenSilent(client: pg.Client, silenceMs: number, silent: () => void = () => undefined): void {
  const { stream } = client.connection;
  if (!(stream instanceof Socket)) return;
  let [since, heard, said] = [performance.now(), -1, -1];
  // Not the socket's own time-out: that is also over for what was idle, and is asked something at that very moment.
  const timer = setInterval(() => {
    const now = performance.now();
    if (!owesAnswer(client) || stream.bytesRead !== heard || stream.bytesWritten !== said) {
      [since, heard, said] = [now, stream.bytesRead, stream.bytesWritten];
      return;
    }
    if (now - since < silenceMs) return;
    // This process may have been held up itself: what has come meanwhile is read before this.
    setImmediate(() => {
      if (stream.bytesRead !== heard || !owesAnswer(client) || stream.destroyed) return;
      hangUp(client);
      silent();
    });
  }, silenceMs / 4).unref();
  stream.once('close', () => clearInterval(timer));
}

/** As `endWhenSilent` for each connection of a pool. Where one has fallen silent, so have most likely those that lie idle, and nobody is to wait for each in turn. */
export function endSilentConnections(pool: pg.Pool, silenceMs: number): void {
  const idle = new Set<pg.PoolClient>();
  pool.on('connect', (client) => endWhenSilent(client, silenceMs, () => idle.forEach(hangUp)));
  pool.on('release', (_error, client) => idle.add(client));
  pool.on('acquire', (client) => idle.delete(client));
  pool.on('remove', (client) => idle.delete(client));
}

/** Not in its types; the driver clears it with each statement that it sends, and sets it when the database is ready for the next. */
const owesAnswer = (client: pg.Client): boolean => (client as { readyForQuery?: boolean }).readyForQuery === false;

function hangUp({ connection }: pg.Client): void {
  connection.stream.destroy(Object.assign(new Error('Connection terminated: the database has fallen silent'), { code: 'ETIMEDOUT' }));
}
