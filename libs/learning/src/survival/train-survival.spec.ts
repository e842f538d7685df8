import { parseTrainingSpec } from '@millrace/configuration';
import { optimiseSurvival } from '../optimisation/optimise-survival.ts';
import { createRandom } from '../random.ts';
import type { Table } from '../table.ts';
import { type FittedSurvival, predictSurvival } from './fitted-survival.ts';
import { trainSurvival, type SurvivalTrial } from './train-survival.ts';

/**
 * Weibull times of known scale, whose location bends with `load`: high in the middle, low at both ends. Every other row or
 * so is still running at the time that it was looked at.
 */
function machines(rows: number, seed: number): { table: Table; location: Float64Array } {
  const random = createRandom(seed);
  const load = Float64Array.from({ length: rows }, () => random.uniform() * 2 - 1);
  const maker = Array.from({ length: rows }, () => ['north', 'south'][random.below(2)]!);
  const location = Float64Array.from(load, (value, row) => 5 - 2 * value ** 2 + (maker[row] === 'north' ? 0.5 : 0));
  const ends = location.map((at) => Math.exp(at + 0.4 * Math.log(-Math.log(1 - random.uniform()))));
  const looked = location.map(() => 20 + 200 * random.uniform());
  return {
    location,
    table: {
      rows,
      columns: [
        { name: 'load', type: 'number', values: load.map((value, row) => (row % 40 === 7 ? NaN : value)) },
        { name: 'maker', type: 'category', values: maker },
        { name: 'hours', type: 'number', values: ends.map((end, row) => Math.min(end, looked[row]!)) },
        { name: 'failed', type: 'binary', values: Array.from(ends, (end, row) => (end <= looked[row]! ? 'yes' : 'no')) },
      ],
    },
  };
}

const specOf = (survival: object, rest: object = {}) => {
  const parsed = parseTrainingSpec({
    inputFeatures: [{ name: 'load', type: 'number' }, { name: 'maker', type: 'category' }],
    outputFeatures: [{ name: 'hours', type: 'number' }],
    survival: { eventColumn: 'failed', observedValue: 'yes', ...survival },
    ...rest,
  });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  return parsed.spec;
};

async function trained(table: Table, spec: ReturnType<typeof specOf>) {
  const outcome = await trainSurvival({ table, spec });
  if (outcome.type !== 'trained') throw new Error(JSON.stringify(outcome));
  return outcome;
}

const of = (trials: SurvivalTrial[], family: SurvivalTrial['family']) => trials.find((trial) => trial.family === family)!;

