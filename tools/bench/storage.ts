import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { type ArtefactStore, createFileStore, createSealedStore, type TenantKeyring } from '@millrace/storage';
import { median } from './median.ts';

const stores = ['plain', 'sealed'] as const;
type StoreName = (typeof stores)[number];

const key = 'tenants/ten_bench/datasets/dsv_bench';
const mebibyte = 1024 ** 2;

interface Sample {
  ms: number;
  /** of this process, all threads */
  cpuMs: number;
}

/**
 * What encryption costs: one large artefact put, streamed back and given as a local file, by the sealed store and by the
 * file store below it, in turn, in one run. The median of the rounds counts, since other work on the machine disturbs
 * single ones.
 */
export async function benchStorage(parameters: string[]): Promise<void> {
  const { values } = parseArgs({ args: parameters, options: { rounds: { type: 'string', default: '7' }, megabytes: { type: 'string', default: '256' } } });
  const [rounds, megabytes] = [Number(values.rounds), Number(values.megabytes)];
  const directory = await fs.mkdtemp(path.join(os.tmpdir(), 'millrace-bench-'));
  try {
    const tenantKey = randomBytes(32);
    const keyring: TenantKeyring = { current: async () => ({ version: 1, key: tenantKey }), find: async () => tenantKey };
    const at = (name: StoreName): ArtefactStore => createFileStore({ root: path.join(directory, name) });
    const open: Record<StoreName, ArtefactStore> = {
      plain: at('plain'),
      sealed: createSealedStore({ inner: at('sealed'), keyring, scratchDirectory: path.join(directory, 'scratch') }),
    };
    const content = randomBytes(mebibyte);
    const source = async function* (): AsyncGenerator<Uint8Array> {
      for (let sent = 0; sent < megabytes * mebibyte; sent += 65_536) yield content.subarray(sent % mebibyte, (sent % mebibyte) + 65_536);
    };
    const steps: Record<string, (store: ArtefactStore) => Promise<void>> = {
      put: async (store) => {
        const outcome = await store.put(key, source(), { expectedBytes: megabytes * mebibyte });
        if (outcome.type !== 'stored') throw new Error(`the artefact was not stored: ${outcome.type}`);
      },
      'read as a stream': async (store) => {
        let received = 0;
        for await (const bytes of await store.open(key)) received += (bytes as Uint8Array).length;
        if (received !== megabytes * mebibyte) throw new Error(`read ${received} bytes`);
      },
      'read as a local file': (store) =>
        store.withLocalFile(key, async (file) => {
          const handle = await fs.open(file);
          for await (const _bytes of handle.createReadStream({ highWaterMark: mebibyte }));
        }),
    };

    const samples = new Map<string, Record<StoreName, Sample[]>>(Object.keys(steps).map((step) => [step, { plain: [], sealed: [] }]));
    for (let round = 0; round <= rounds; round++) {
      for (const name of round % 2 ? stores : [...stores].reverse()) {
        for (const [step, run] of Object.entries(steps)) {
          const cpu = process.cpuUsage();
          const begin = performance.now();
          await run(open[name]);
          const ms = performance.now() - begin;
          const { user, system } = process.cpuUsage(cpu);
          if (round > 0) samples.get(step)![name].push({ ms, cpuMs: (user + system) / 1000 }); // the first one warms up
        }
      }
    }
    console.log(`one artefact of ${megabytes} MiB, ${rounds} rounds; peak memory of the process ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MiB\n`);
    for (const [step, taken] of samples) report(step, megabytes, taken);
    const total = (name: StoreName, index: number): number => ['put', 'read as a stream'].reduce((sum, step) => sum + samples.get(step)![name][index]!.ms, 0);
    const each = Array.from({ length: rounds }, (_, index) => total('sealed', index) / total('plain', index));
    console.log(`put and read as a stream, sealed to plain: ${median(each).toFixed(2)} (rounds ${Math.min(...each).toFixed(2)} to ${Math.max(...each).toFixed(2)})`);
  } finally {
    await fs.rm(directory, { recursive: true, force: true });
  }
}

function report(step: string, megabytes: number, samples: Record<StoreName, Sample[]>): void {
  const ms = (name: StoreName): number => median(samples[name].map((sample) => sample.ms));
  const cpu = (name: StoreName): number => median(samples[name].map((sample) => sample.cpuMs));
  const rate = (name: StoreName): string => `${name} ${((megabytes * 1000) / ms(name)).toFixed(0)} MiB/s`;
  const each = samples.sealed.map((sample, index) => sample.ms / samples.plain[index]!.ms);
  const ratio = `time ${(ms('sealed') / ms('plain')).toFixed(2)} (rounds ${Math.min(...each).toFixed(2)} to ${Math.max(...each).toFixed(2)})   CPU ${(cpu('sealed') / cpu('plain')).toFixed(2)}`;
  console.log(`${step.padEnd(22)}${stores.map(rate).join('   ')}   ratios: ${ratio}`);
}
