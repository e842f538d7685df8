import { calibrate, fitCalibration } from './calibration.ts';
import { calibrationCurve } from './calibration-curve.ts';
import { createRandom } from './random.ts';
import type { Scores } from './predict.ts';

/** Answers that are far too sure: the true probability is 0.2 to 0.8, the one given runs from 0.01 to 0.99. */
function overconfident(rows: number, seed: number) {
  const random = createRandom(seed);
  const truths = Float64Array.from({ length: rows }, () => 0.2 + 0.6 * random.uniform());
  const actual = Int32Array.from(truths, (p) => Number(random.uniform() < p));
  const given = truths.map((p) => 1 / (1 + Math.exp(-3.3 * Math.log(p / (1 - p)))));
  const probabilities = Float64Array.from([...given].flatMap((p) => [1 - p, p]));
  return { actual, probabilities };
}

const errorOf = (actual: Int32Array, probabilities: Float64Array) =>
  calibrationCurve(probabilities.filter((_, cell) => cell % 2 === 1), (row) => actual[row] === 1).error;

const answers = (probabilities: Float64Array, classes: number): Scores => ({ type: 'classes', predicted: new Int32Array(probabilities.length / classes), probabilities });

test.each(['platt', 'isotonic'] as const)('%s makes probabilities honest on rows that it has not seen', (type) => {
  const learned = overconfident(4000, 1);
  const fresh = overconfident(4000, 2);
  const calibration = fitCalibration(type, learned.actual, learned.probabilities, 2);
  const corrected = calibrate(answers(fresh.probabilities, 2), calibration);
  if (corrected.type === 'values') throw new Error('unexpected');
  expect(errorOf(fresh.actual, fresh.probabilities)).toBeGreaterThan(0.12);
  expect(errorOf(fresh.actual, corrected.probabilities)).toBeLessThan(0.03);
  // The order of the rows, and so every area under a curve, stays as it was.
  for (let row = 1; row < 4000; row++) {
    const [a, b] = [fresh.probabilities[row * 2 + 1]! - fresh.probabilities[row * 2 - 1]!, corrected.probabilities[row * 2 + 1]! - corrected.probabilities[row * 2 - 1]!];
    expect(a * b).toBeGreaterThanOrEqual(0);
  }
});

test('platt finds the slope and the shift that the answers were bent by', () => {
  const { actual, probabilities } = overconfident(20_000, 3);
  const calibration = fitCalibration('platt', actual, probabilities, 2);
  if (calibration.type !== 'platt') throw new Error('unexpected');
  expect(calibration.slopes[0]).toBeCloseTo(1 / 3.3, 1);
  expect(Math.abs(calibration.shifts[0]!)).toBeLessThan(0.05);
});

test('with three classes the corrected probabilities add up to 1', () => {
  const random = createRandom(5);
  const probabilities = Float64Array.from({ length: 300 }, () => random.uniform()).map((value, cell, all) => value / (all[cell - (cell % 3)]! + all[cell - (cell % 3) + 1]! + all[cell - (cell % 3) + 2]!));
  const actual = Int32Array.from({ length: 100 }, () => random.below(3));
  for (const type of ['platt', 'isotonic'] as const) {
    const corrected = calibrate(answers(probabilities, 3), fitCalibration(type, actual, probabilities, 3));
    if (corrected.type === 'values') throw new Error('unexpected');
    for (let row = 0; row < 100; row++) expect(corrected.probabilities.subarray(row * 3, row * 3 + 3).reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 12);
  }
});

test('one class alone, or one probability alone, gives finite answers short of certainty', () => {
  for (const type of ['platt', 'isotonic'] as const) {
    const same = Float64Array.of(0.3, 0.7, 0.3, 0.7, 0.3, 0.7);
    const corrected = calibrate(answers(same, 2), fitCalibration(type, Int32Array.of(1, 1, 1), same, 2));
    if (corrected.type === 'values') throw new Error('unexpected');
    expect(corrected.probabilities[1]).toBeGreaterThan(0.7);
    expect(corrected.probabilities[1]).toBeLessThan(1);
  }
});
