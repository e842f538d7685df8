import fs from 'node:fs';
import path from 'node:path';

/** A process of the product, as its supervisor knows it. */
export interface RunningProcess {
  program: string;
  pid: number;
  state: 'starting' | 'serving' | 'draining';
  /** its own door on this machine; null before it serves, and for one that has none */
  url: string | null;
  version: string | null;
  /** of the bundle that it runs */
  build: string;
  startedAt: string;
}

/** What the supervisor writes down for other programs of this machine. */
export interface ProcessList {
  restarts: { begun: number; finished: number; problem: string | null };
  processes: RunningProcess[];
}

const fileOf = (home: string): string => path.join(home, 'processes.json');

/** In one step: a reader sees the list of before or the new one. */
export function writeProcessList(home: string, list: ProcessList): void {
  const file = fileOf(home);
  fs.writeFileSync(`${file}.new`, JSON.stringify(list, null, 2), { mode: 0o600 });
  fs.renameSync(`${file}.new`, file);
}

/** Null where none was ever written, or by an older supervisor. */
export function readProcessList(home: string): ProcessList | null {
  try {
    return JSON.parse(fs.readFileSync(fileOf(home), 'utf8')) as ProcessList;
  } catch {
    return null;
  }
}

export function removeProcessList(home: string): void {
  fs.rmSync(fileOf(home), { force: true });
}
