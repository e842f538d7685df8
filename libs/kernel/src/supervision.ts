import type { Socket } from 'node:net';

/** What a supervisor tells a program, over the channel between the two. */
export type SupervisorMessage =
  /** together with a connection that the supervisor accepted on the port of that name */
  | { type: 'connection'; id: number; port: string }
  /** what is worth knowing for the program's successor; answered by `legacy` */
  | { type: 'bequeath' }
  /** what the predecessor left; null if there was none. Comes once, first of all */
  | { type: 'inherit'; legacy: unknown }
  /** end, without a successor that silent connections could go over to */
  | { type: 'end' };

/** What a program tells its supervisor. */
export type ProgramMessage =
  | { type: 'taken'; id: number }
  | { type: 'legacy'; legacy: unknown }
  /** it serves; `url` is a door of its own on this machine, for whoever wants this process and no other */
  | { type: 'serving'; url: string; version: string }
  /** no more connections, please: it was told to end by somebody else */
  | { type: 'draining' };

/** By this word on its command line a program knows that it takes its connections from a supervisor. */
export const supervisedFlag = '--supervised';

export interface Supervision {
  /** what the predecessor left to this process */
  inheritance: Promise<unknown>;
  /** Connections of the port go to `take` from now on. */
  takeConnections(port: string, take: (socket: Socket) => void): void;
  /** @param legacy what a successor should know, when it is asked for */
  serving(facts: { url: string; version: string; legacy?: () => unknown }): void;
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
      case 'end':
        return end();
    }
  });
  return {
    inheritance,
    takeConnections: (port, take) => void takers.set(port, take),
    serving({ url, version, legacy: bequest }) {
      if (bequest) legacy = bequest;
      tell({ type: 'serving', url, version });
    },
    draining: () => tell({ type: 'draining' }),
    onEnd: (then) => void (end = then),
  };
}
