import { areaOfBins, type BinCount, logLossOf, probabilityBin } from './live-probabilities.ts';

/** Probabilities that are told apart well but not wholly, without chance. */
const rows = Array.from({ length: 400 }, (_, row) => {
  const truth = row % 3 === 0 ? 1 : 0;
  return { truth, probability: 1 / (1 + Math.exp(-(((row * 37) % 101) / 20 - 3 + truth))) };
});
const binned = (of: readonly { truth: number; probability: number }[]): BinCount[] => of.map(({ truth, probability }) => ({ truth, bin: probabilityBin(probability), rows: 1 }));

/** Over the rows themselves, and its standard error by the structural components. */
function byRows(of: readonly { truth: number; probability: number }[]): { area: number; error: number } {
  const [yes, no] = [of.filter(({ truth }) => truth === 1), of.filter(({ truth }) => truth === 0)];
  const beats = (a: number, b: number): number => (a > b ? 1 : a === b ? 0.5 : 0);
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const ofYes = yes.map((a) => mean(no.map((b) => beats(a.probability, b.probability))));
  const ofNo = no.map((b) => mean(yes.map((a) => beats(a.probability, b.probability))));
  const area = mean(ofYes);
  const variance = (values: readonly number[]): number => values.reduce((sum, value) => sum + (value - area) ** 2, 0) / (values.length - 1) / values.length;
  return { area, error: Math.sqrt(variance(ofYes) + variance(ofNo)) };
}

describe('the area under the curve from bins', () => {
  it('lies within its slack of the one over the rows, and its interval is DeLong’s, wider by the slack', () => {
    const { area, error } = byRows(rows);
    const { value, slack, lower, upper } = areaOfBins(binned(rows))!;
    expect(Math.abs(value - area)).toBeLessThanOrEqual(slack);
    expect(slack).toBeLessThan(0.02);
    expect((upper! - lower!) / 2 - slack).toBeCloseTo(1.959964 * error, 2);
  });

  it('is exact where no two rows share a bin, and with counts as with rows', () => {
    const few = [0.05, 0.2, 0.4, 0.6, 0.8, 0.95].map((probability, row) => ({ probability, truth: [0, 1, 0, 1, 0, 1][row]! }));
    const { area, error } = byRows(few);
    const found = areaOfBins(binned(few))!;
    expect(found).toMatchObject({ value: expect.closeTo(area, 12), slack: 0 });
    expect((found.upper ?? 0) - found.value).toBeCloseTo(Math.min(1 - area, 1.959964 * error), 5);
    expect(areaOfBins(binned(few).map((bin) => ({ ...bin, rows: 7 })))!.value).toBeCloseTo(area, 12);
  });

  it('is unknown without rows of both classes, and has no interval with one of a class', () => {
    expect(areaOfBins(binned(rows.filter(({ truth }) => truth === 1)))).toBeNull();
    expect(areaOfBins(binned([{ truth: 1, probability: 0.9 }, { truth: 0, probability: 0.1 }, { truth: 0, probability: 0.2 }]))).toEqual({ value: 1, lower: null, upper: null, slack: 0 });
  });
});

it('the log loss is of what was true, and finite where that was thought impossible', () => {
  expect(logLossOf([1, 0.8], 1)).toBeCloseTo(-Math.log(0.8), 12);
  expect(logLossOf([1, 0.8], 0)).toBeCloseTo(-Math.log(0.2), 12);
  expect(logLossOf([2, 0.1, 0.2, 0.7], 1)).toBeCloseTo(-Math.log(0.2), 12);
  expect(logLossOf([2, 0, 0, 1], 0)).toBeCloseTo(-Math.log(1e-6), 12);
});
