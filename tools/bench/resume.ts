import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { candidates } from './resume-candidates.ts';
import { say } from './servers.ts';

/**
 * Trainings that are killed (-9) after random epochs and gone on with, over and over: each must end with what an
 * uninterrupted one has learned, bit for bit. Each candidate gets its share of the kills.
 * `npm run bench -- resume [--kills 50 --candidates adam,random_forest]`
 */
export async function benchResume(parameters: string[]): Promise<void> {
  const { values } = parseArgs({ args: parameters, options: { kills: { type: 'string', default: '50' }, candidates: { type: 'string', default: Object.keys(candidates).join(',') } } });
  const wanted = Number(values.kills);
  const folder = await fs.mkdtemp(path.join(tmpdir(), 'millrace-resume-'));
  const names = values.candidates.split(',');
  const undisturbed = new Map<string, string>();
  const tally = new Map(names.map((name) => [name, { kills: 0, trainings: 0, differing: 0 }]));
  try {
    for (const name of names) {
      say(`${name}: uninterrupted`);
      undisturbed.set(name, (await attempt(name, folder, Infinity))!);
      await fs.rm(path.join(folder, `${name}.checkpoint`));
    }
    for (const [place, name] of names.entries()) {
      const own = tally.get(name)!;
      const share = Math.floor(((place + 1) * wanted) / names.length) - Math.floor((place * wanted) / names.length);
      while (own.kills < share) {
        let digest: string | null = null;
        while (digest === null) {
          say(`${name}: ${own.kills} of ${share} kills`);
          digest = await attempt(name, folder, own.kills < share ? 1 + Math.floor(Math.random() * 12) : Infinity);
          if (digest === null) own.kills += 1;
        }
        own.trainings += 1;
        if (digest !== undisturbed.get(name)) own.differing += 1;
        await fs.rm(path.join(folder, `${name}.checkpoint`));
      }
    }
  } finally {
    await fs.rm(folder, { recursive: true, force: true });
  }
  say('');
  for (const [name, { kills, trainings, differing }] of tally) {
    console.log(`  ${name.padEnd(16)} ${kills} kills in ${trainings} trainings, ${differing} of which ended otherwise than the uninterrupted one`);
    if (differing > 0) process.exitCode = 1;
  }
}

/** @returns the digest at the end, or null where it was killed, after so many epochs, before */
async function attempt(name: string, folder: string, epochs: number): Promise<string | null> {
  const child = spawn(process.execPath, ['--import', 'tsx', path.join(import.meta.dirname, 'resume-trainer.ts'), name, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  let seen = 0;
  let digest: string | null = null;
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith('digest ')) digest = line.slice('digest '.length);
    // Not at the moment of the line, but somewhere in what follows it.
    else if (++seen === epochs) setTimeout(() => child.kill('SIGKILL'), Math.random() * 5);
  }
  const [code] = await ended;
  if (digest === null && code !== null) throw new Error(`the training of ${name} ended with ${code}`);
  return digest;
}
