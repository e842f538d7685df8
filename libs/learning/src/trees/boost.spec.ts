import { wineTable } from '../../test/sample-tables.ts';
import { createPacer } from '../pacer.ts';
import { fitFeatures } from '../pipeline.ts';
import type { Table } from '../table.ts';
import { binColumn, learnBinning } from './binned-columns.ts';
import { boost, type BoostingSettings } from './boost.ts';
import { absoluteLoss, type BoostingLoss, type BoostingTargets, logisticLoss, softmaxLoss, squaredLoss } from './boosting-loss.ts';

const settings: BoostingSettings = {
  learningRate: 0.1, numLeaves: 5, maxDepth: Infinity, minDataInLeaf: 1, minSumHessianInLeaf: 1, lambdaL1: 0, lambdaL2: 0,
  minGainToSplit: 0, featureFraction: 1, baggingFraction: 1, baggingFreq: 1,
};

const wine = wineTable();
const inputs = wine.columns.slice(0, -1).map(({ name }) => name);
const cultivar = Float64Array.from(wine.columns.at(-1)!.values as string[], (label) => Number(label.at(-1)));
const isSecond = cultivar.map((label) => Number(label === 1));
const alcohol = wine.columns[0]!.values as Float64Array;
/** Every eleventh cell or so left empty. */
const gappy: Table = {
  rows: wine.rows,
  columns: wine.columns.map((column, place) => column.type === 'number'
    ? { ...column, values: column.values.map((value, row) => ((7 * row + 3 * place) % 11 === 0 ? NaN : value)) }
    : column),
};

/** Scores of all rows after so many iterations. */
async function scoresOf(
  table: Table, names: string[], targets: Float64Array, lossOf: (targets: BoostingTargets) => BoostingLoss, iterations: number,
  more: Partial<BoostingSettings> = {}, monotone: number[] = [],
): Promise<{ scores: Float64Array[]; loss: number }> {
  const rows = Int32Array.from({ length: table.rows }, (_, row) => row);
  const fitted = fitFeatures(table, names.map((name) => ({ name, type: 'number' })), rows, 'none');
  if (fitted.type === 'invalid') throw new Error(JSON.stringify(fitted.problems));
  const loss = lossOf({ values: targets, weights: null, training: table.rows });
  let scores: Float64Array[] = [];
  await boost({
    columns: fitted.features.map((feature) => binColumn(table, feature, learnBinning(table, feature, rows, 255, targets), rows)),
    training: table.rows, heldBack: 0, loss, settings: { ...settings, ...more },
    monotone: Int8Array.from(names, (_, place) => monotone[place] ?? 0),
    iterations, patience: 0, seed: 0, model: 0, resume: null, pacer: createPacer(),
    onIteration: async (state) => void (scores = state.scores),
  });
  return { scores, loss: loss.mean(scores, 0, table.rows) };
}

const probability = (score: number): number => 1 / (1 + Math.exp(-score));

/**
 * The figures are LightGBM 4.7.0's for the same rows and settings (with min_data_in_bin=1, deterministic, one thread),
 * which keeps gradients in float32. Classes are compared for few iterations: later, divisions that gain exactly the same
 * are told apart by that rounding.
 */
describe('as LightGBM', () => {
  const alike = { numLeaves: 7, minDataInLeaf: 5, minSumHessianInLeaf: 0.001 };

  test('squared loss, 20 iterations', async () => {
    const { scores: [scores] } = await scoresOf(wine, inputs.slice(1), alcohol, squaredLoss, 20, alike);
    [[0, 13.928559024], [60, 12.450891694], [100, 12.441516494], [177, 13.451269423]].forEach(([row, expected]) => expect(scores![row!]).toBeCloseTo(expected!, 6));
    const rmse = Math.sqrt(scores!.reduce((sum, score, row) => sum + (score - alcohol[row]!) ** 2, 0) / wine.rows);
    expect(rmse).toBeCloseTo(0.3814962021, 7);
  });

  test('absolute loss, 20 iterations, leaves of medians', async () => {
    const { scores: [scores], loss } = await scoresOf(wine, inputs.slice(1), alcohol, absoluteLoss, 20, alike);
    [[0, 13.803868472], [60, 12.362905979], [100, 12.520957498], [177, 13.416470807]].forEach(([row, expected]) => expect(scores![row!]).toBeCloseTo(expected!, 5));
    expect(loss).toBeCloseTo(0.3050816844, 6);
  });

  test('three classes, 5 iterations', async () => {
    const { loss } = await scoresOf(wine, inputs, cultivar, (targets) => softmaxLoss(targets, 3), 5);
    expect(loss).toBeCloseTo(0.4960003704, 8);
  });

  test('two classes with monotone constraints, 20 iterations', async () => {
    const { scores: [scores], loss } = await scoresOf(wine, inputs, isSecond, logisticLoss, 20, {}, [1, -1]);
    expect(loss).toBeCloseTo(0.0896050977, 8);
    expect([3, 100].map((row) => probability(scores![row]!))).toEqual([expect.closeTo(0.0595503483, 7), expect.closeTo(0.9246913513, 7)]);
  });

  test.each([[{}, 0.5902883917, 0.3625399957], [{ lambdaL1: 0.5, lambdaL2: 2 }, 0.605438833, 0.3667061547]])(
    'missing values, one iteration, %o',
    async (more, expectedLoss, expected) => {
      const { scores: [scores], loss } = await scoresOf(gappy, inputs, isSecond, logisticLoss, 1, more);
      expect(loss).toBeCloseTo(expectedLoss, 7);
      expect(probability(scores![3]!)).toBeCloseTo(expected, 7);
    },
  );
});

describe('derivatives of the losses', () => {
  const values = { classes: Float64Array.of(0, 1, 2, 1), numbers: Float64Array.of(0.4, -2, 1, 3), pair: Float64Array.of(0, 1, 1, 0) };
  const weights = Float64Array.of(1, 2, 0.5, 3);
  const step = 1e-5;

  test.each([
    ['squared', (training: number) => squaredLoss({ values: values.numbers, weights: null, training }), 2, null],
    ['logistic', (training: number) => logisticLoss({ values: values.pair, weights, training }), 1, weights],
    // Its second derivatives are enlarged by 3/2 for what the other classes' scores do.
    ['softmax', (training: number) => softmaxLoss({ values: values.classes, weights, training }, 3), 1, weights],
  ] as const)('%s agree with finite differences', (name, lossOf, factor, ownWeights) => {
    const loss = lossOf(4);
    const scores = loss.start.map((score, output) => Float64Array.of(score, 0.3 * output - 0.5, 1 - output, 0.2));
    const gradients = scores.map(() => new Float64Array(4));
    const hessians = scores.map(() => new Float64Array(4).fill(1));
    loss.differentiate(scores, gradients, hessians);
    scores.forEach((own, output) => own.forEach((score, row) => {
      const weight = ownWeights ? ownWeights[row]! : 1;
      const at = (shift: number): number => {
        own[row] = score + shift;
        const value = loss.mean(scores, row, row + 1) * weight;
        own[row] = score;
        return value;
      };
      // The squared error's derivative is written without its factor of 2.
      expect(gradients[output]![row]! * factor).toBeCloseTo((at(step) - at(-step)) / (2 * step), 6);
      const second = (at(step) - 2 * at(0) + at(-step)) / step ** 2;
      expect(hessians[output]![row]! * factor).toBeCloseTo(second * (name === 'softmax' ? 1.5 : 1), 3);
    }));
  });
});
