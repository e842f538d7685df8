import type { IncomingMessage, Server, ServerResponse } from 'node:http';
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
  const open = new Map<Socket, { underWay: number; latest: IncomingMessage | null }>();
  let onNone: (() => void)[] = [];
  server.on('connection', (socket) => {
    open.set(socket, { underWay: 0, latest: null });
    socket.once('close', () => {
      open.delete(socket);
      if (open.size) return;
      for (const resolve of onNone) resolve();
      onNone = [];
    });
  });
  // One for all of them: a closure for each would cost every request.
  function onClose(this: ServerResponse): void {
    const connection = open.get(this.req.socket);
    if (connection) connection.underWay--;
  }
  // Before whoever answers: an answer may be made at once.
  server.prependListener('request', (request, response) => {
    const connection = open.get(request.socket);
    if (!connection) return;
    connection.latest = request;
    connection.underWay++;
    response.on('close', onClose);
  });
  return {
    isLast: (request) => open.get(request.socket)?.latest === request,
    async gone(patienceMs) {
      if (!open.size) return;
      const none = new Promise<void>((resolve) => onNone.push(resolve));
      if (patienceMs === undefined) return none;
      let timer: NodeJS.Timeout | undefined;
      await Promise.race([none, new Promise<void>((resolve) => (timer = setTimeout(resolve, patienceMs)))]);
      clearTimeout(timer);
    },
    endSilent(graceMs = 3_000) {
      const ending = setTimeout(() => {
        for (const [socket, { underWay }] of open) if (!underWay) socket.destroy();
      }, graceMs);
      void this.gone().then(() => clearTimeout(ending));
    },
  };
}
