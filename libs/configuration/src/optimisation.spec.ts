import { checkOptimisation, isErrorMetric, methodsFor, type OptimisationStep, parseOptimisation, quantisationsFor } from './index.ts';

const base = (family: string | null, rest: object = {}) => ({ family, kind: 'plain' as const, hasHeads: false, ...rest });
const steps = (...all: unknown[]) => all as OptimisationStep[];

it('reads steps or a target, and fills in what is left out', () => {
  expect(parseOptimisation({ base: 'ver_1', target: 'SIZE' })).toEqual({ type: 'valid', optimisation: { base: 'ver_1', target: 'SIZE' } });
  expect(parseOptimisation({ base: 'ver_1', steps: [{ method: 'distil', units: [32] }] })).toMatchObject({ optimisation: { steps: [{ temperature: 2, teacherShare: 0.7 }] } });
});

it.each([
  [{ target: 'SIZE' }, 'base', /missing/],
  [{ base: 'v', target: 'SPEED' }, 'target', /not known/],
  [{ base: 'v' }, 'steps', /neither/],
  [{ base: 'v', target: 'SIZE', steps: [{ method: 'merge_trees' }] }, 'target', /as well/],
  [{ base: 'v', steps: [{ method: 'squeeze' }] }, 'steps[0].method', /not known/],
  [{ base: 'v', steps: [{ method: 'prune', sparsity: 1 }] }, 'steps[0].sparsity', /too large/],
  [{ base: 'v', steps: [{ method: 'cluster', clusters: 300 }] }, 'steps[0].clusters', /too large/],
  [{ base: 'v', steps: [{ method: 'merge_trees', keep: 1 }] }, 'steps[0].keep', /does not exist/],
  [{ base: 'v', target: 'SIZE', maxLoss: -1 }, 'maxLoss', /too small/],
])('refuses %j at %s', (input, field, message) => {
  expect(parseOptimisation(input)).toMatchObject({ type: 'invalid', problems: [{ field, message: expect.stringMatching(message), remedy: expect.any(String) }] });
});

it.each([
  ['dense', steps({ method: 'prune', sparsity: 0.5 }, { method: 'cluster', clusters: 16 })],
  ['convolutional', steps({ method: 'prune_units', keep: 0.5 }, { method: 'quantise', to: 'int8' })],
  ['knn', steps({ method: 'condense', keep: 0.1 }, { method: 'quantise', to: 'int8' })],
  ['linear', steps({ method: 'prune', sparsity: 0.5 }, { method: 'quantise', to: 'float16' })],
  ['boosted_trees', steps({ method: 'prune_trees', keep: 0.5 }, { method: 'merge_trees' }, { method: 'distil', units: [8] }, { method: 'quantise', to: 'int8', calibration: 'dynamic' })],
  ['ensemble', steps({ method: 'distil', units: [8] })],
])('lets %s take steps that suit it', (family, own) => {
  expect(checkOptimisation({ steps: own }, base(family))).toEqual([]);
});

it.each([
  ['knn', steps({ method: 'prune', sparsity: 0.5 }), 'steps[0].method', /condense/],
  ['knn', steps({ method: 'quantise', to: 'int8', calibration: 'static' }), 'steps[0].calibration', /Leave it out/],
  ['linear', steps({ method: 'quantise', to: 'int8' }), 'steps[0].to', /float16/],
  ['linear', steps({ method: 'distil', units: [8] }), 'steps[0].method', /prune/],
  ['random_forest', steps({ method: 'merge_trees' }, { method: 'quantise', to: 'float16' }), 'steps[1].method', /merge_trees/],
  ['convolutional', steps({ method: 'quantise', to: 'int8', calibration: 'dynamic' }), 'steps[0].calibration', /static/],
  ['convolutional', steps({ method: 'distil', units: [8] }), 'steps[0].method', /prune_units/],
  ['dense', steps({ method: 'quantise', to: 'float16', calibration: 'static' }), 'steps[0].calibration', /Leave it out/],
  ['dense', steps({ method: 'quantise', to: 'int8' }, { method: 'prune', sparsity: 0.5 }), 'steps[1].method', /before quantise/],
  ['dense', steps({ method: 'prune', sparsity: 0.5 }, { method: 'prune_units', keep: 0.5 }), 'steps[1].method', /prune_units before prune/],
])('says what to do instead where a step does not suit %s', (family, own, field, remedy) => {
  expect(checkOptimisation({ steps: own }, base(family))).toEqual([{ field, message: expect.any(String), remedy: expect.stringMatching(remedy) }]);
});

it.each([
  [base('baseline'), /linear model/], [base(null), /Optimise it where/], [base('gru', { kind: 'forecast' }), /steps or series/], [base('kaplan_meier', { kind: 'survival' }), /accelerated failure/],
  [base('popularity', { kind: 'recommendation' }), /two-tower/], [base('robust_z_score', { kind: 'anomaly' }), /autoencoder/],
])('refuses a base that cannot be optimised: %j', (own, remedy) => {
  expect(checkOptimisation({}, own)).toMatchObject([{ field: 'base', remedy: expect.stringMatching(remedy) }]);
});

it('keeps what heads correct as it is, but for rounding', () => {
  const own = base('boosted_trees', { hasHeads: true });
  expect(checkOptimisation({ steps: steps({ method: 'quantise', to: 'float16' }) }, own)).toEqual([]);
  expect(checkOptimisation({ steps: steps({ method: 'prune_trees', keep: 0.5 }) }, own)).toMatchObject([{ field: 'steps[0].method', message: expect.stringMatching(/heads/) }]);
  expect(checkOptimisation({ steps: steps({ method: 'quantise', to: 'int8' }) }, own)).toMatchObject([{ field: 'steps[0].to', remedy: 'Use float16.' }]);
});

it.each([
  ['recommendation', 'two_tower', [{ to: 'float16' }, { to: 'int8' }]],
  ['anomaly', 'autoencoder', [{ to: 'float16' }, { to: 'int8', calibration: 'static' }, { to: 'int8', calibration: 'dynamic' }]],
  ['anomaly', 'isolation_forest', []],
] as const)('knows what a model for %s, %s, is quantised to', (kind, family, found) => {
  expect(quantisationsFor(base(family, { kind }))).toEqual(found);
});

it('tells errors from shares, and which methods a family has', () => {
  expect([isErrorMetric('rmse'), isErrorMetric('logLoss'), isErrorMetric('f1'), isErrorMetric('r2')]).toEqual([true, true, false, false]);
  expect([methodsFor(base('knn')), methodsFor(base('constructor')), methodsFor(base(null))]).toEqual([['condense', 'quantise', 'distil'], [], []]);
});
