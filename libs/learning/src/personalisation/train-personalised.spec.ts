import { parseTrainingSpec } from '@millrace/configuration';
import { familyNames, scoreRows } from '../families/families.ts';
import { createPacer } from '../pacer.ts';
import { compress } from '../optimisation/compress.ts';
import { optimise } from '../optimisation/optimise.ts';
import { predict, type Row } from '../predict.ts';
import { prepareData } from '../prepared-data.ts';
import { createRandom } from '../random.ts';
import { reproduceTrial } from '../search/reproduce-trial.ts';
import type { Table } from '../table.ts';
import { type ClassificationMetrics, type RegressionMetrics } from '../metrics.ts';
import { headLoss, type HeadRows } from './fit-heads.ts';
import { keepHeadRows } from './head-rows.ts';
import { trainPersonalised } from './train-personalised.ts';

const machines = ['m0', 'm1', 'm2', 'm3', 'm4', 'm5'];

/** Five machines with offsets and slopes of their own, one that is as the others are on average, some rows of none. */
function made(rows: number, seed: number): Table {
  const random = createRandom(seed);
  const noise = () => random.uniform() + random.uniform() + random.uniform() - 1.5;
  const machine = Array.from({ length: rows }, (_, row) => (row % 50 === 9 ? null : machines[random.below(6)]!));
  const x = Float64Array.from({ length: rows }, () => random.uniform() * 4 - 2);
  const y = Float64Array.from({ length: rows }, () => random.uniform() * 4 - 2);
  const place = machine.map((name) => (name === null ? 0 : machines.indexOf(name)));
  const wear = x.map((value, row) => 10 + 2 * value + y[row]! + (place[row]! > 0 ? (place[row]! - 3) * 1.5 : 0) + (place[row] === 5 ? 3 * y[row]! : 0) + noise());
  return {
    rows,
    columns: [
      { name: 'x', type: 'number', values: x.map((value, row) => (row % 60 === 3 ? NaN : value)) },
      { name: 'y', type: 'number', values: y },
      { name: 'machine', type: 'category', values: machine },
      { name: 'wear', type: 'number', values: wear },
      { name: 'grade', type: 'category', values: Array.from(wear, (value) => (value > 12 ? 'high' : value > 8 ? 'middle' : 'low')) },
      { name: 'worn', type: 'binary', values: Array.from(wear, (value) => (value > 11 ? 'yes' : 'no')) },
    ],
  };
}

const specOf = (output: object, rest: object = {}) => {
  const parsed = parseTrainingSpec({
    inputFeatures: [{ name: 'x', type: 'number' }, { name: 'y', type: 'number' }],
    outputFeatures: [output],
    models: [{ family: 'linear' }],
    personalisation: { column: 'machine', inputs: ['y'] },
    ...rest,
  });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  return parsed.spec;
};

async function trained(table: Table, spec: ReturnType<typeof specOf>) {
  const outcome = await trainPersonalised({ table, spec });
  if (outcome.type !== 'trained') throw new Error(JSON.stringify(outcome));
  return outcome;
}

const table = made(1800, 7);
const pacer = createPacer();

/** On the proof rows of each group, by the finished models themselves. */
async function expectNeverWorse(outcome: Awaited<ReturnType<typeof trained>>, table: Table, spec: ReturnType<typeof specOf>) {
  const data = prepareData(table, spec);
  if (data.type === 'invalid') throw new Error();
  const { kept } = keepHeadRows(data, spec);
  for (const { pipeline, personalisation: report } of outcome.trials) {
    const { heads: _heads, ...shared } = pipeline;
    for (const { group, proof } of kept) {
      const lossOf = async (of: typeof shared) => {
        const scores = (await scoreRows(of, data.table, proof, pacer))!;
        return proof.reduce((sum, row, at) => {
          if (scores.type === 'values') return sum + (scores.predicted[at]! - data.truth[row]!) ** 2 / proof.length;
          const classes = scores.probabilities.length / proof.length;
          return sum - Math.log(Math.max(1e-6, scores.probabilities[at * classes + data.truth[row]!]!)) / proof.length;
        }, 0);
      };
      const [without, with_] = [await lossOf(shared), await lossOf(pipeline)];
      expect(with_).toBeLessThanOrEqual(without);
      const said = report!.byGroup.find((own) => own.group === group)!;
      expect(without).toBeCloseTo(said.base, 9);
      expect(with_).toBeCloseTo(said.isKept ? said.head : said.base, 9);
    }
    expect(report!.proof.personalised).toBeLessThanOrEqual(report!.proof.base);
  }
}

