import { remissions } from '../../test/remissions.ts';
import { createPacer } from '../pacer.ts';
import { createRandom } from '../random.ts';
import { acceleratedFailureLoss, type AcceleratedFailureProblem, fitAcceleratedFailure } from './accelerated-failure.ts';
import { survivalLoss } from './survival-loss.ts';
import { logNormalTail, timeDistributions } from './time-distribution.ts';

const pacer = createPacer();
const problem = (name: 'weibull' | 'log_normal', change: Partial<AcceleratedFailureProblem> = {}): AcceleratedFailureProblem => ({
  rows: remissions.length, width: 1, inputs: Float64Array.from(remissions, ({ treated }) => treated),
  logTimes: Float64Array.from(remissions, ({ weeks }) => Math.log(weeks)), observed: Uint8Array.from(remissions, ({ observed }) => observed),
  distribution: timeDistributions[name], l2: 0, ...change,
});

/** SciPy 1.17: Nelder-Mead, then BFGS, on the same likelihood written anew; the Weibull figures are also those of R's survreg to the digits it prints. */
test.each([
  ['weibull', 2.2483523589, 1.2673345733, 0.7321944015, -47.0641017596],
  ['log_normal', 1.8251210186, 1.3468466931, 0.9238687853, -47.1892325325],
] as const)('%s: the remissions of leukaemia', async (name, bias, weight, scale, logLikelihood) => {
  const model = (await fitAcceleratedFailure(problem(name), pacer))!;
  expect(model.bias).toBeCloseTo(bias, 7);
  expect(model.kernel[0]).toBeCloseTo(weight, 7);
  expect(model.scale).toBeCloseTo(scale, 7);
  expect(model.logLikelihood * remissions.length).toBeCloseTo(logLikelihood, 8);
});

/** scipy.stats.lognorm.fit on CensoredData. */
test('without columns it is the distribution of the times alone', async () => {
  const treated = remissions.filter((patient) => patient.treated === 1);
  const model = (await fitAcceleratedFailure(problem('log_normal', {
    rows: 21, width: 0, inputs: new Float64Array(), logTimes: Float64Array.from(treated, ({ weeks }) => Math.log(weeks)), observed: Uint8Array.from(treated, ({ observed }) => observed),
  }), pacer))!;
  expect(Math.exp(model.bias)).toBeCloseTo(24.6078, 3);
  expect(model.scale).toBeCloseTo(0.9787259, 5);
});

test('a penalty draws the weights towards 0, and a pacer that says stop ends the search', async () => {
  const free = (await fitAcceleratedFailure(problem('weibull'), pacer))!;
  const held = (await fitAcceleratedFailure(problem('weibull', { l2: 10 }), pacer))!;
  expect(held.kernel[0]).toBeGreaterThan(0);
  expect(held.kernel[0]! / held.scale).toBeLessThan(0.6 * (free.kernel[0]! / free.scale));
  expect(await fitAcceleratedFailure(problem('weibull'), { mayContinue: async () => false })).toBeNull();
});

const step = 1e-6;

test.each(['weibull', 'log_normal'] as const)('%s: gradients are those of finite differences', async (name) => {
  const own = problem(name, { l2: 0.7 });
  const point = Float64Array.of(0.4, -0.3, 0.8);
  const { gradient } = (await acceleratedFailureLoss(own, point, pacer))!;
  for (const [part] of point.entries()) {
    const at = async (by: number) => (await acceleratedFailureLoss(own, point.map((value, index) => value + (index === part ? by : 0)), pacer))!.value;
    expect(gradient[part]).toBeCloseTo(((await at(step)) - (await at(-step))) / (2 * step), 7);
  }
});

test.each(['weibull', 'log_normal'] as const)('%s: the loss of trees has the derivatives of its mean', (name) => {
  const random = createRandom(3);
  const rows = 200;
  const values = Float64Array.from({ length: rows }, () => random.uniform() * 6 - 3);
  const observed = Uint8Array.from({ length: rows }, () => random.below(2));
  const loss = survivalLoss({ values, observed, training: rows, distribution: timeDistributions[name], scale: 0.6, start: 0.2 });
  const [gradient, hessian] = [new Float64Array(rows), new Float64Array(rows)];
  loss.differentiate([new Float64Array(rows).fill(0.2)], [gradient], [hessian]);
  const of = (row: number, score: number) => loss.mean([new Float64Array(rows).fill(score)], row, row + 1);
  for (let row = 0; row < rows; row++) {
    const slope = (of(row, 0.2 + step) - of(row, 0.2 - step)) / (2 * step);
    expect(Math.abs(gradient[row]! - slope)).toBeLessThan(1e-6 * Math.max(1, Math.abs(slope)));
    // A Newton step never goes beyond the row's own minimum, and it is Newton's wherever the row is late or still running.
    const bend = (of(row, 0.2 + 1e-4) - 2 * of(row, 0.2) + of(row, 0.2 - 1e-4)) / 1e-8;
    if (observed[row] === 1 && values[row]! < 0.2) expect(hessian[row]).toBeGreaterThanOrEqual(bend - 1e-4 * Math.max(1, bend));
    else expect(Math.abs(hessian[row]! - bend)).toBeLessThan(1e-4 * Math.max(1, bend));
    if (observed[row] === 1 && values[row]! < 0.2) expect(Math.abs(gradient[row]! / hessian[row]!)).toBeLessThanOrEqual(Math.abs(values[row]! - 0.2) + 1e-9);
  }
});

/** scipy.special.log_ndtr(-z) */
test.each([
  [-9, -1.1285884059538324e-19], [-3.5, -0.00023265614137680453], [-3, -0.0013508099647481925], [-0.2, -0.5460043537227742], [0, -0.6931471805599453],
  [0.5, -1.1759117615936188], [2.9, -6.284058234947419], [3.1, -6.940688458421228], [8, -35.01343715991456], [40, -804.6084420137539],
])('the logarithm of the normal tail at %d', (z, expected) => {
  expect(Math.abs(logNormalTail(z) / expected - 1)).toBeLessThan(1e-13);
});

test('quantiles undo the survival', () => {
  expect(timeDistributions.log_normal.quantile(0.001)).toBeCloseTo(-3.090232306167813, 12);
  expect(timeDistributions.log_normal.quantile(0.9)).toBeCloseTo(1.2815515655446004, 12);
  for (const name of ['weibull', 'log_normal'] as const) {
    for (const p of [0.01, 0.3, 0.5, 0.95]) expect(timeDistributions[name].survival(timeDistributions[name].quantile(p))).toBeCloseTo(1 - p, 12);
  }
});
