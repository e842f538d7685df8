import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { FittedPipeline } from '@millrace/packaging';
import { createWorld } from '@millrace/testkit';
import type { LoadOrder, LoadResult } from './load-client.ts';
import { median } from './median.ts';
import { denseOf, neighboursOf, publish, readIris } from './sample-models.ts';
import { createServers, say } from './servers.ts';

const connectionCounts = [1, 16, 64];
const contestants = ['millrace', 'bare'] as const;
type Contestant = (typeof contestants)[number];

interface Sample extends LoadResult {
  cpuMicros: number;
}

/**
 * Single-row `/predict` with key, checks and metering, against a bare node:http server that calls ONNX Runtime on the
 * same model: both in processes of their own, loaded in turn by a third, in one run. The median of the rounds counts,
 * since other work on the machine disturbs single ones. At the end the ledger must hold exactly what was answered.
 */
export async function benchPredict(parameters: string[]): Promise<void> {
  const { values } = parseArgs({
    args: parameters,
    options: { rounds: { type: 'string', default: '5' }, seconds: { type: 'string', default: '2' }, models: { type: 'string', default: 'dense,knn' } },
  });
  const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)];
  const flowers = await readIris();
  const pipelines: Record<string, () => FittedPipeline> = { dense: () => denseOf(flowers), knn: () => neighboursOf(flowers) };

  say('starting the database, a tenant and its key');
  const world = await createWorld();
  const servers = await createServers(world);
  const loaders: ChildProcess[] = [];
  try {
    const tenant = await world.tenant();
    const key = await tenant.apiKey();
    const dataset = await tenant.iris();
    const millrace = await servers.inference();
    const client = spawn(process.execPath, ['--import', 'tsx', path.join(import.meta.dirname, 'load-client.ts')], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    loaders.push(client);
    const run = async (order: LoadOrder): Promise<LoadResult> => {
      client.send(order);
      return ((await once(client, 'message')) as [LoadResult])[0];
    };

    let answered = 0;
    for (const name of values.models.split(',')) {
      const pipeline = pipelines[name]?.();
      if (!pipeline) throw new Error(`There is no model "${name}"; choose among ${Object.keys(pipelines).join(', ')}.`);
      const model = await publish(world, tenant.owner.actor, name, pipeline, { datasetVersionId: dataset.id, runId: (await tenant.run(dataset, undefined, name)).id });
      const modelFile = path.join(world.directory, `${name}.onnx`);
      await writeFile(modelFile, model.files.get('model.onnx')!);
      const bare = await servers.program(['--import', 'tsx', path.join(import.meta.dirname, 'bare-server.ts'), modelFile]);
      const features = flowers[0]!.features;
      const orders: Record<Contestant, Omit<LoadOrder, 'connections' | 'seconds'>> = {
        millrace: { url: `${millrace.url}/predict`, headers: { 'x-api-key': key }, body: JSON.stringify({ model: name, features }) },
        bare: { url: `${bare.url}/predict`, headers: {}, body: JSON.stringify({ features }) },
      };
      for (const server of contestants) {
        say(`${name}: warming up ${server}`);
        const { answered: warm, failed } = await run({ ...orders[server], connections: 16, seconds: 2 });
        if (failed || !warm) throw new Error(`${server} failed ${failed} requests of the warm-up`);
        if (server === 'millrace') answered += warm;
      }
      for (const connections of connectionCounts) {
        const samples: Record<Contestant, Sample[]> = { millrace: [], bare: [] };
        for (let round = 0; round < rounds; round++) {
          const order = round % 2 ? contestants : [...contestants].reverse(); // whoever is second finds the machine warmer
          for (const server of order) {
            say(`${name}, ${connections} connection(s), round ${round + 1} of ${rounds}: ${server}`);
            const base = new URL('/metrics', orders[server].url);
            const before = await cpuSeconds(base);
            const result = await run({ ...orders[server], connections, seconds });
            const cpuMicros = (((await cpuSeconds(base)) - before) * 1e6) / result.answered;
            if (result.failed) throw new Error(`${server} failed ${result.failed} requests`);
            if (server === 'millrace') answered += result.answered;
            samples[server].push({ ...result, cpuMicros });
          }
        }
        report(name, connections, samples);
      }
      bare.child.kill();
      await once(bare.child, 'exit');
    }
    say('shutting down and counting the ledger');
    millrace.child.kill('SIGTERM');
    await once(millrace.child, 'exit');
    const billed = await world.db.database.forTenant(tenant.tenantId).transaction((tx) => tx.usageRecord.count({ where: { kind: 'PREDICTION' } }));
    console.log(`\nanswered ${answered}, in the ledger ${billed}${answered === billed ? '' : ': THEY DIFFER'}`);
    if (answered !== billed) process.exitCode = 1;
  } finally {
    for (const loader of loaders) loader.kill('SIGKILL');
    servers.kill();
    await world.close();
  }
}

function report(model: string, connections: number, samples: Record<Contestant, Sample[]>): void {
  const figures = (server: Contestant) => ({
    rate: median(samples[server].map(({ answered, seconds }) => answered / seconds)),
    p50: median(samples[server].map(({ p50 }) => p50)),
    p99: median(samples[server].map(({ p99 }) => p99)),
    cpu: median(samples[server].map(({ cpuMicros }) => cpuMicros)),
  });
  const [ours, floor] = [figures('millrace'), figures('bare')];
  const row = (name: string, { rate, p50, p99, cpu }: typeof ours) =>
    `  ${name.padEnd(9)}${rate.toFixed(0).padStart(8)} req/s   p50 ${p50.toFixed(3).padStart(8)} ms   p99 ${p99.toFixed(3).padStart(8)} ms   CPU ${cpu.toFixed(1).padStart(7)} µs/request`;
  const each = samples.millrace.map(({ answered, seconds }, round) => {
    const other = samples.bare[round]!;
    return answered / seconds / (other.answered / other.seconds);
  });
  const ratios = `rate ${(ours.rate / floor.rate).toFixed(2)} (rounds ${Math.min(...each).toFixed(2)} to ${Math.max(...each).toFixed(2)})   p99 ${(ours.p99 / floor.p99).toFixed(2)}   CPU ${(ours.cpu / floor.cpu).toFixed(2)}`;
  console.log(`\n${model}, ${connections} connection(s), one row a request\n${row('millrace', ours)}\n${row('bare', floor)}\n  ratios   ${ratios}`);
}

async function cpuSeconds(url: URL): Promise<number> {
  const text = await (await fetch(url)).text();
  return Number(/^process_cpu_seconds_total (\S+)$/m.exec(text)?.[1]);
}
