import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/**
 * A server that closes waits for every connection that has not asked for anything yet, for as long as a request may take
 * to arrive. This notes the connections without a request under way.
 * @returns to be called as the server begins to close: after `graceMs` it ends those connections. Until then, a
 *   request that was on its way may still arrive.
 */
export function watchSilentConnections(server: Server, { graceMs = 3_000 }: { graceMs?: number } = {}): () => void {
  const silent = new Set<Socket>();
  const underWay = new Map<Socket, number>();
  server.on('connection', (socket) => {
    silent.add(socket);
    socket.once('close', () => {
      silent.delete(socket);
      underWay.delete(socket);
    });
  });
  server.on('request', ({ socket }, response) => {
    silent.delete(socket);
    underWay.set(socket, (underWay.get(socket) ?? 0) + 1);
    response.once('close', () => {
      const others = (underWay.get(socket) ?? 1) - 1;
      underWay.set(socket, others);
      if (!others && !socket.destroyed) silent.add(socket);
    });
  });
  return () => {
    const ending = setTimeout(() => silent.forEach((socket) => socket.destroy()), graceMs);
    server.once('close', () => clearTimeout(ending));
  };
}