describe('machines of which half were still running', () => {
  const { table, location } = machines(1000, 11);
  let outcome: Awaited<ReturnType<typeof trained>>;
  beforeAll(async () => {
    outcome = await trained(table, specOf({ horizon: 60, models: [{ family: 'accelerated_failure' }, { family: 'boosted_trees', numIterations: 60, learningRate: 0.2 }] }));
  });

  test('trees see what bends, the line does not, and both beat the curve', () => {
    const [linear, trees, curve] = (['accelerated_failure', 'boosted_trees', 'kaplan_meier'] as const).map((family) => of(outcome.trials, family).metrics.test);
    expect(trees!.concordance!).toBeGreaterThan(linear!.concordance! + 0.05);
    expect(curve!.concordance).toBe(0.5);
    expect(trees!.integratedBrier!).toBeLessThan(linear!.integratedBrier!);
    expect(linear!.integratedBrier!).toBeLessThan(curve!.integratedBrier!);
    expect(trees!.censoredLogLikelihood!).toBeGreaterThan(linear!.censoredLogLikelihood!);
    expect(outcome.trials[outcome.best]!.family).toBe('boosted_trees');
    expect(outcome.trials[0]!.metrics.baseline).toEqual(curve);
  });

  test.each(['boosted_trees', 'accelerated_failure'] as const)('%s become smaller, measured on the same rows as the base', async (family) => {
    const trial = of(outcome.trials, family);
    const metric = family === 'boosted_trees' ? 'concordance' : 'censoredLogLikelihood';
    const spec = specOf({ horizon: 60, models: [{ family: 'accelerated_failure' }, { family: 'boosted_trees', numIterations: 60, learningRate: 0.2 }] }, { selection: { metric } });
    // Stands for packaging, which this lib does not know.
    const sizeOf = ({ answer }: FittedSurvival) => (answer.type !== 'location' ? 0 : answer.pipeline.estimator.family === 'linear' ? (answer.pipeline.estimator.storage ? 2 : 8) : (answer.pipeline.estimator as { trees: { values: Float64Array }[] }).trees.reduce((sum, { values }) => sum + values.length, 0));
    const appraise = async (one: FittedSurvival) => ({ predTimeMsP50: 1, sizeBytes: sizeOf(one), sizeGzBytes: 1 });
    const ask = (optimisation: object, base = trial.fitted) => optimiseSurvival({ base, table, spec, optimisation, appraise });
    const step = family === 'boosted_trees' ? { method: 'prune_trees', keep: 0.3 } : { method: 'quantise', to: 'float16' };
    const found = await ask({ steps: [step] });
    if (found.type !== 'optimised') throw new Error(JSON.stringify(found));
    expect(found.base).toMatchObject({ model: { spread: trial.fitted.spread }, metrics: { validation: null, test: trial.metrics.test } });
    const brier = await optimiseSurvival({ base: trial.fitted, table, spec: specOf({ horizon: 60 }), optimisation: { steps: [step] as never }, appraise });
    // In percent of the base's, whichever way the integral is taken.
    const scores = (one: { metrics: { test: { integratedBrier: number | null } } }) => one.metrics.test.integratedBrier!;
    if (brier.type === 'optimised') expect(brier.candidates[0]!.interval!.loss).toBeCloseTo(100 * (scores(brier.candidates[0]!) / scores(brier.base) - 1), 6);
    const [{ model, metrics, interval, bound, appraisal }] = found.candidates as [(typeof found.candidates)[0]];
    expect(appraisal.sizeBytes).toBeLessThan(found.base.appraisal.sizeBytes * 0.4);
    expect(model.answer).toMatchObject({ scale: (trial.fitted.answer as { scale: number }).scale });
    expect(interval!.loss).toBeCloseTo(100 * (trial.metrics.test[metric]! - metrics.test[metric]!), 9);
    expect(interval!.loss).toBeLessThan(3);
    expect(bound).toMatchObject(family === 'boosted_trees' ? { by: 'score', atMost: interval!.upper } : { by: 'answers', differing: 0 });
    if (family === 'accelerated_failure') expect(await ask({ target: 'SIZE', maxLoss: 30 })).toMatchObject({ type: 'optimised', best: 0, chosenOn: 'half of the test rows' });
    const refused = family === 'boosted_trees' ? { method: 'quantise', to: 'float16' } : { method: 'merge_trees' };
    expect(await ask({ steps: [refused] })).toMatchObject({ type: 'invalid', problems: [{ field: 'steps[0].method' }] });
    if (family === 'accelerated_failure') expect(await ask({ steps: [step] }, model)).toMatchObject({ type: 'invalid', problems: [{ field: 'base' }] });
  });

  test('distribution, scale and medians are those that the times were drawn with, although long times were cut off', async () => {
    const { fitted } = of(outcome.trials, 'boosted_trees');
    expect(fitted.answer).toMatchObject({ type: 'location', distribution: 'weibull' });
    expect(fitted.answer.type === 'location' && fitted.answer.scale).toBeCloseTo(0.4, 1);
    const rows = Array.from({ length: 300 }, (_, row) => ({ load: table.columns[0]!.values[row] as number, maker: table.columns[1]!.values[row] as string }))
      .map((row) => ({ ...row, load: Number.isNaN(row.load) ? null : row.load }));
    const answers = await predictSurvival(fitted, rows);
    const errors = answers.flatMap(({ value }, row) => (rows[row]!.load === null ? [] : [Math.log(value) - (location[row]! + 0.4 * Math.log(Math.log(2)))]));
    expect(Math.abs(errors.reduce((sum, error) => sum + error, 0) / errors.length)).toBeLessThan(0.12);
    expect(Math.sqrt(errors.reduce((sum, error) => sum + error ** 2, 0) / errors.length)).toBeLessThan(0.3);
  });

  test('a row asks for a horizon of its own, or gets that of the configuration', async () => {
    for (const { fitted } of outcome.trials) {
      const ask = async (horizon?: number) => (await predictSurvival(fitted, [{ load: 0.1, maker: 'north', ...(horizon === undefined ? {} : { horizon }) }]))[0]!;
      const usual = await ask();
      expect(usual).toEqual(await ask(60));
      const steps = await Promise.all([0, 1, 60, 200, 1e6].map(ask));
      expect(steps.map(({ value }) => value)).toEqual(steps.map(() => usual.value));
      const shares = steps.map(({ survival }) => survival);
      expect(shares[0]).toBe(1);
      expect(shares).toEqual(shares.toSorted((a, b) => b - a));
      if (fitted.family !== 'kaplan_meier') {
        expect((await ask(usual.value)).survival).toBeCloseTo(0.5, 9);
        expect((await ask(usual.interval.lower)).survival).toBeCloseTo(0.9, 9);
        expect((await ask(usual.interval.upper)).survival).toBeCloseTo(0.1, 9);
      }
    }
  });

  test('the chart lays what was said over what came, in all and by thirds', () => {
    const { chart } = of(outcome.trials, 'boosted_trees');
    expect(chart.groups.map(({ name }) => name)).toEqual(['all', 'short', 'middle', 'long']);
    for (const { name, observed, predicted } of chart.groups) {
      const gaps = observed.flatMap((share, at) => (share === null ? [] : [Math.abs(share - predicted[at]!)]));
      expect(gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length).toBeLessThan(name === 'all' ? 0.08 : 0.15);
    }
  });
});

