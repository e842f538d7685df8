import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { FittedPipeline } from '@millrace/packaging';
import { createWorld } from '@millrace/testkit';
import type { LoadOrder, LoadResult } from './load-client.ts';
import { median } from './median.ts';
import { limitedKey, measureMetering } from './metering.ts';
import { denseOf, type Flower, neighboursOf, publish, readIris, treesOf } from './sample-models.ts';
import { createServers, say } from './servers.ts';

const contestants = ['millrace', 'bare', 'graphql'] as const;
type Contestant = (typeof contestants)[number];
type Order = Omit<LoadOrder, 'connections' | 'seconds'>;

interface Sample extends LoadResult {
  cpuMicros: number;
}

const makers: Record<string, (flowers: Flower[]) => FittedPipeline> = { dense: denseOf, trees: treesOf, knn: neighboursOf };
const names = ['sepal length', 'sepal width', 'petal length', 'petal width'];
const predictMutation = 'mutation ($input: PredictInput!) { predict(input: $input) { __typename } }';

/**
 * `/predict` with key, rate, quota, budget, checks and metering, against a bare node:http server that calls ONNX Runtime on the
 * same model, and against the GraphQL route: each in a process of its own, loaded in turn by another, all in one run. Ratios are
 * of the same round, and their median counts, since other work on the machine disturbs single rounds. At the end the ledger
 * must hold exactly what was answered. `--limits off` takes a key without limits; `--batch-rows 64` has so many rows run together; `--profile folder` leaves a CPU profile of the inference server there.
 */