describe.each([
  ['a number', { name: 'wear', type: 'number' }, {}],
  ['three classes', { name: 'grade', type: 'category' }, { selection: { calibration: 'platt' } }],
  ['two classes with costs', { name: 'worn', type: 'binary' }, { selection: { costs: { missed: 5, falseAlarm: 1 } } }],
])('%s', (_, output, rest) => {
  const spec = specOf(output, rest);
  let outcome: Awaited<ReturnType<typeof trained>>;
  beforeAll(async () => {
    outcome = await trained(table, spec);
  });

  test('machines of their own kind get heads, and the test rows show it', () => {
    const [trial] = outcome.trials;
    const { personalisation: report, metrics } = trial!;
    expect(report).toMatchObject({ column: 'machine', groups: 6 });
    expect(report!.heads).toBeGreaterThanOrEqual(4);
    if (metrics.test.type === 'regression') expect(metrics.test.rmse).toBeLessThan(0.6 * (report!.base as RegressionMetrics).rmse);
    else if (metrics.test.cost !== null) expect(metrics.test.cost).toBeLessThan(0.8 * (report!.base as ClassificationMetrics).cost!);
    else expect(metrics.test.logLoss).toBeLessThan(0.8 * (report!.base as ClassificationMetrics).logLoss);
  });

  test('on the proof rows of each group it is never worse than the shared model: said, and seen on the answers', async () => {
    await expectNeverWorse(outcome, table, spec);
  });

  test('a machine without a head, an unknown and a missing one are answered by the shared model alone', async () => {
    const { pipeline } = outcome.trials[0]!;
    const { heads, ...shared } = pipeline;
    const rows = [...machines, 'm9', null].map((machine): Row => ({ x: 0.5, y: 1.5, machine }));
    const [with_, without] = [await predict(pipeline, rows), await predict(shared, rows)];
    rows.forEach(({ machine }, row) => {
      const hasHead = machines.includes(String(machine)) && heads!.kept[heads!.groups.indexOf(String(machine))] === 1;
      const { personalised, ...answer } = with_[row]!;
      expect(personalised).toBe(hasHead);
      if (hasHead) expect(answer).not.toEqual(without[row]);
      else expect(answer).toEqual(without[row]);
    });
  });
});

test('the shared model never sees the rows kept for heads, nor do tests', async () => {
  const spec = specOf({ name: 'wear', type: 'number' });
  const data = prepareData(table, spec);
  if (data.type === 'invalid') throw new Error();
  const { kept } = keepHeadRows(data, spec);
  const aside = new Set(kept.flatMap(({ fit, proof }) => [...fit, ...proof]));
  const { split, dropped } = await trained(table, spec);
  expect([...split.train, ...split.test].filter((row) => aside.has(row))).toEqual([]);
  expect(split.test).toEqual(data.split.test);
  expect(split.train.length + split.test.length + aside.size).toBe(table.rows - dropped);
  expect(dropped).toBe(0);
});

