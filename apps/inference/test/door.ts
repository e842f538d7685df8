import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A door to the database that can be shut: no connection passes, and those that are open break. */
export async function createDoor(databaseUrl: string) {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  let isOpen = true;
  const door = createServer((inner) => {
    if (!isOpen) return void inner.destroy();
    const outer = connect(Number(target.port), target.hostname);
    for (const [socket, other] of [[inner, outer], [outer, inner]] as const) {
      sockets.add(socket);
      socket.on('error', () => other.destroy()).on('close', () => sockets.delete(socket) && other.destroy());
      socket.pipe(other);
    }
  }).listen(0, '127.0.0.1');
  await once(door, 'listening');
  const { port } = door.address() as { port: number };
  return {
    through: (url: string) => {
      const changed = new URL(url);
      changed.host = `127.0.0.1:${port}`;
      return changed.toString();
    },
    shut() {
      isOpen = false;
      for (const socket of sockets) socket.destroy();
    },
    open: () => (isOpen = true),
    close: () => new Promise((resolve) => door.close(resolve)),
  };
}
