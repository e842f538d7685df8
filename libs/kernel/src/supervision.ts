import { createServer, type Server, type Socket } from 'node:net';

/** What a supervisor tells a program, over the channel between the two. */
export type SupervisorMessage =
  /** together with the socket on which the processes of the program accept, each for itself */
  | { type: 'port'; name: string }
  /** what is worth knowing for the program's successor; answered by `legacy` */
  | { type: 'bequeath' }
  /** what the predecessor left; null if there was none. Comes once, first of all */
  | { type: 'inherit'; legacy: unknown }
  /** how you are doing; answered by `report` */
  | { type: 'ask'; id: number }
  /** what all processes of the program have answered, to the one that wanted to know */
  | { type: 'gathered'; id: number; reports: unknown[] }
  /** end, without a successor that silent connections could go over to */
  | { type: 'end' };

/** What a program tells its supervisor. */
export type ProgramMessage =
  | { type: 'legacy'; legacy: unknown }
  /** it serves; `url` is a door of its own on this machine, for whoever wants this process and no other */
  | { type: 'serving'; url: string; version: string }
  /** how are all processes of this program doing? Answered by `gathered` */
  | { type: 'gather'; id: number }
  | { type: 'report'; id: number; report: unknown }
  /** it accepts no more, and is about to end */
  | { type: 'draining' };

/** By this word on its command line a program knows that it gets its ports from a supervisor. */
export const supervisedFlag = '--supervised';

/** For the reports of all processes of a program. */
const patienceMs = 3_000;

export interface Supervision {
  /** what the predecessor left to this process */
  inheritance: Promise<unknown>;
  /** Accepts on the port from now on, together with the other processes of the program. */
  accept(port: string, take: (socket: Socket) => void): Promise<void>;
  /**
   * @param facts.legacy what a successor should know, when it is asked for
   * @param facts.report what other processes of the program may ask for
   */
  serving(facts: { url: string; version: string; legacy?: () => unknown; report: () => Promise<unknown> }): void;
  /** The reports of all processes of this program, this one's among them; of none if the supervisor does not answer. */
  gather(): Promise<unknown[]>;
  /** Accepts no more. Connections that are open stay so. */
  draining(): void;
  /** when the supervisor wants this process to end, and nobody succeeds it */
  onEnd(end: () => void): void;
}

/** The supervisor that started this process and gives it its ports; null when it runs by itself. */
export function findSupervision(): Supervision | null {
  if (!process.argv.includes(supervisedFlag) || !process.send) return null;
  const given = new Map<string, { socket: Promise<object>; give: (socket: object) => void }>();
  const doors: Server[] = [];
  let inherit: (legacy: unknown) => void;
  let legacy: () => unknown = () => null;
  let report: () => Promise<unknown> = async () => null;
  let isServing = false;
  // Whoever serves nothing yet has nothing to finish. Its supervisor may be gone before this process was ready to be told.
  const endEarly = (): void => void (isServing || process.exit(0));
  process.on('disconnect', endEarly);
  if (!process.connected) endEarly();
  const gathering = new Map<number, (reports: unknown[]) => void>();
  let gathered = 0;
  let end = (): void => undefined;
  const tell = (message: ProgramMessage): void => {
    if (process.connected) process.send!(message, undefined, undefined, () => undefined); // a supervisor that is gone is told of by `disconnect`
  };
  const inheritance = new Promise<unknown>((resolve) => (inherit = resolve));
  const portOf = (name: string) => {
    let port = given.get(name);
    if (!port) {
      let give!: (socket: object) => void;
      port = { socket: new Promise((resolve) => (give = resolve)), give };
      given.set(name, port);
    }
    return port;
  };
  process.on('message', (message: SupervisorMessage, socket?: object) => {
    switch (message.type) {
      case 'inherit':
        return inherit(message.legacy);
      case 'port':
        return portOf(message.name).give(socket!);
      case 'bequeath':
        return tell({ type: 'legacy', legacy: legacy() });
      case 'ask':
        return void report().then((answer) => tell({ type: 'report', id: message.id, report: answer }), () => undefined);
      case 'gathered':
        return gathering.get(message.id)?.(message.reports);
      case 'end':
        endEarly();
        return end();
    }
  });
  return {
    inheritance,
    async accept(port, take) {
      const socket = await portOf(port).socket;
      const door = createServer({ noDelay: true, allowHalfOpen: true }, take); // as a server for HTTP has them
      doors.push(door);
      await new Promise<void>((resolve, reject) => door.once('error', reject).listen(socket, resolve));
    },
    serving({ url, version, legacy: bequest, report: own }) {
      if (bequest) legacy = bequest;
      report = own;
      isServing = true;
      tell({ type: 'serving', url, version });
    },
    async gather() {
      const id = ++gathered;
      let timer: NodeJS.Timeout | undefined;
      const reports = await new Promise<unknown[]>((resolve) => {
        gathering.set(id, resolve);
        timer = setTimeout(resolve, patienceMs, []);
        tell({ type: 'gather', id });
      });
      clearTimeout(timer);
      gathering.delete(id);
      return reports;
    },
    draining() {
      for (const door of doors.splice(0)) door.close();
      tell({ type: 'draining' });
    },
    onEnd: (then) => void (end = then),
  };
}
