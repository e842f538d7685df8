import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A way to a database whose connections fall silent as when a machine loses its power: nothing passes any more, and nothing ends. */
export interface SilentDoor {
  /** the same address, through this door */
  to(url: string): string;
  /** how many have come so far */
  readonly connections: number;
  /** all connections there are; what comes later passes */
  fallSilent(): void;
  /** the next connection that sends these texts, one after the other: the last one still reaches the database, no answer comes back */
  fallSilentAfter(...texts: string[]): void;
  /** ends what is silent */
  hangUp(): void;
  close(): Promise<void>;
}

/** Opens a door to the server of this database address. */
export async function openSilentDoor(url: string): Promise<SilentDoor> {
  const target = new URL(url);
  const open = new Set<{ inner: Socket; outer: Socket; isSilent: boolean; sent: number }>();
  let connections = 0;
  let fatal: readonly string[] = [];

  const server = createServer((inner) => {
    const outer = connect(Number(target.port), target.hostname);
    const way = { inner, outer, isSilent: false, sent: 0 };
    connections++;
    open.add(way);
    inner.on('data', (bytes) => {
      if (way.isSilent) return;
      outer.write(bytes);
      const next = fatal[way.sent];
      if (next === undefined || !bytes.includes(next) || ++way.sent < fatal.length) return;
      way.isSilent = true;
      fatal = [];
    });
    outer.on('data', (bytes) => void (way.isSilent || inner.write(bytes)));
    for (const [one, other] of [[inner, outer], [outer, inner]] as const) {
      one.on('error', () => undefined).on('close', () => {
        if (!way.isSilent) other.destroy();
        if (inner.destroyed && outer.destroyed) open.delete(way);
      });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  function hangUp(): void {
    for (const { inner, outer } of open) {
      inner.destroy();
      outer.destroy();
    }
  }

  return {
    to: (of) => Object.assign(new URL(of), { host: `127.0.0.1:${port}` }).toString(),
    get connections() {
      return connections;
    },
    fallSilent() {
      for (const way of open) way.isSilent = true;
    },
    fallSilentAfter(...texts) {
      fatal = texts;
      for (const way of open) way.sent = 0;
    },
    hangUp,
    async close() {
      hangUp();
      server.close();
      await once(server, 'close');
    },
  };
}
