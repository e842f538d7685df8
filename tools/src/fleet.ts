import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { type ProgramMessage, supervisedFlag, type SupervisorMessage } from '@millrace/kernel';
import { prefixLines, print } from './log-lines.ts';
import { nodeArguments } from './node-arguments.ts';
import type { RunningProcess } from './process-list.ts';
import type { SharedPort } from './shared-port.ts';

export interface Program {
  name: string;
  /** its folder, which has the bundle */
  project: string;
  environment: Record<string, string>;
  /** how many processes of it */
  processes: number;
  /** that its processes share, which are replaced without a gap; without one, the next begins when the last has ended */
  ports: SharedPort[];
  /** answers 200 when it is ready, for a program without ports; the others say so themselves */
  readyUrl?: string;
}

interface Part {
  program: Program;
  child: ChildProcess;
  facts: RunningProcess;
  serving: Promise<void>;
  /** whether its end is nobody's wish */
  isWanted: boolean;
}

export interface FleetOptions {
  root: string;
  /** of this process, the part that programs may see */
  environment: NodeJS.ProcessEnv;
  onChange(): void;
}

export type Fleet = ReturnType<typeof createFleet>;

const firstDelayMs = 500;
const longestDelayMs = 15_000;
/** Who lives so long did not fail by its start: it is started again at once. */
const soundAfterMs = 10_000;
const startingMs = 60_000;
const endingMs = 12_000;
/** for what a process is asked */
const answerMs = 2_000;

let lastId = 0;

