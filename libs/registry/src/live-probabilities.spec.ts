import { areaOfBins, type BinCount, binsOf, logLossOf, mostCurves } from './live-probabilities.ts';

/** Probabilities that are told apart well but not wholly, without chance. */
const rows = Array.from({ length: 400 }, (_, row) => {
  const truth = row % 3 === 0 ? 1 : 0;
  return { truth, probability: 1 / (1 + Math.exp(-(((row * 37) % 101) / 20 - 3 + truth))) };
});
const counted = (answer: readonly number[], truth: number, classes: number, isScored = false): BinCount[] => binsOf(answer, truth, { classes: new Array<string>(classes).fill(''), isScored }).map((bin) => ({ ...bin, rows: 1 }));
const binned = (of: readonly { truth: number; probability: number }[]): BinCount[] => of.flatMap(({ truth, probability }) => counted([0, probability], truth, 2));

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

  it('is not certain where a handful of rows are wholly apart', () => {
    const apart = (each: number, isUpright = true) => areaOfBins(binned([0, 1].flatMap((truth) => Array.from({ length: each }, () => ({ truth, probability: isUpright === (truth === 1) ? 0.9 : 0.1 })))))!;
    // Of two each: the area at which 1 - area = z² area (1 + (1 - area) / (2 - area) + area / (1 + area)) / 4.
    const { lower: area } = apart(2);
    expect((1.959964 ** 2 / 4) * area! * (1 + (1 - area!) / (2 - area!) + area! / (1 + area!))).toBeCloseTo(1 - area!, 5);
    expect(apart(2)).toMatchObject({ value: 1, lower: expect.closeTo(0.384, 2), upper: 1 });
    expect(apart(200).lower).toBeGreaterThan(0.98);
    expect(apart(2, false)).toMatchObject({ value: 0, lower: 0, upper: expect.closeTo(1 - area!, 12) });
  });

  it('is unknown without rows of both classes, and has no interval with one of a class', () => {
    expect(areaOfBins(binned(rows.filter(({ truth }) => truth === 1)))).toBeNull();
    expect(areaOfBins(binned([{ truth: 1, probability: 0.9 }, { truth: 0, probability: 0.1 }, { truth: 0, probability: 0.2 }]))).toEqual({ value: 1, lower: null, upper: null, slack: 0 });
  });
});

describe('the area under the curve of several classes', () => {
  const several = rows.map(({ truth, probability }, row) => {
    const [first, second] = [probability * 0.8, (1 - probability * 0.8) * (((row * 53) % 97) / 97)];
    return { truth: truth === 1 ? 0 : 1 + (row % 2), probabilities: [first, second, 1 - first - second] };
  });
  const of = (answers: typeof several) => areaOfBins(answers.flatMap(({ truth, probabilities }) => counted([0, ...probabilities], truth, 3)));
  const against = (answers: typeof several, place: number) => byRows(answers.map(({ truth, probabilities }) => ({ truth: Number(truth === place), probability: probabilities[place]! })));

  it('is the mean over each against the rest, to within its slack, and its interval takes in those that go together', () => {
    const [found, each] = [of(several)!, [0, 1, 2].map((place) => against(several, place))];
    const mean = each.reduce((sum, { area }) => sum + area, 0) / 3;
    expect(Math.abs(found.value - mean)).toBeLessThanOrEqual(found.slack);
    expect(found.slack).toBeLessThan(0.02);
    expect((found.upper! - found.lower!) / 2 - found.slack).toBeCloseTo((1.959964 * each.reduce((sum, { error }) => sum + error, 0)) / 3, 2);
  });

  it('leaves out a class that was never true, as at training', () => {
    const two = several.filter(({ truth }) => truth !== 2);
    expect(of(two)!.value).toBeCloseTo((against(two, 0).area + against(two, 1).area) / 2, 1);
    expect(of(several.filter(({ truth }) => truth === 1))).toBeNull();
  });

  it('is not reckoned of so many that each truth would be counted too often', () => {
    expect(counted(new Array<number>(mostCurves + 2).fill(0.1), 0, mostCurves + 1)).toEqual([]);
  });
});

it('the area under the curve of scores is theirs, whatever their unit and from 0 on', () => {
  for (const unit of [1e-5, 1, 1e5]) {
    const scored = rows.map(({ truth, probability }, row) => ({ truth, probability: row === 0 ? 0 : probability * unit }));
    const found = areaOfBins(scored.flatMap(({ truth, probability }) => counted([0, probability], truth, 2, true)))!;
    expect(Math.abs(found.value - byRows(scored).area)).toBeLessThanOrEqual(found.slack);
    expect(found.slack).toBeLessThan(0.01);
  }
});

it('the log loss is of what was true, and finite where that was thought impossible', () => {
  expect(logLossOf([1, 0.8], 1)).toBeCloseTo(-Math.log(0.8), 12);
  expect(logLossOf([1, 0.8], 0)).toBeCloseTo(-Math.log(0.2), 12);
  expect(logLossOf([2, 0.1, 0.2, 0.7], 1)).toBeCloseTo(-Math.log(0.2), 12);
  expect(logLossOf([2, 0, 0, 1], 0)).toBeCloseTo(-Math.log(1e-6), 12);
});