test('where the split keeps groups of rows apart, no such group both teaches and proves', () => {
  const table = made(1200, 3);
  table.columns.push({ name: 'shift', type: 'category', values: Array.from({ length: table.rows }, (_, row) => `s${row % 17}`) });
  const spec = specOf({ name: 'wear', type: 'number' }, { split: { type: 'grouped', column: 'shift' } });
  const data = prepareData(table, spec);
  if (data.type === 'invalid') throw new Error(JSON.stringify(data.problems));
  const { kept } = keepHeadRows(data, spec);
  expect(kept.map(({ group }) => group)).toEqual(machines);
  const shifts = (rows: Iterable<number>) => new Set(Array.from(rows, (row) => row % 17));
  const [fit, proof] = [shifts(kept.flatMap((own) => [...own.fit])), shifts(kept.flatMap((own) => [...own.proof]))];
  const machine = table.columns[2]!.values as (string | null)[];
  const aside = new Set(kept.flatMap((own) => [...own.fit, ...own.proof]));
  const shared = shifts([...data.split.train, ...data.split.validation].filter((row) => machine[row] !== null && !aside.has(row)));
  expect([...fit].filter((shift) => proof.has(shift))).toEqual([]);
  expect([...shared].filter((shift) => fit.has(shift) || proof.has(shift))).toEqual([]);
  expect([fit.size, proof.size].every((size) => size > 0)).toBe(true);
  const share = aside.size / (data.split.train.length + data.split.validation.length);
  expect(Math.abs(share - spec.personalisation!.share)).toBeLessThan(0.1);
});

test('where groups do not differ, next to nothing is lost', async () => {
  const plain = made(1200, 3);
  const random = createRandom(9);
  plain.columns[2]!.values = Array.from({ length: plain.rows }, () => machines[random.below(6)]!);
  const spec = specOf({ name: 'wear', type: 'number' });
  const outcome = await trained(plain, spec);
  const [trial] = outcome.trials;
  // Some heads are worse here, and left out.
  expect(trial!.personalisation!.byGroup.some(({ base, head }) => head > base)).toBe(true);
  await expectNeverWorse(outcome, plain, spec);
  const { base } = trial!.personalisation!;
  expect((trial!.metrics.test as RegressionMetrics).rmse).toBeLessThan(1.01 * (base as RegressionMetrics).rmse);
});

test('every family, an ensemble and a search may be the shared model', async () => {
  const few = made(500, 5);
  const personalisation = { column: 'machine', minRows: 30 };
  const families = familyNames.filter((family) => family !== 'convolutional');
  const models = families.map((family) => ({ family, ...(family === 'random_forest' ? { numTrees: 5 } : family === 'boosted_trees' ? { numIterations: 10 } : {}) }));
  const listed = await trained(few, specOf({ name: 'wear', type: 'number' }, { personalisation, models, trainer: { epochs: 2 } }));
  expect(listed.trials.map(({ family }) => family)).toEqual(families);
  for (const { metrics, personalisation: report } of listed.trials) expect(Number.isFinite((metrics.test as RegressionMetrics).rmse) && report !== undefined).toBe(true);
  const spec = specOf({ name: 'worn', type: 'binary' }, { personalisation, models: [{ family: 'boosted_trees', numIterations: 10, earlyStoppingRounds: 5 }], selection: { maxTrials: 1 } });
  const found = await trained(few, spec);
  expect(found.trials.some(({ pipeline }) => pipeline.estimator.family === 'ensemble')).toBe(true);
  const [row] = await predict(found.trials[found.best]!.pipeline, [{ x: 0, y: 0, machine: 'm4' }]);
  expect(row).toHaveProperty('personalised');
  const again = await reproduceTrial({ table: few, spec, backend: found.backend, record: found.search![0]! });
  expect(again.foldScores).toEqual(found.search![0]!.foldScores);
});

test('too few rows of every group are refused with field and remedy', async () => {
  const spec = specOf({ name: 'wear', type: 'number' }, { personalisation: { column: 'machine', minRows: 1000 } });
  expect(await trainPersonalised({ table, spec })).toMatchObject({ type: 'invalid', problems: [{ field: 'personalisation.minRows', remedy: expect.stringMatching(/./) }] });
});

