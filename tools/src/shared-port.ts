import type { ChildProcess } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import net from 'node:net';
import type { SupervisorMessage } from '@millrace/kernel';

/** A socket that is bound, and nothing more: whoever gets it may accept. */
interface BoundSocket {
  close(): void;
  getsockname(into: { port?: number }): number;
}

/** What Node's own cluster shares a port with. A `net.Server` would do no good: it accepts where it was made as well. */
const { _createServerHandle: bind } = net as unknown as { _createServerHandle(address: string, port: number, family: 4 | 6): BoundSocket | number };

/**
 * A port that several processes serve: each accepts for itself, from the one queue that the system keeps. It stays open
 * here, so that while processes come and go, or none is left, connections wait in that queue.
 */
export class SharedPort {
  readonly #name: string;
  readonly #socket: BoundSocket;

  /** Rejects when the port is taken. */
  static async listen(name: string, { host, port }: { host: string; port: number }): Promise<SharedPort> {
    const { address, family } = await lookup(host);
    const socket = bind(address, port, family as 4 | 6);
    if (typeof socket === 'number') throw new Error(`port ${port} of ${host} cannot be had (${socket})`);
    return new SharedPort(name, socket);
  }

  private constructor(name: string, socket: BoundSocket) {
    this.#name = name;
    this.#socket = socket;
  }

  get port(): number {
    const into: { port?: number } = {};
    this.#socket.getsockname(into);
    return into.port!;
  }

  /** The process may accept on it from the moment that it wants to, until it ends. */
  give(child: ChildProcess): void {
    const message: SupervisorMessage = { type: 'port', name: this.#name };
    child.send(message, this.#socket as unknown as net.Server, () => undefined); // of its end the exit tells
  }

  close(): void {
    this.#socket.close();
  }
}
