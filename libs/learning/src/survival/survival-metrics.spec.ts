import { remissions } from '../../test/remissions.ts';
import { createRandom } from '../random.ts';
import { kaplanMeier, quantileOf, survivalAt } from './kaplan-meier.ts';
import { brierAt, censoringCurve, concordance, scoreSurvival, type SurvivalAnswers } from './survival-metrics.ts';

const treated = remissions.filter((patient) => patient.treated === 1);

test('the Kaplan-Meier curve is the published one of the treated', () => {
  const curve = kaplanMeier(treated.map(({ weeks }) => weeks), treated.map(({ observed }) => observed));
  expect([...curve.times]).toEqual([6, 7, 10, 13, 16, 22, 23]);
  [0.857, 0.807, 0.753, 0.69, 0.627, 0.538, 0.448].forEach((expected, step) => expect(curve.survival[step]).toBeCloseTo(expected, 3));
  expect(quantileOf(curve, 0.5)).toBe(23);
  expect(quantileOf(curve, 0.9)).toBe(35);
  expect([5.9, 6, 6.5, 100].map((time) => survivalAt(curve, time))).toEqual([1, curve.survival[0], curve.survival[0], curve.survival[6]]);
  expect(survivalAt(curve, 6, true)).toBe(1);
});

/** What the fitted Weibull model says of the same rows. */
const times = Float64Array.from(remissions, ({ weeks }) => weeks);
const observed = Uint8Array.from(remissions, (patient) => patient.observed);
const scale = 0.7321944014903587;
const location = (row: number) => 2.2483523589404335 + 1.2673345733084678 * remissions[row]!.treated;
const quantiles = (p: number) => times.map((_, row) => Math.exp(location(row) + scale * Math.log(-Math.log(1 - p))));
const answers: SurvivalAnswers = {
  times, observed, lower: quantiles(0.1), median: quantiles(0.5), upper: quantiles(0.9),
  survival: (row, time) => Math.exp(-Math.exp((Math.log(time) - location(row)) / scale)),
  logLikelihood: null,
};

/** An independent program: NumPy, the definitions as loops over pairs and rows. */
test('concordance and Brier scores of the remissions', () => {
  const censoring = censoringCurve(times, observed);
  expect(survivalAt(censoring, 10)).toBeCloseTo(0.8842803030303031, 12);
  expect(concordance(times, observed, answers.median)).toBeCloseTo(492 / 713, 12);
  [[5, 0.1287804927567579], [10, 0.22364201817083437], [20, 0.175326348275432]].forEach(([time, expected]) =>
    expect(brierAt(answers, censoring, time!)).toBeCloseTo(expected!, 9));
  const scores = scoreSurvival(answers, censoring);
  expect(scores).toMatchObject({ rows: 42, observed: 30, concordance: 492 / 713, censoredLogLikelihood: null });
  const until = scores.brierUntil!;
  const grid = Array.from({ length: 4000 }, (_, at) => brierAt(answers, censoring, (until * (at + 0.5)) / 4000));
  expect(scores.integratedBrier).toBeCloseTo(grid.reduce((sum, value) => sum + value, 0) / 4000, 2);
});

test('concordance in n log n is that of all pairs', () => {
  const random = createRandom(5);
  const rows = 150;
  const time = Float64Array.from({ length: rows }, () => 1 + random.below(20));
  const seen = Uint8Array.from({ length: rows }, () => random.below(2));
  const predicted = Float64Array.from({ length: rows }, () => random.below(15));
  let [pairs, right] = [0, 0];
  for (let a = 0; a < rows; a++) {
    for (let b = 0; b < rows; b++) {
      if (a === b || seen[a] !== 1 || !(time[a]! < time[b]! || (time[a] === time[b] && seen[b] === 0))) continue;
      pairs += 1;
      right += predicted[a]! < predicted[b]! ? 1 : predicted[a] === predicted[b] ? 0.5 : 0;
    }
  }
  expect(concordance(time, seen, predicted)).toBeCloseTo(right / pairs, 12);
  expect(concordance(time, new Uint8Array(rows), predicted)).toBeNull();
});

test('where all rows go out of sight at once, the score is taken up to then', () => {
  const all = Float64Array.from({ length: 40 }, (_, row) => Math.min(row + 1, 21));
  const ended = Uint8Array.from(all, (time) => Number(time < 21));
  const level = new Float64Array(40).fill(20);
  const scores = scoreSurvival({ times: all, observed: ended, lower: level, median: level, upper: level, survival: (_, time) => 1 - time / 40, logLikelihood: null }, censoringCurve(all, ended));
  expect(scores.brierUntil).toBeCloseTo(21, 6);
  expect(scores.integratedBrier).toBeLessThan(0.25);
});
