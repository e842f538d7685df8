import { cheapestDecision, decide } from './decision.ts';
import { createRandom } from './random.ts';

/** [rows, 2] with the given probability of class 1. */
const pairs = (positives: number[]) => Float64Array.from(positives.flatMap((p) => [1 - p, p]));

test('the threshold is the cheapest there is', () => {
  const random = createRandom(3);
  for (let round = 0; round < 40; round++) {
    const probabilities = Array.from({ length: 30 }, () => Math.round(random.uniform() * 10) / 10);
    const actual = probabilities.map((p) => Number(random.uniform() < p));
    const costs = { missed: 1 + random.below(50), falseAlarm: 1 + random.below(10) };
    const costAt = (threshold: number) =>
      probabilities.reduce((sum, p, row) => sum + (actual[row] === 1 && p < threshold ? costs.missed : actual[row] === 0 && p >= threshold ? costs.falseAlarm : 0), 0);
    const cheapest = Math.min(...Array.from({ length: 42 }, (_, step) => costAt((step - 1) / 40 + 0.001)));
    const found = cheapestDecision(actual, pairs(probabilities), 1, costs);
    expect(costAt(found.threshold)).toBe(cheapest);
    expect(found.cost).toBeCloseTo(cheapest / 30, 12);
  }
});

test('dear misses lower the threshold, dear alarms raise it; where nothing speaks against it, it is the ratio of the costs', () => {
  const actual = [0, 0, 1, 0, 1, 1];
  const probabilities = pairs([0.1, 0.3, 0.35, 0.6, 0.7, 0.9]);
  expect(cheapestDecision(actual, probabilities, 1, { missed: 100, falseAlarm: 3 }).threshold).toBeCloseTo((0.3 + 0.35) / 2, 12);
  expect(cheapestDecision(actual, probabilities, 1, { missed: 1, falseAlarm: 20 }).threshold).toBeCloseTo((0.6 + 0.7) / 2, 1);
  const clear = pairs([0.01, 0.02, 0.98, 0.99]);
  expect(cheapestDecision([0, 0, 1, 1], clear, 1, { missed: 3, falseAlarm: 1 })).toMatchObject({ threshold: 0.25, cost: 0 });
});

test('the positive class may be the first, and a row at the threshold belongs to it', () => {
  const { threshold } = cheapestDecision([0, 1], Float64Array.of(0.8, 0.2, 0.4, 0.6), 0, { missed: 1, falseAlarm: 1 });
  expect(threshold).toBeCloseTo(0.5, 12);
  const scores = { type: 'classes' as const, predicted: Int32Array.of(0, 0), probabilities: Float64Array.of(0.6, 0.4, 0.59, 0.41) };
  expect(decide(scores, { positive: 0, threshold: 0.6 })).toMatchObject({ predicted: Int32Array.of(0, 1) });
});
