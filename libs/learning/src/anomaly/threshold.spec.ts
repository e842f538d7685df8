import { createRandom } from '../random.ts';
import { cheapestThreshold, conformalThreshold } from './threshold.ts';

test('each of ten exchangeable scores is above the threshold of the nine others just as often as stated', () => {
  const scores = [3, 1, 4, 15, 9, 2, 6, 5, 35, 8];
  for (const rate of [0.1, 0.2, 0.25, 0.5]) {
    const rules = scores.map((own) => ({ own, ...conformalThreshold(Float64Array.from(scores.filter((score) => score !== own)), rate, 0) }));
    const stated = rules[0]!.falseAlarmRate;
    expect(stated).toBeLessThanOrEqual(rate + 1e-12);
    expect(rules.filter(({ own, threshold }) => own > threshold).length / 10).toBeCloseTo(stated, 12);
  }
});

test('over many draws the mean rate on new rows is the one stated', () => {
  const random = createRandom(5);
  const draw = (length: number) => Float64Array.from({ length }, () => random.uniform() ** 3);
  let [above, stated] = [0, 0];
  for (let round = 0; round < 400; round++) {
    const { threshold, falseAlarmRate } = conformalThreshold(draw(59), 0.05, 0);
    above += draw(50).filter((score) => score > threshold).length / 50 / 400;
    stated = falseAlarmRate;
  }
  expect(stated).toBeCloseTo(0.05, 12);
  expect(Math.abs(above - 0.05)).toBeLessThan(0.006);
});

test('contamination leaves the highest scores aside; too few rows state what their highest stands for', () => {
  const scores = Float64Array.from({ length: 100 }, (_, at) => at + 1);
  expect(conformalThreshold(scores, 0.1, 0)).toEqual({ threshold: expect.closeTo(91, 3), falseAlarmRate: expect.closeTo(10 / 101, 12) });
  // 20 of them aside, the 73rd of 80.
  expect(conformalThreshold(scores, 0.1, 0.2)).toEqual({ threshold: expect.closeTo(73, 3), falseAlarmRate: expect.closeTo(8 / 81, 12) });
  expect(conformalThreshold(scores.slice(0, 4), 0.01, 0)).toEqual({ threshold: expect.closeTo(4, 3), falseAlarmRate: expect.closeTo(0.2, 12) });
});

test('equal scores are not above each other, nor where another engine finds them a hair higher', () => {
  expect(conformalThreshold(new Float64Array(50).fill(3), 0.1, 0).threshold).toBeGreaterThan(3 + 1e-7);
  expect(conformalThreshold(Float64Array.of(1, 2, 2 + 1e-9), 0.5, 0).threshold).toBeLessThan(2 + 1e-9);
});

test.each([
  // anomalies at 9, 7 and 2: catching 7 costs one false alarm (8), catching 2 three more
  [{ missed: 10, falseAlarm: 1 }, 1.5, 5],
  [{ missed: 2, falseAlarm: 1 }, 6, 2],
  [{ missed: 1, falseAlarm: 100 }, 8.5, 1],
])('what errors cost sets the threshold: %j', (costs, threshold, falseAlarms) => {
  const scores = Float64Array.of(9, 8, 7, 5, 4, 3, 2, 1);
  const anomalies = [0, 2, 6];
  const found = cheapestThreshold(scores, (row) => anomalies.includes(row), costs);
  expect(found).toEqual({ threshold, falseAlarmRate: expect.closeTo(falseAlarms / 6, 12) });
});