test.each(['number', 'category'] as const)('gradients of heads of a %s are those of finite differences', (type) => {
  const random = createRandom(2);
  const [rows, width, outputs] = [20, 2, type === 'number' ? 1 : 3];
  const draw = (length: number) => Float64Array.from({ length }, () => random.uniform() * 2 - 1);
  const data: HeadRows = { rows, answers: draw(rows * outputs), inputs: draw(rows * width), truth: type === 'number' ? draw(rows) : Float64Array.from({ length: rows }, () => random.below(3)) };
  const target = type === 'number' ? { name: 't', type, mean: 0, scale: 1 } : { name: 't', type, classes: ['a', 'b', 'c'] };
  const at = draw(1 + width * outputs);
  const { gradient } = headLoss(data, target, 0.7, at);
  at.forEach((_, part) => {
    const of = (by: number) => headLoss(data, target, 0.7, at.map((value, index) => value + (index === part ? by : 0))).value;
    expect(gradient[part]).toBeCloseTo((of(1e-6) - of(-1e-6)) / 2e-6, 7);
  });
});

test('base and heads are kept in float16, and lose nothing to speak of; what they correct is not changed otherwise', async () => {
  const spec = specOf({ name: 'wear', type: 'number' });
  const few = made(600, 7);
  const { trials: [trial] } = await trained(few, spec);
  const base = trial!.pipeline;
  const appraise = async ({ heads }: typeof base) => ({ predTimeMsP50: 1, sizeBytes: heads?.storage ? 1 : 2, sizeGzBytes: 1 });
  const ask = (optimisation: object, of = base) => optimise({ base: of, table: few, spec, optimisation, appraise });
  const found = await ask({ target: 'SIZE' });
  if (found.type !== 'optimised') throw new Error(JSON.stringify(found));
  expect(found).toMatchObject({ best: 0, chosenOn: 'half of the test rows', candidates: [{ steps: [{ method: 'quantise', to: 'float16' }], model: { estimator: { storage: 'float16' }, heads: { storage: 'float16', kept: base.heads!.kept } } }] });
  const [{ interval, model }] = found.candidates as [(typeof found.candidates)[0]];
  expect(Math.abs(interval!.loss)).toBeLessThan(0.2);
  base.heads!.weights.forEach((weight, at) => expect(Math.abs(weight - model.heads!.weights[at]!)).toBeLessThanOrEqual(Math.abs(weight) * 2 ** -11 + 2 ** -25));
  expect(await ask({ steps: [{ method: 'prune', sparsity: 0.5 }] })).toMatchObject({ type: 'invalid', problems: [{ field: 'steps[0].method', message: expect.stringMatching(/with heads/) }] });
  expect(await ask({ target: 'SIZE' }, model)).toMatchObject({ type: 'invalid', problems: [{ field: 'base' }] });
});

test('a run with heads is compressed by rounding both, whatever family the shared model is of', async () => {
  const spec = specOf({ name: 'wear', type: 'number' }, { models: [{ family: 'random_forest', numTrees: 3 }], compress: { quantize: 'float16' } });
  const few = made(600, 7);
  const { trials: [trial] } = await trained(few, spec); // trees alone would not take it
  const base = trial!.pipeline;
  const outcome = await compress({ base, table: few, spec, maxLoss: 0.5, appraise: async () => ({ predTimeMsP50: 1, sizeBytes: 1, sizeGzBytes: 1 }) });
  if (outcome.type !== 'compressed') throw new Error(JSON.stringify(outcome));
  expect(outcome).toMatchObject({ complaint: null, base: { metrics: { test: trial!.metrics.test } }, compressed: { steps: [{ method: 'quantise', to: 'float16' }], model: { heads: { storage: 'float16' } }, bound: { differing: 0 } } });
  const pruned = { ...spec, compress: { targetSparsity: 0.5 } };
  expect(await compress({ base, table: few, spec: pruned, maxLoss: 0.5, appraise: async () => ({ predTimeMsP50: 1, sizeBytes: 1, sizeGzBytes: 1 }) })).toMatchObject({ type: 'unfit', problem: { field: 'compress.targetSparsity' } });
});
