import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';

/** The connections of a server: those that it accepted itself, and those that were handed to it. */
export interface OpenConnections {
  /** Whether no later request has come on the same connection: only the answer to the last one may end it. */
  isLast(request: IncomingMessage): boolean;
  /** Resolves when none is open any more, or after so many milliseconds. */
  gone(patienceMs?: number): Promise<void>;
  /**
   * To be called as the server begins to close. A server waits for every connection that has not asked for anything yet,
   * for as long as a request may take to arrive: after `graceMs` those without a request under way are ended. Until then, a
   * request that was on its way may still arrive.
   */
  endSilent(graceMs?: number): void;
}

/** To be called before the server listens. */
export function watchConnections(server: Server): OpenConnections {
  const underWay = new Map<Socket, number>();
  const latest = new WeakMap<Socket, IncomingMessage>();
  let onNone: (() => void)[] = [];
  server.on('connection', (socket) => {
    underWay.set(socket, 0);
    socket.once('close', () => {
      underWay.delete(socket);
      if (underWay.size) return;
      for (const resolve of onNone) resolve();
      onNone = [];
    });
  });
  // Before whoever answers: an answer may be made at once.
  server.prependListener('request', (request, response) => {
    const { socket } = request;
    latest.set(socket, request);
    underWay.set(socket, (underWay.get(socket) ?? 0) + 1);
    response.once('close', () => {
      const requests = underWay.get(socket);
      if (requests !== undefined) underWay.set(socket, requests - 1);
    });
  });
  return {
    isLast: (request) => latest.get(request.socket) === request,
    async gone(patienceMs) {
      if (!underWay.size) return;
      const none = new Promise<void>((resolve) => onNone.push(resolve));
      if (patienceMs === undefined) return none;
      let timer: NodeJS.Timeout | undefined;
      await Promise.race([none, new Promise<void>((resolve) => (timer = setTimeout(resolve, patienceMs)))]);
      clearTimeout(timer);
    },
    endSilent(graceMs = 3_000) {
      const ending = setTimeout(() => {
        for (const [socket, requests] of underWay) if (!requests) socket.destroy();
      }, graceMs);
      void this.gone().then(() => clearTimeout(ending));
    },
  };
}
