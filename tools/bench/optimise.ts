import { existsSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { type OptimisationStep, parseOptimisation, parseTrainingSpec, type TrainingSpec } from '@millrace/configuration';
import { importTable, readTable } from '@millrace/datasets';
import { type FittedPipeline, optimise, type OptimisedCandidate, predict, type Row as PlainRow, selectBackend, type Table, train, trainPersonalised } from '@millrace/learning';
import { agree, buildPackage, type ModelPackage, readPipeline } from '@millrace/packaging';
import { benchOtherKinds } from './optimise-other-kinds.ts';
import { appraisePackage, checkedRows, describeSteps, printLine, type SentRow as Row } from './optimised-line.ts';
import { createDraws } from './recommend.ts';
import { folder, readScoredDataset, type ScoredDataset } from './scored-data.ts';
import { say } from './servers.ts';

type Steps = OptimisationStep[];

interface Subject {
  name: string;
  data: string;
  models: object[];
  trainer?: object;
  metric: string;
  steps: Steps[];
  /** of the configuration */
  rest?: object;
}

const int8 = (calibration: 'static' | 'dynamic'): OptimisationStep => ({ method: 'quantise', to: 'int8', calibration });
const float16: OptimisationStep = { method: 'quantise', to: 'float16' };
const prune = (sparsity: number): OptimisationStep => ({ method: 'prune', sparsity });
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
  { name: 'linear, digits', data: 'digits', metric: 'accuracy', models: [{ family: 'linear' }], steps: [[float16], [prune(0.3)], [prune(0.6)], [prune(0.3), float16]] },
  { name: 'linear, places', data: 'places', metric: 'rmse', models: [{ family: 'linear' }], steps: [[float16], [prune(0.5)], [prune(0.8)], [prune(0.8), float16]] },
  { name: 'heads, machines', data: 'machines', metric: 'rmse', models: [{ family: 'linear' }], steps: [[float16]], rest: { personalisation: { column: 'machine', inputs: ['load'] } } },
  { name: 'knn, digits', data: 'digits', metric: 'accuracy', models: [{ family: 'knn', k: 3 }], steps: [[float16], [{ method: 'quantise', to: 'int8' }], [condense(0.25)], [condense(0.1)], [condense(0.1), float16], [distil, int8('static')]] },
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
    const trained = await (spec.personalisation ? trainPersonalised : train)({ table, spec, backend });
    if (trained.type !== 'trained') throw new Error(JSON.stringify(trained));
    const built = buildPackage(trained.trials[trained.best]!.pipeline, { metrics: {}, lineage: {} });
    const read = readPipeline(built.files);
    if (read.type !== 'read') throw new Error(read.message);
    const base = read.pipeline;
    const wanted = values.target ? [{ target: values.target, maxLoss: Number(values['max-loss']) }] : subject.steps.map((steps) => ({ steps }));
    const rows = rowsOf(table, base, trained.split.test);
    await writeLine(subject.name, base, null, built, built, rows);
    for (const one of wanted) {
      const optimisation = parseOptimisation(one);
      if (optimisation.type === 'invalid') throw new Error(JSON.stringify(optimisation.problems));
      const outcome = await optimise({ base, table, spec, backend, optimisation: optimisation.optimisation, appraise: (pipeline) => appraise(pipeline, rows) });
      if (outcome.type !== 'optimised') throw new Error(JSON.stringify(outcome));
      if (values.target) for (const candidate of outcome.candidates) say(`${describeSteps(candidate.steps)}: ${candidate.appraisal.sizeBytes} bytes, ${candidate.appraisal.predTimeMsP50?.toFixed(4)} ms, ${candidate.validationLoss?.toFixed(2)} points worse where it is chosen, ${candidate.validationBound?.atMost?.toFixed(2)} at most. ${candidate.reason ?? 'Chosen.'}`);
      const chosen = outcome.best === null ? null : outcome.candidates[outcome.best]!;
      if (chosen) await writeLine(subject.name, chosen.model, chosen, built, buildPackage(chosen.model, { metrics: {}, lineage: {} }), rows);
      else console.log(`| ${subject.name} | nothing pays within ${values['max-loss']} points | | | | | | | |`);
    }
  }
  if (!values.target) await benchOtherKinds(values.models, backend);
}

async function writeLine(name: string, pipeline: FittedPipeline, candidate: OptimisedCandidate | null, before: ModelPackage, after: ModelPackage, rows: Row[]): Promise<void> {
  await printLine({ name, steps: candidate?.steps ?? [], interval: candidate?.interval ?? null, before, after, rows }, async (own) => {
    const fromPackage = await own.predict(checkedRows(own, rows));
    return agree((await predict(pipeline, tableOrRows(pipeline, rows))) as never, fromPackage, pipeline.target, pipeline.estimator);
  });
}

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

async function appraise(pipeline: FittedPipeline, rows: Row[]) {
  const built = buildPackage(pipeline, { metrics: {}, lineage: {} });
  return appraisePackage(built, rows);
}

async function load({ data, models, trainer = {}, metric, rest = {} }: Subject): Promise<{ table: Table; spec: TrainingSpec }> {
  const scored = data === 'digits_png' ? null : data === 'places' || data === 'machines' ? madeUpData(data) : readScoredDataset(data)!;
  const parsed = parseTrainingSpec({
    inputFeatures: scored?.inputs ?? [{ name: 'image', type: 'image' }], outputFeatures: [scored?.target ?? { name: 'label', type: 'category' }],
    models, trainer, selection: { metric }, split: { trainFraction: 0.7 }, ...rest,
  });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  return { spec: parsed.spec, table: scored?.table ?? (await loadPictures(path.join(folder, `${data}.zip`))) };
}

/** Prices at four hundred places, of which eighty differ from the rest; or wear of two hundred machines, each with a way of its own. */
function madeUpData(kind: 'places' | 'machines'): Pick<ScoredDataset, 'table' | 'inputs' | 'target'> {
  const draw = createDraws(11);
  const [rows, groups] = kind === 'places' ? [8_000, 400] : [16_000, 200];
  const own = Array.from({ length: groups }, (_, group) => (kind === 'places' && group % 5 !== 0 ? 0 : draw() * 6 - 3));
  const [load, noise] = [0, 0].map(() => Float64Array.from({ length: rows }, () => draw() + draw() + draw() - 1.5)) as [Float64Array, Float64Array];
  const group = Array.from({ length: rows }, () => Math.floor(draw() * groups));
  const names = { place: kind === 'places' ? 'place' : 'machine', target: kind === 'places' ? 'price' : 'wear' };
  const values = Float64Array.from(load, (value, row) => 20 + 2 * value + own[group[row]!]! * (kind === 'places' ? 1 : 1 + value) + noise[row]!);
  return {
    table: { rows, columns: [{ name: 'load', type: 'number', values: load }, { name: names.place, type: 'category', values: group.map((at) => `${names.place} ${at}`) }, { name: names.target, type: 'number', values }] },
    inputs: [{ name: 'load', type: 'number' }, ...(kind === 'places' ? [{ name: 'place', type: 'category' as const }] : [])],
    target: { name: names.target, type: 'number' },
  };
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