export async function benchPredict(parameters: string[]): Promise<void> {
  const { values } = parseArgs({
    args: parameters,
    options: {
      rounds: { type: 'string', default: '5' }, seconds: { type: 'string', default: '2' }, models: { type: 'string', default: 'dense,trees,knn' },
      rows: { type: 'string', default: '1,100' }, connections: { type: 'string', default: '1,16,64' }, against: { type: 'string', default: 'bare,graphql' }, limits: { type: 'string', default: 'on' }, 'batch-rows': { type: 'string' }, profile: { type: 'string' },
    },
  });
  const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)];
  const running = contestants.filter((name) => name === 'millrace' || values.against.split(',').includes(name));
  const flowers = await readIris();

  say('starting the database, a tenant and its key');
  const world = await createWorld();
  const servers = await createServers(world);
  try {
    const tenant = await world.tenant();
    const key = values.limits === 'off' ? await tenant.apiKey() : await limitedKey(world, tenant);
    const dataset = await tenant.iris();
    const millrace = await servers.inference({}, values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`]);
    const api = running.includes('graphql') ? await servers.api({ MILLRACE_INFERENCE_URL: millrace.url, MILLRACE_API_COST_PER_MINUTE: '1000000000' }) : null;
    const run = servers.client<LoadOrder, LoadResult>('load-client.ts');

    let answered = 0;
    for (const name of values.models.split(',')) {
      const pipeline = makers[name]?.(flowers);
      if (!pipeline) throw new Error(`There is no model "${name}"; choose among ${Object.keys(makers).join(', ')}.`);
      const model = await publish(world, tenant.owner.actor, name, pipeline, { datasetVersionId: dataset.id, runId: (await tenant.run(dataset, undefined, name)).id });
      if (values['batch-rows'] !== undefined) await world.registry.updateServing(tenant.owner.actor, { endpointName: name, maxBatchRows: Number(values['batch-rows']) });
      const modelFile = path.join(world.directory, `${name}.onnx`);
      await writeFile(modelFile, model.files.get('model.onnx')!);
      const bare = await servers.program(['--import', 'tsx', path.join(import.meta.dirname, 'bare-server.ts'), modelFile]);
      for (const rows of values.rows.split(',').map(Number)) {
        const sent = Array.from({ length: rows }, (_, row) => flowers[row % flowers.length]!.features);
        const features = rows === 1 ? sent[0]! : sent;
        const input = { endpoint: name, rows: sent.map((row) => Object.fromEntries(row.map((value, at) => [names[at], value]))) };
        const orders: Record<Contestant, Order> = {
          millrace: { url: `${millrace.url}/predict`, headers: { 'x-api-key': key }, body: JSON.stringify({ model: name, features }) },
          bare: { url: `${bare.url}/predict`, headers: {}, body: JSON.stringify({ features }) },
          graphql: { url: `${api?.url}/graphql`, headers: { authorization: `Bearer ${key}` }, body: JSON.stringify({ query: predictMutation, variables: { input } }) },
        };
        const cpuAt: Record<Contestant, string> = { millrace: `${millrace.url}/metrics`, bare: `${bare.url}/metrics`, graphql: `${millrace.url}/metrics` };
        for (const server of running) {
          say(`${name}, ${rows} row(s): warming up ${server}`);
          if (server === 'graphql') answered += await assertPredicts(orders.graphql);
          const { answered: warm, failed } = await run({ ...orders[server], connections: 16, seconds: Math.min(seconds, 2) });
          if (failed || !warm) throw new Error(`${server} failed ${failed} requests of the warm-up`);
          if (server !== 'bare') answered += warm;
        }
        for (const connections of values.connections.split(',').map(Number)) {
          const samples: Record<Contestant, Sample[]> = { millrace: [], bare: [], graphql: [] };
          for (let round = 0; round < rounds; round++) {
            for (const server of round % 2 ? running : [...running].reverse()) { // whoever is second finds the machine warmer
              say(`${name}, ${rows} row(s), ${connections} connection(s), round ${round + 1} of ${rounds}: ${server}`);
              const before = await cpuSeconds(cpuAt[server]);
              const result = await run({ ...orders[server], connections, seconds });
              if (result.failed) throw new Error(`${server} failed ${result.failed} requests`);
              if (server !== 'bare') answered += result.answered;
              samples[server].push({ ...result, cpuMicros: (((await cpuSeconds(cpuAt[server])) - before) * 1e6) / result.answered });
            }
          }
          report(`${name}, ${rows} row(s) a request, ${connections} connection(s)`, running, samples);
        }
      }
      bare.child.kill();
      await once(bare.child, 'exit');
    }
    say('shutting down and counting the ledger');
    millrace.child.kill('SIGTERM');
    await once(millrace.child, 'exit');
    const billed = await world.db.database.forTenant(tenant.tenantId).transaction((tx) => tx.usageRecord.count({ where: { kind: 'PREDICTION' } }));
    console.log(`\nanswered ${answered}, in the ledger ${billed}${answered === billed ? '' : ': THEY DIFFER'}\n`);
    if (answered !== billed) process.exitCode = 1;
    await measureMetering(world, 20_000, rounds);
  } finally {
    servers.kill();
    await world.close();
  }
}

/** GraphQL answers its failures with 200 as well. */
async function assertPredicts({ url, headers, body }: Order): Promise<number> {
  const text = await (await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body })).text();
  if (!text.includes('PredictSuccess')) throw new Error(`the GraphQL route does not predict: ${text.slice(0, 300)}`);
  return 1;
}

function report(title: string, running: readonly Contestant[], samples: Record<Contestant, Sample[]>): void {
  const rateOf = ({ answered, seconds }: Sample): number => answered / seconds;
  console.log(`\n${title}`);
  for (const server of running) {
    const of = (read: (sample: Sample) => number): number => median(samples[server].map(read));
    const cpu = server === 'graphql' ? '' : `   CPU ${of(({ cpuMicros }) => cpuMicros).toFixed(1).padStart(7)} µs/request`;
    console.log(`  ${server.padEnd(9)}${of(rateOf).toFixed(0).padStart(8)} req/s   p50 ${of(({ p50 }) => p50).toFixed(3).padStart(8)} ms   p99 ${of(({ p99 }) => p99).toFixed(3).padStart(8)} ms${cpu}`);
  }
  for (const other of running) {
    if (other === 'millrace') continue;
    const ratios = (read: (sample: Sample) => number): number[] => samples.millrace.map((sample, round) => read(sample) / read(samples[other][round]!));
    const rates = ratios(rateOf);
    const cpu = other === 'bare' ? `   CPU ${median(ratios(({ cpuMicros }) => cpuMicros)).toFixed(2)}` : '';
    console.log(`  to ${other.padEnd(8)}rate ${median(rates).toFixed(2)} (rounds ${Math.min(...rates).toFixed(2)} to ${Math.max(...rates).toFixed(2)})   p50 ${median(ratios(({ p50 }) => p50)).toFixed(2)}   p99 ${median(ratios(({ p99 }) => p99)).toFixed(2)}${cpu}`);
  }
}

async function cpuSeconds(url: string): Promise<number> {
  const text = await (await fetch(url)).text();
  return Number(/^process_cpu_seconds_total (\S+)$/m.exec(text)?.[1]);
}