test('the same rows and configuration give the same models', async () => {
  const { table } = machines(150, 3);
  const spec = specOf({ models: [{ family: 'accelerated_failure' }, { family: 'boosted_trees', numIterations: 10 }] });
  const [once, again] = [await trained(table, spec), await trained(table, spec)];
  expect(again.trials.map(({ fitted, metrics }) => ({ fitted, metrics }))).toEqual(once.trials.map(({ fitted, metrics }) => ({ fitted, metrics })));
});

test('a split by group, and a time that must rise with a column', async () => {
  const { table } = machines(400, 2);
  const spec = specOf(
    { models: [{ family: 'boosted_trees', distribution: 'log_normal', numIterations: 20, monotoneConstraints: { increasing: ['load'] } }] },
    { split: { type: 'grouped', column: 'maker' } },
  );
  // Two makers leave none to validate on.
  expect(await trainSurvival({ table, spec })).toMatchObject({ type: 'invalid', problems: [{ field: 'split.column' }] });
  const { trials } = await trained(table, { ...spec, split: { ...spec.split, type: 'random', column: undefined } });
  const { fitted } = of(trials, 'boosted_trees');
  const answers = await predictSurvival(fitted, [-1, -0.5, 0, 0.5, 1].map((load) => ({ load, maker: 'north' })));
  const medians = answers.map(({ value }) => value);
  expect(medians).toEqual(medians.toSorted((a, b) => a - b));
  expect(fitted.answer).toMatchObject({ distribution: 'log_normal' });
});

test.each([
  ['a time of 0', (table: Table) => ((table.columns[2]!.values as Float64Array)[3] = 0), 'outputFeatures[0].name'],
  ['too few ends', (table: Table) => table.columns[3]!.values.forEach((_, row) => row > 8 && ((table.columns[3]!.values as string[])[row] = 'no')), 'survival.eventColumn'],
])('%s is refused with field and remedy', async (_, spoil, field) => {
  const { table } = machines(60, 1);
  spoil(table);
  expect(await trainSurvival({ table, spec: specOf({}) })).toMatchObject({ type: 'invalid', problems: [{ field, remedy: expect.stringMatching(/./) }] });
});

test('it ends when it is told to', async () => {
  const stop = new AbortController();
  const { table } = machines(200, 4);
  expect(await trainSurvival({ table, spec: specOf({}), signal: stop.signal, onTrial: () => stop.abort() })).toEqual({ type: 'cancelled' });
});
