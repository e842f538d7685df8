import { createRandom } from '../random.ts';
import { planBackTest } from './back-test.ts';
import { naiveScale, pinballLoss, scoreForecasts } from './forecast-metrics.ts';
import { conformalWidths, intervalAround } from './intervals.ts';

const of = (...values: number[]) => Float64Array.from(values);

test('scores as worked out by hand', () => {
  // A season of 2: changes over it are 2, 1, 3, so the scale is 2. Errors are 1, 3 and 2.
  const history = of(10, 20, 12, 21, 15);
  expect(naiveScale(history, 2)).toBe(2);
  const forecasts = [
    { actual: of(10, 20), point: of(11, 17), interval: { lower: of(9, 15), upper: of(12, 19) } },
    { actual: of(30), point: of(28), interval: null },
  ];
  const metrics = scoreForecasts([forecasts], [2], 0.8);
  expect(metrics).toMatchObject({ series: 1, origins: 2, points: 3, mae: 2, mase: 1, coverage: 0.5 });
  expect(metrics.rmse).toBeCloseTo(Math.sqrt((1 + 9 + 4) / 3), 12);
  expect(metrics.smape).toBeCloseTo((200 / 21 + 600 / 37 + 400 / 58) / 3, 12);
  // Ends at the quantiles 0.1 and 0.9: 10 in (9, 12) costs 0.1 · 1 and 0.1 · 2; 20 over (15, 19) costs 0.1 · 5 and 0.9 · 1.
  expect(metrics.pinball).toBeCloseTo((0.15 + 0.7) / 2, 12);
  expect(pinballLoss(5, 5, 0.3)).toBe(0);
});

test('series count alike in MASE, whatever their size', () => {
  const forecast = (size: number) => [{ actual: of(size), point: of(0), interval: null }];
  expect(scoreForecasts([forecast(1), forecast(1000)], [1, 500], 0.9).mase).toBe(1.5);
  expect(scoreForecasts([forecast(1)], [0], 0.9).mase).toBeNull();
});

test('back-tests judge by other values than they choose by, and forecast known values only', () => {
  for (const [length, horizon, season] of [[144, 12, 12], [60, 5, 7], [731, 14, 7], [23, 3, 7], [5000, 48, 24]] as const) {
    const { validation, test: judged, seasonLength } = planBackTest(length, horizon, season, 60);
    const [first] = [...validation, ...judged];
    expect(first).toBeGreaterThanOrEqual(2 * seasonLength + 3);
    expect(judged.at(-1)).toBe(length - horizon);
    if (validation.length > 0) expect(validation.at(-1)! + horizon).toBeLessThanOrEqual(judged[0]!);
    expect(validation.length + judged.length).toBeLessThanOrEqual(60);
  }
  expect(planBackTest(23, 10, 7, 60)).toMatchObject({ seasonLength: 1, validation: [] });
});

test('a width is the order statistic that the coverage asks for', () => {
  const errors = Array.from({ length: 19 }, (_, index) => of((index + 1) * (index % 2 === 0 ? 1 : -1)));
  const everyOrigin = errors.map((own, origin) => ({ origin, errors: own }));
  expect(conformalWidths(everyOrigin, 1, 0.9)[0]).toBeCloseTo(18, 12);
  expect(conformalWidths(everyOrigin, 1, 0.5)[0]).toBeCloseTo(10, 12);
  expect(conformalWidths(everyOrigin.slice(0, 3), 1, 0.9)[0]).toBeCloseTo(3, 12);
  // Of nineteen errors that share nine values, the sample is nine: all of them are needed for nine of ten.
  expect(conformalWidths(errors.map((own, index) => ({ origin: Math.floor(index / 2.2), errors: own })), 1, 0.9)[0]).toBeCloseTo(19, 12);
  // Twelve steps a window: of sixty values ten are a sample, and 11 · 0.9 / 10 of all errors is the last but one.
  const long = Array.from({ length: 25 }, (_, index) => ({ origin: 2 * index, errors: new Float64Array(12).fill(index + 1) }));
  expect(conformalWidths(long, 12, 0.9)[11]).toBeCloseTo(25, 12);
  expect(conformalWidths(long, 12, 0.6)[11]).toBeCloseTo(17, 12);
  expect(intervalAround(of(5), of(8), 0)).toEqual({ lower: of(0), upper: of(13) });
});

test('widths never fall with the step', () => {
  const halves = conformalWidths([of(1, 3, 2, 5), of(-1, -3, -2, -5)].map((errors, index) => ({ origin: 4 * index, errors })), 4, 0.5);
  expect([...halves]).toEqual([...halves].sort((a, b) => a - b));
  expect(halves[1]).toBe(halves[2]);
});

test('intervals of random walks hold the stated share of what comes, at near and far steps', () => {
  const random = createRandom(11);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random.uniform())) * Math.cos(2 * Math.PI * random.uniform());
  const horizon = 8;
  const walk = () => {
    let at = 0;
    return Float64Array.from({ length: horizon }, () => (at += normal()));
  };
  let [within, near, far] = [0, 0, 0];
  const repetitions = 400;
  for (let repetition = 0; repetition < repetitions; repetition++) {
    const halves = conformalWidths(Array.from({ length: 40 }, (_, index) => ({ origin: index * horizon, errors: walk() })), horizon, 0.9);
    const hits = Array.from(walk(), (error, step) => Math.abs(error) <= halves[step]!);
    within += hits.filter(Boolean).length;
    near += Number(hits[0]);
    far += Number(hits[horizon - 1]);
  }
  // Three standard errors of 400 walks, whose steps go together, are below 0.045.
  expect(Math.abs(within / (repetitions * horizon) - 0.9)).toBeLessThan(0.04);
  expect(Math.abs(near / repetitions - 0.9)).toBeLessThan(0.05);
  expect(Math.abs(far / repetitions - 0.9)).toBeLessThan(0.05);
});
