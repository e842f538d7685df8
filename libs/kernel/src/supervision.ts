import type { Socket } from 'node:net';

/** What a supervisor tells a program, over the channel between the two. */
export type SupervisorMessage =
  /** together with a connection that the supervisor accepted on the port of that name */
  | { type: 'connection'; id: number; port: string }
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
  | { type: 'taken'; id: number }
  | { type: 'legacy'; legacy: unknown }
  /** it serves; `url` is a door of its own on this machine, for whoever wants this process and no other */
  | { type: 'serving'; url: string; version: string }
  /** how are all processes of this program doing? Answered by `gathered` */
  | { type: 'gather'; id: number }
  | { type: 'report'; id: number; report: unknown }
  /** no more connections, please: it was told to end by somebody else */
  | { type: 'draining' };

/** By this word on its command line a program knows that it takes its connections from a supervisor. */
export const supervisedFlag = '--supervised';

/** For the reports of all processes of a program. */
const patienceMs = 3_000;

export interface Supervision {
  /** what the predecessor left to this process */
  inheritance: Promise<unknown>;
  /** Connections of the port go to `take` from now on. */
  takeConnections(port: string, take: (socket: Socket) => void): void;
  /**
   * @param facts.legacy what a successor should know, when it is asked for
   * @param facts.report what other processes of the program may ask for
   */
  serving(facts: { url: string; version: string; legacy?: () => unknown; report: () => Promise<unknown> }): void;
  /** The reports of all processes of this program, this one's among them; of none if the supervisor does not answer. */
  gather(): Promise<unknown[]>;
  draining(): void;
  /** when the supervisor wants this process to end, and nobody succeeds it */
  onEnd(end: () => void): void;
}

/** The supervisor that started this process and hands it its connections; null when it runs by itself. */
export function findSupervision(): Supervision | null {
  if (!process.argv.includes(supervisedFlag) || !process.send) return null;
  const takers = new Map<string, (socket: Socket) => void>();
  let inherit: (legacy: unknown) => void;
  let legacy: () => unknown = () => null;
  let report: () => Promise<unknown> = async () => null;
  const gathering = new Map<number, (reports: unknown[]) => void>();
  let gathered = 0;
  let end = (): void => undefined;
  const tell = (message: ProgramMessage): void => {
    if (process.connected) process.send!(message, undefined, undefined, () => undefined); // a supervisor that is gone is told of by `disconnect`
  };
  const inheritance = new Promise<unknown>((resolve) => (inherit = resolve));
  process.on('message', (message: SupervisorMessage, socket?: Socket) => {
    switch (message.type) {
      case 'inherit':
        return inherit(message.legacy);
      case 'connection':
        tell({ type: 'taken', id: message.id });
        // Its client may have gone while it was handed over.
        return socket && takers.get(message.port)?.(socket);
      case 'bequeath':
        return tell({ type: 'legacy', legacy: legacy() });
      case 'ask':
        return void report().then((answer) => tell({ type: 'report', id: message.id, report: answer }), () => undefined);
      case 'gathered':
        return gathering.get(message.id)?.(message.reports);
      case 'end':
        return end();
    }
  });
  return {
    inheritance,
    takeConnections: (port, take) => void takers.set(port, take),
    serving({ url, version, legacy: bequest, report: own }) {
      if (bequest) legacy = bequest;
      report = own;
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
    draining: () => tell({ type: 'draining' }),
    onEnd: (then) => void (end = then),
  };
}
