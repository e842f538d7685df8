import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface SeverableProxy {
  /** the same address through the proxy */
  through(url: string): string;
  /** cuts all connections and takes no more */
  sever(): void;
  mend(): void;
  close(): Promise<void>;
}

/** Stands between the API and Postgres, so that a spec can take the database away without stopping it for others. */
export async function createSeverableProxy(target: string): Promise<SeverableProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let severed = false;
  const server = createServer((inner) => {
    if (severed) return void inner.destroy();
    const outer = connect(Number(port), hostname);
    for (const [from, to] of [[inner, outer], [outer, inner]] as const) {
      sockets.add(from);
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    severed = true;
    for (const socket of sockets) socket.destroy();
  };
  return {
    through(url) {
      const result = new URL(url);
      result.hostname = '127.0.0.1';
      result.port = String((server.address() as AddressInfo).port);
      return result.toString();
    },
    sever: cut,
    mend: () => void (severed = false),
    close: () =>
      new Promise((resolve) => {
        cut();
        server.close(() => resolve());
      }),
  };
}