/** The processes of the programs: starts them, starts again what dies by itself, replaces and stops them. */
export function createFleet({ root, environment, onChange }: FleetOptions) {
  const parts = new Set<Part>();
  const delays = new Map<Program, number>();
  let stopping = false;

  const say = (program: Program, text: string): void => print(`${program.name.padEnd(9)} | ${text}`);
  const entryOf = (program: Program): string => path.join(root, program.project, 'bundle/main.js');
  const partsOf = (program: Program): Part[] => [...parts].filter((part) => part.program === program);

  function setState(part: Part, state: RunningProcess['state']): void {
    part.facts.state = state;
    onChange();
  }

  function begin(program: Program, legacy: unknown): Part {
    const entry = entryOf(program);
    const child = spawn(process.execPath, [...(nodeArguments[program.name] ?? []), '--enable-source-maps', entry, ...(program.ports.length ? [supervisedFlag] : [])], {
      cwd: root,
      env: { ...environment, ...program.environment },
      // The channel's end tells a child that this process is gone, even when it was killed.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // Ctrl-C goes to the whole foreground group; children stop when this process says so, in order.
      detached: true,
    });
    prefixLines(child.stdout!, program.name);
    prefixLines(child.stderr!, program.name);
    const facts: RunningProcess = { program: program.name, pid: child.pid ?? 0, state: 'starting', url: null, version: null, build: buildOf(entry), startedAt: new Date().toISOString() };
    const part: Part = { program, child, facts, isWanted: true, serving: Promise.resolve() };
    const startedAt = performance.now();
    const ended = new Promise<never>((_resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => {
        parts.delete(part);
        onChange();
        const how = signal ?? `exit code ${code}`;
        reject(new Error(`${program.name} ended (${how})`));
        if (!part.isWanted || stopping) return;
        const delay = performance.now() - startedAt > soundAfterMs ? firstDelayMs : (delays.get(program) ?? firstDelayMs);
        delays.set(program, Math.min(delay * 2, longestDelayMs));
        say(program, `ended (${how}); starting again in ${delay / 1000} s`);
        setTimeout(() => void startAgain(program), delay);
      });
    });
    child.on('message', (message: ProgramMessage) => {
      if (message.type === 'draining') {
        setState(part, 'draining');
      } else if (message.type === 'gather') {
        void gather(program).then((reports) => tell(part, { type: 'gathered', id: message.id, reports }));
      }
    });
    part.serving = Promise.race([ended, program.readyUrl ? answers(program.readyUrl) : saysThatItServes(part)]).then(() => setState(part, 'serving'));
    part.serving.catch(() => undefined);
    parts.add(part);
    for (const port of program.ports) port.give(child);
    if (program.ports.length) tell(part, { type: 'inherit', legacy });
    onChange();
    return part;
  }

  async function startAgain(program: Program): Promise<void> {
    const others = partsOf(program);
    if (stopping || others.filter(({ isWanted }) => isWanted).length >= program.processes) return; // it was replaced meanwhile
    begin(program, await legacyOf(others.find(({ facts }) => facts.state === 'serving')));
  }

  /** What its successor should know, or null. */
  async function legacyOf(part: Part | undefined): Promise<unknown> {
    if (!part?.program.ports.length) return null;
    const answer = await asked(part, { type: 'bequeath' }, ({ type }) => type === 'legacy');
    return answer?.type === 'legacy' ? answer.legacy : null;
  }

  async function gather(program: Program): Promise<unknown[]> {
    const id = ++lastId;
    const answers = await Promise.all(
      partsOf(program).filter(({ facts }) => facts.url !== null).map((part) => asked(part, { type: 'ask', id }, (message) => message.type === 'report' && message.id === id)),
    );
    return answers.flatMap((answer) => (answer?.type === 'report' ? [answer.report] : []));
  }

  /** Ends it, by force if it takes too long. */
  async function end(part: Part, tellIt: () => void): Promise<void> {
    const { child } = part;
    part.isWanted = false;
    if (child.exitCode !== null || child.signalCode !== null) return;
    setState(part, 'draining');
    await new Promise<void>((resolve) => {
      const kill = setTimeout(() => child.kill('SIGKILL'), endingMs);
      child.once('exit', () => {
        clearTimeout(kill);
        resolve();
      });
      tellIt();
    });
  }

  async function replacePart(part: Part): Promise<void> {
    const { program, child } = part;
    if (!program.ports.length) await end(part, () => child.kill('SIGTERM'));
    const next = begin(program, await legacyOf(part));
    if (program.ports.length) {
      // Until it serves, its end is a failure of this replacement, and not one to be mended by another try.
      next.isWanted = false;
      try {
        await inTime(next.serving, `${program.name} is not ready after a minute`);
      } catch (error) {
        await end(next, () => next.child.kill('SIGKILL'));
        throw error;
      }
      next.isWanted = true;
      await end(part, () => child.kill('SIGTERM'));
    } else {
      await inTime(next.serving, `${program.name} is not ready after a minute`);
    }
  }

  return {
    list: (): RunningProcess[] => [...parts].map(({ facts }) => facts),

    /** Resolves when all its processes serve; those that end before are started again. */
    async start(program: Program): Promise<void> {
      while (partsOf(program).length < program.processes) begin(program, null);
      const deadline = performance.now() + startingMs;
      while (!stopping && partsOf(program).filter(({ facts }) => facts.state === 'serving').length < program.processes) {
        if (performance.now() > deadline) throw new Error(`${program.name} is not ready after a minute; see its log above.`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },

    /**
     * Puts a new process in the place of each, one after another: first it serves, then the old one is told to end.
     * Rejects when a new one does not come to serve; the old one stays then.
     */
    async replace(program: Program): Promise<void> {
      for (const part of partsOf(program)) {
        if (stopping || !part.isWanted) continue;
        say(program, `process ${part.facts.pid} is being replaced`);
        await replacePart(part);
      }
    },

    async stop(): Promise<void> {
      stopping = true;
      await Promise.all([...parts].map((part) => end(part, () => (part.program.ports.length ? tell(part, { type: 'end' }) : part.child.kill('SIGTERM')))));
    },
  };
}

function tell({ child }: Part, message: SupervisorMessage): void {
  if (child.connected) child.send(message, () => undefined); // of its end the exit tells
}

/** Its answer, or null when it has none in time. */
function asked(part: Part, question: SupervisorMessage, isAnswer: (message: ProgramMessage) => boolean): Promise<ProgramMessage | null> {
  const { child } = part;
  return new Promise((resolve) => {
    const settle = (answer: ProgramMessage | null): void => {
      clearTimeout(timer);
      child.off('message', listen).off('exit', gone);
      resolve(answer);
    };
    const listen = (message: ProgramMessage): void => void (isAnswer(message) && settle(message));
    const gone = (): void => settle(null);
    const timer = setTimeout(settle, answerMs, null);
    child.on('message', listen).on('exit', gone);
    tell(part, question);
  });
}

function saysThatItServes({ child, facts }: Part): Promise<void> {
  return new Promise((resolve) => {
    child.on('message', (message: ProgramMessage) => {
      if (message.type !== 'serving') return;
      facts.url = message.url;
      facts.version = message.version;
      resolve();
    });
  });
}

async function answers(url: string): Promise<void> {
  for (;;) {
    if (await fetch(url, { signal: AbortSignal.timeout(2_000) }).then((response) => response.ok, () => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function inTime(work: Promise<void>, complaint: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => (timer = setTimeout(() => reject(new Error(complaint)), startingMs)));
  await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** Tells builds of the same version apart. */
export function buildOf(entry: string): string {
  return createHash('sha256').update(readFileSync(entry)).digest('hex').slice(0, 12);
}
