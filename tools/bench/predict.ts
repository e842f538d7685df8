import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { newId } from '@millrace/kernel';
import { agree, buildPackage, type FittedFeature, type FittedPipeline, type FittedTarget, type ModelPackage } from '@millrace/packaging';
import { createWorld, repositoryRoot, sampleData, testSecrets, type World } from '@millrace/testkit';
import type { LoadOrder, LoadResult } from './load-client.ts';

const connectionCounts = [1, 16, 64];
const servers = ['millrace', 'bare'] as const;
type ServerName = (typeof servers)[number];

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
  const children: ChildProcess[] = [];
  const start = async (args: string[], settings: Record<string, string> = {}) => {
    const child = spawn(process.execPath, args, { env: { ...process.env, NODE_ENV: 'production', ...settings }, stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    return { child, url: await firstUrl(child) };
  };
  try {
    const tenant = await world.tenant();
    const key = await tenant.apiKey();
    const dataset = await tenant.iris();
    say('bundling and starting the inference server, as production runs it');
    const bundler = spawn(process.execPath, ['tools/bundle.mjs', 'apps/inference'], { cwd: repositoryRoot, stdio: 'inherit' });
    if ((await once(bundler, 'exit'))[0] !== 0) throw new Error('the inference server could not be bundled');
    const millrace = await start(['--enable-source-maps', path.join(repositoryRoot, 'apps/inference/bundle/main.js')], {
      MILLRACE_INFERENCE_PORT: '0',
      MILLRACE_APP_DATABASE_URL: world.db.urls.app,
      MILLRACE_SYSTEM_DATABASE_URL: world.db.urls.system,
      MILLRACE_STORAGE_DIRECTORY: path.join(world.directory, 'storage'),
      MILLRACE_JOURNAL_DIRECTORY: path.join(world.directory, 'journal'),
      MILLRACE_WORK_DIRECTORY: path.join(world.directory, 'work'),
      MILLRACE_MASTER_KEY: testSecrets.masterKey,
      MILLRACE_TOKEN_SECRET: testSecrets.tokenSecret,
      MILLRACE_KEY_PEPPER: testSecrets.keyPepper,
    });
    const client = spawn(process.execPath, ['--import', 'tsx', path.join(import.meta.dirname, 'load-client.ts')], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    children.push(client);
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
      const bare = await start(['--import', 'tsx', path.join(import.meta.dirname, 'bare-server.ts'), modelFile]);
      const features = flowers[0]!.features;
      const orders: Record<ServerName, Omit<LoadOrder, 'connections' | 'seconds'>> = {
        millrace: { url: `${millrace.url}/predict`, headers: { 'x-api-key': key }, body: JSON.stringify({ model: name, features }) },
        bare: { url: `${bare.url}/predict`, headers: {}, body: JSON.stringify({ features }) },
      };
      for (const server of servers) {
        say(`${name}: warming up ${server}`);
        const { answered: warm, failed } = await run({ ...orders[server], connections: 16, seconds: 2 });
        if (failed || !warm) throw new Error(`${server} failed ${failed} requests of the warm-up`);
        if (server === 'millrace') answered += warm;
      }
      for (const connections of connectionCounts) {
        const samples: Record<ServerName, Sample[]> = { millrace: [], bare: [] };
        for (let round = 0; round < rounds; round++) {
          const order = round % 2 ? servers : [...servers].reverse(); // whoever is second finds the machine warmer
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
    for (const child of children) child.kill('SIGKILL');
    await world.close();
  }
}

const median = (values: number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

function report(model: string, connections: number, samples: Record<ServerName, Sample[]>): void {
  const figures = (server: ServerName) => ({
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

function say(sentence: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\u001b[2K${sentence}` : `${sentence}\n`);
}

async function firstUrl(child: ChildProcess): Promise<string> {
  const lines = createInterface({ input: child.stdout! });
  for await (const line of lines) {
    const { url } = JSON.parse(line) as { url?: string };
    if (!url) continue;
    child.stdout!.resume(); // what it says later is of no interest, but must not fill the pipe
    return url;
  }
  throw new Error('a server ended before it served');
}

async function cpuSeconds(url: URL): Promise<number> {
  const text = await (await fetch(url)).text();
  return Number(/^process_cpu_seconds_total (\S+)$/m.exec(text)?.[1]);
}

interface Flower {
  features: number[];
  species: string;
}

async function readIris(): Promise<Flower[]> {
  const lines = (await readFile(sampleData('iris'), 'utf8')).trim().split(/\r?\n/).slice(1);
  return lines.map((line) => {
    const cells = line.split(',');
    return { features: cells.slice(0, 4).map(Number), species: cells[4]! };
  });
}

function describe(flowers: Flower[]): { features: (FittedFeature & { type: 'number' })[]; target: FittedTarget & { classes: string[] } } {
  const features = ['sepal length', 'sepal width', 'petal length', 'petal width'].map((name, index) => {
    const values = flowers.map((flower) => flower.features[index]!);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const scale = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
    return { name, type: 'number' as const, min: Math.min(...values), max: Math.max(...values), mean, scale, fill: mean, missingAllowed: false };
  });
  return { features, target: { name: 'species', type: 'category', classes: [...new Set(flowers.map(({ species }) => species))].sort() } };
}

/** Nearest neighbours over all of iris. */
function neighboursOf(flowers: Flower[]): FittedPipeline {
  const { features, target } = describe(flowers);
  const encoded = flowers.flatMap((flower) => flower.features.map((value, index) => (value - features[index]!.mean) / features[index]!.scale));
  const targets = Int32Array.from(flowers, ({ species }) => target.classes.indexOf(species));
  return { features, target, estimator: { family: 'knn', k: 3, weights: 'uniform', rows: Float64Array.from(encoded), width: 4, targets } };
}

/** A network of the size that iris gets. Its weights are any: how long it takes does not depend on them. */
function denseOf(flowers: Flower[]): FittedPipeline {
  const { features, target } = describe(flowers);
  const sizes = [4, 32, 16, target.classes.length];
  let state = 1;
  const weight = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647 - 0.5;
  const layers = sizes.slice(1).map((units, index) => {
    const inputs = sizes[index]!;
    const activation = index === sizes.length - 2 ? ('softmax' as const) : ('relu' as const);
    return { activation, inputs, units, kernel: Float32Array.from({ length: inputs * units }, weight), bias: Float32Array.from({ length: units }, weight) };
  });
  return { features, target, estimator: { family: 'dense', layers } };
}

async function publish(
  world: World,
  actor: Parameters<World['registry']['publish']>[0],
  name: string,
  pipeline: FittedPipeline,
  origin: { datasetVersionId: string; runId: string },
): Promise<ModelPackage> {
  const modelPackage = buildPackage(pipeline, { metrics: {}, lineage: {} });
  const { tenantId } = actor;
  const versionId = newId('modelVersion');
  const same = [{ value: 0 }];
  const agreement = agree(same, same, { name: 'same', type: 'number', mean: 0, scale: 1 });
  await world.registry.storePackage(tenantId, versionId, modelPackage);
  await world.db.database.forTenant(tenantId).transaction((tx) =>
    world.registry.addVersion(tx, { tenantId, versionId, modelName: name, ...origin, modelPackage, metrics: {}, agreement }),
  );
  const outcome = await world.registry.publish(actor, { versionId, endpointName: name });
  if (outcome.type !== 'published') throw new Error(`the model was not published: ${outcome.type}`);
  return modelPackage;
}
