import { existsSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { type OptimisationStep, parseOptimisation, parseTrainingSpec, type TrainingSpec } from '@millrace/configuration';
import { importTable, readTable } from '@millrace/datasets';
import { type FittedPipeline, optimise, type OptimisedCandidate, predict, type Row as PlainRow, selectBackend, type Table, train } from '@millrace/learning';
import { agree, buildPackage, checkRows, type LoadedModel, loadModel, type ModelPackage, readPipeline } from '@millrace/packaging';
import { median } from './median.ts';
import { folder, readScoredDataset } from './scored-data.ts';
import { say } from './servers.ts';

type Steps = OptimisationStep[];
/** As callers send it. */
type Row = Record<string, number | string | null | { b64: string }>;

interface Subject {
  name: string;
  data: string;
  models: object[];
  trainer?: object;
  metric: string;
  steps: Steps[];
}

const int8 = (calibration: 'static' | 'dynamic'): OptimisationStep => ({ method: 'quantise', to: 'int8', calibration });
const float16: OptimisationStep = { method: 'quantise', to: 'float16' };
const units = (keep: number): OptimisationStep => ({ method: 'prune_units', keep });
const distil: OptimisationStep = { method: 'distil', units: [64, 32], temperature: 2, teacherShare: 0.7 };
const merge: OptimisationStep = { method: 'merge_trees' };
const trees = (keep: number): OptimisationStep => ({ method: 'prune_trees', keep });
const condense = (keep: number): OptimisationStep => ({ method: 'condense', keep });
const dense: Steps[] = [
  [float16], [int8('static')], [int8('dynamic')], [{ method: 'cluster', clusters: 16 }], [{ method: 'prune', sparsity: 0.8 }], [{ method: 'prune', sparsity: 0.8 }, { method: 'cluster', clusters: 16 }], [units(0.25)], [units(0.25), int8('static')],
];

const subjects: Subject[] = [
  { name: 'dense, digits', data: 'digits', metric: 'accuracy', models: [{ family: 'dense', hiddenLayers: [512, 256] }], trainer: { epochs: 30 }, steps: dense },
  { name: 'dense, AI4I', data: 'ai4i2020', metric: 'prAuc', models: [{ family: 'dense', hiddenLayers: [256, 128] }], trainer: { epochs: 20 }, steps: dense },
  { name: 'dense, concrete', data: 'concrete', metric: 'rmse', models: [{ family: 'dense', hiddenLayers: [256, 128] }], trainer: { epochs: 80 }, steps: dense },
  {
    name: 'convolutional, digits', data: 'digits_png', metric: 'accuracy', models: [{ family: 'convolutional', imageSize: 16, filters: 32 }], trainer: { epochs: 12 },
    steps: [[float16], [int8('static')], [{ method: 'cluster', clusters: 16 }], [{ method: 'prune', sparsity: 0.7 }], [units(0.5)], [units(0.5), int8('static')]],
  },
  { name: 'knn, digits', data: 'digits', metric: 'accuracy', models: [{ family: 'knn', k: 3 }], steps: [[float16], [condense(0.25)], [condense(0.1)], [condense(0.1), float16], [distil, int8('static')]] },
  { name: 'boosted trees, concrete', data: 'concrete', metric: 'rmse', models: [{ family: 'boosted_trees', numIterations: 300 }], steps: [[merge], [trees(0.5)], [trees(0.2)], [distil]] },
  { name: 'boosted trees, bike', data: 'bike_sharing_day', metric: 'rmse', models: [{ family: 'boosted_trees', numIterations: 200 }], steps: [[merge], [trees(0.5)], [trees(0.2)], [distil]] },
  { name: 'forest, wine', data: 'wine', metric: 'accuracy', models: [{ family: 'random_forest' }], steps: [[merge], [trees(0.5)], [trees(0.2)], [distil]] },
  { name: 'forest, AI4I', data: 'ai4i2020', metric: 'prAuc', models: [{ family: 'random_forest' }], steps: [[merge], [trees(0.5)], [trees(0.2)]] },
];

/**
 * `npm run bench -- optimise [--models digits --target SIZE]`: for each model, and each way to make it smaller or faster, what is left of
 * its size and latency, as ratios to the model it was made of, measured by turns in this process; and what it costs on the test
 * rows, in points (percentage points of a share, percent of an error), with a 95 % interval. With a target: what the search finds.
 */
export async function benchOptimise(parameters: string[]): Promise<void> {
  const { values } = parseArgs({ args: parameters, options: { models: { type: 'string', default: '' }, target: { type: 'string' }, 'max-loss': { type: 'string', default: '0.5' } } });
  if (!existsSync(folder)) {
    console.error(`There are no data sets in ${folder}: nothing to optimise.`);
    process.exitCode = 1;
    return;
  }
  const backend = await selectBackend({ prefer: 'wasm' });
  console.log('| model | steps | bytes | size | packed | p50, 1 row | p50, 64 rows | points worse (95 %) | engines |');
  console.log('|---|---|---|---|---|---|---|---|---|');
  for (const subject of subjects.filter(({ name }) => name.includes(values.models))) {
    say(subject.name);
    const { table, spec } = await load(subject);
    const trained = await train({ table, spec, backend });
    if (trained.type !== 'trained') throw new Error(JSON.stringify(trained));
    const built = buildPackage(trained.trials[trained.best]!.pipeline, { metrics: {}, lineage: {} });
    const read = readPipeline(built.files);
    if (read.type !== 'read') throw new Error(read.message);
    const base = read.pipeline;
    const wanted = values.target ? [{ base: 'here', target: values.target, maxLoss: Number(values['max-loss']) }] : subject.steps.map((steps) => ({ base: 'here', steps }));
    const rows = rowsOf(table, base, trained.split.test);
    await writeLine(subject.name, base, null, built, built, rows);
    for (const one of wanted) {
      const optimisation = parseOptimisation(one);
      if (optimisation.type === 'invalid') throw new Error(JSON.stringify(optimisation.problems));
      const outcome = await optimise({ base, table, spec, backend, optimisation: optimisation.optimisation, appraise: (pipeline) => appraise(pipeline, rows) });
      if (outcome.type !== 'optimised') throw new Error(JSON.stringify(outcome));
      if (values.target) for (const candidate of outcome.candidates) say(`${describe(candidate.steps)}: ${candidate.appraisal.sizeBytes} bytes, ${candidate.appraisal.predTimeMsP50?.toFixed(4)} ms, ${candidate.validationLoss?.toFixed(2)} points worse where it is chosen, ${candidate.validationBound?.atMost?.toFixed(2)} at most. ${candidate.reason ?? 'Chosen.'}`);
      const chosen = outcome.best === null ? null : outcome.candidates[outcome.best]!;
      if (chosen) await writeLine(subject.name, chosen.model, chosen, built, buildPackage(chosen.model, { metrics: {}, lineage: {} }), rows);
      else console.log(`| ${subject.name} | nothing pays within ${values['max-loss']} points | | | | | | | |`);
    }
  }
}

async function writeLine(name: string, pipeline: FittedPipeline, candidate: OptimisedCandidate | null, before: ModelPackage, after: ModelPackage, rows: Row[]): Promise<void> {
  const [old, own] = [await loadModel(before.files), await loadModel(after.files)];
  try {
    const [one, many] = [await compareTimes(old, own, rows.slice(0, 1)), await compareTimes(old, own, Array.from({ length: 64 }, (_, at) => rows[at % rows.length]!))];
    const fromPackage = await own.predict(checked(own, rows));
    const agreement = agree((await predict(pipeline, tableOrRows(pipeline, rows))) as never, fromPackage, pipeline.target, pipeline.estimator);
    const ratio = (value: number): string => value.toFixed(2);
    const interval = candidate?.interval;
    const cells = [
      name, candidate ? describe(candidate.steps) : 'base', after.sizeBytes, ratio(after.sizeBytes / before.sizeBytes), ratio(after.gzipBytes / before.gzipBytes), ratio(one), ratio(many),
      interval ? `${interval.loss.toFixed(2)} (${interval.lower.toFixed(2)} to ${interval.upper.toFixed(2)})` : '', `${agreement.type === 'agrees' ? '' : 'DIFFER '}${agreement.maxDifference.toExponential(1)}`,
    ];
    console.log(`| ${cells.join(' | ')} |`);
  } finally {
    await Promise.all([old.close(), own.close()]);
  }
}

const describe = (steps: Steps): string =>
  steps.map(({ method, ...rest }) => [method, ...Object.entries(rest).filter(([key]) => key !== 'temperature' && key !== 'teacherShare').map(([, value]) => (Array.isArray(value) ? value.join('-') : value))].join(' ')).join(', ') || 'base';

/** Rows as the engine of the training side takes them, which reads pictures from a table. */
function tableOrRows({ image }: FittedPipeline, rows: Row[]): PlainRow[] | Table {
  if (!image) return rows as PlainRow[];
  return { rows: rows.length, columns: [], pictures: { name: image.name, type: 'image', values: rows.map((row) => Buffer.from((row[image.name] as { b64: string }).b64, 'base64')) } };
}

function rowsOf(table: Table, { features, image }: FittedPipeline, places: Int32Array): Row[] {
  const some = Array.from(places.subarray(0, 200));
  if (image) return some.map((place) => ({ [image.name]: { b64: Buffer.from(table.pictures!.values[place]!).toString('base64') } }));
  const all = some.map((place): Row => Object.fromEntries(features.map(({ name }) => {
    const value = table.columns.find((column) => column.name === name)!.values[place]!;
    return [name, typeof value === 'number' && Number.isNaN(value) ? null : value];
  })));
  // A row that the served model refuses tells nothing.
  return all.filter((row) => features.every((feature) => row[feature.name] !== null || feature.missingAllowed));
}

function checked(model: LoadedModel, rows: Row[]) {
  const result = checkRows(model.signature, rows);
  if (result.type === 'invalid') throw new Error(JSON.stringify(result.problems.slice(0, 3)));
  return result.rows;
}

async function appraise(pipeline: FittedPipeline, rows: Row[]) {
  const built = buildPackage(pipeline, { metrics: {}, lineage: {} });
  const model = await loadModel(built.files);
  try {
    const row = checked(model, rows.slice(0, 1));
    return { predTimeMsP50: median(await timesOf([model], row, 300).then(([own]) => own!)), sizeBytes: built.sizeBytes, sizeGzBytes: built.gzipBytes };
  } finally {
    await model.close();
  }
}

/** The new model's median time as a share of the old one's. */
async function compareTimes(before: LoadedModel, after: LoadedModel, rows: Row[]): Promise<number> {
  const [old, own] = await timesOf([before, after], null, rows.length === 1 ? 600 : 150, rows);
  return median(own!) / median(old!);
}

/** By turns, so that what else this machine does falls on all alike. */
async function timesOf(models: LoadedModel[], ready: ReturnType<typeof checked> | null, rounds: number, rows: Row[] = []): Promise<number[][]> {
  const inputs = models.map((model) => ready ?? checked(model, rows));
  const times = models.map(() => [] as number[]);
  for (let round = 0; round < rounds; round++) {
    for (const [index, model] of models.entries()) {
      const begun = performance.now();
      await model.predict(inputs[index]!);
      times[index]!.push(performance.now() - begun);
    }
  }
  return times;
}

async function load({ data, models, trainer = {}, metric }: Subject): Promise<{ table: Table; spec: TrainingSpec }> {
  const scored = data === 'digits_png' ? null : readScoredDataset(data)!;
  const parsed = parseTrainingSpec({
    inputFeatures: scored?.inputs ?? [{ name: 'image', type: 'image' }], outputFeatures: [scored?.target ?? { name: 'label', type: 'category' }],
    models, trainer, selection: { metric }, split: { trainFraction: 0.7 },
  });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  return { spec: parsed.spec, table: scored?.table ?? (await loadPictures(path.join(folder, `${data}.zip`))) };
}

async function loadPictures(archive: string): Promise<Table> {
  const file = path.join(os.tmpdir(), `millrace-bench-optimise-${process.pid}.parquet`);
  try {
    const imported = await importTable({ sourcePath: archive, targetPath: file });
    if (imported.type === 'rejected') throw new Error(JSON.stringify(imported.problems));
    const { rows, columns } = await readTable<'image' | 'category'>(file, [{ name: 'image', type: 'image' }, { name: 'label', type: 'category' }]);
    return { rows, columns: [{ name: 'label', type: 'category', values: columns[1]!.values as string[] }], pictures: { name: 'image', type: 'image', values: columns[0]!.values as Uint8Array[] } };
  } finally {
    rmSync(file, { force: true });
  }
}
