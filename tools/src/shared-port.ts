import type { ChildProcess } from 'node:child_process';
import net from 'node:net';
import type { ProgramMessage, SupervisorMessage } from '@millrace/kernel';

/** A connection that nobody has taken for so long is closed: its client must not wait for ever. */
const patienceMs = 10_000;
const mostWaiting = 10_000;

interface Waiting {
  id: number;
  socket: net.Socket;
  since: number;
}

let lastId = 0;

/**
 * A port that several processes serve: this one accepts, and hands each connection to the next process that is free, in
 * turn. One at a time is on its way to a process, so one whose event loop stands still gets no more of them. As long as
 * there is no process at all, connections wait here.
 */
export class SharedPort {
  readonly #name: string;
  readonly #server = net.createServer({ pauseOnConnect: true, noDelay: true });
  /** in the order of their turns, each with what is on its way to it */
  readonly #members = new Map<ChildProcess, Waiting | null>();
  readonly #leaving = new Map<ChildProcess, () => void>();
  #waiting: Waiting[] = [];
  readonly #sweeping: NodeJS.Timeout;

  /** Rejects when the port is taken. */
  static async listen(name: string, { host, port }: { host: string; port: number }): Promise<SharedPort> {
    const shared = new SharedPort(name);
    await new Promise<void>((resolve, reject) => shared.#server.once('error', reject).listen(port, host, resolve));
    return shared;
  }

  private constructor(name: string) {
    this.#name = name;
    this.#server.maxConnections = mostWaiting; // what was handed over does not count
    this.#server.on('connection', (socket) => {
      socket.on('error', () => socket.destroy());
      this.#waiting.push({ id: ++lastId, socket, since: performance.now() });
      this.#hand();
    });
    this.#sweeping = setInterval(() => this.#closeOld(), 1_000).unref();
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  /** From now on the process gets its share of the connections, until it leaves or ends. */
  join(child: ChildProcess): void {
    if (child.exitCode !== null || child.signalCode !== null) return;
    this.#members.set(child, null);
    child.on('message', (message: ProgramMessage) => {
      if (message.type === 'taken') this.#taken(child, message.id);
    });
    child.once('exit', (code) => this.#ended(child, code === 0));
    this.#hand();
  }

  /** The process gets no more connections. Resolves when none is on its way to it any more. */
  leave(child: ChildProcess): Promise<void> {
    if (!this.#members.get(child)) {
      this.#members.delete(child);
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#leaving.set(child, resolve));
  }

  /** Refuses what comes from now on, and closes what waits. */
  close(): void {
    clearInterval(this.#sweeping);
    this.#server.close();
    for (const { socket } of this.#waiting) socket.destroy();
    this.#waiting = [];
  }

  #hand(): void {
    for (const [child, onItsWay] of [...this.#members]) {
      if (!this.#waiting.length) return;
      if (onItsWay || this.#leaving.has(child)) continue;
      const next = this.#waiting.shift()!;
      this.#members.delete(child); // its next turn comes after everybody else's
      this.#members.set(child, next);
      const message: SupervisorMessage = { type: 'connection', id: next.id, port: this.#name };
      // Kept open here until it is taken: otherwise nobody could close it should the process be killed first.
      child.send(message, next.socket, { keepOpen: true }, (error) => {
        if (error) this.#ended(child, true);
      });
    }
  }

  #taken(child: ChildProcess, id: number): void {
    const onItsWay = this.#members.get(child);
    if (onItsWay?.id !== id) return; // of another port
    onItsWay.socket.destroy(); // here; the process has it
    this.#members.set(child, null);
    this.#leaving.get(child)?.();
    if (this.#leaving.delete(child)) this.#members.delete(child);
    this.#hand();
  }

  /** @param inOrder whether it did not touch what was on its way to it: otherwise a part of a request may be lost */
  #ended(child: ChildProcess, inOrder: boolean): void {
    const onItsWay = this.#members.get(child);
    this.#members.delete(child);
    if (onItsWay && inOrder) this.#waiting.unshift(onItsWay);
    else onItsWay?.socket.destroy();
    this.#leaving.get(child)?.();
    this.#leaving.delete(child);
    this.#hand();
  }

  #closeOld(): void {
    const oldest = performance.now() - patienceMs;
    while (this.#waiting.length && this.#waiting[0]!.since < oldest) this.#waiting.shift()!.socket.destroy();
  }
}
