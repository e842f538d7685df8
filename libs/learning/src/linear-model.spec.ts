import { irisTable, wineTable } from '../test/sample-tables.ts';
import { fitLinear, linearOutputs, type LinearProblem, type LinearSolver, softmaxRows, solverFor } from './linear-model.ts';
import { createPacer } from './pacer.ts';
import { encodeRows, encodedWidth, fitFeatures } from './pipeline.ts';
import { createRandom } from './random.ts';
import { findColumn, type Table } from './table.ts';

/**
 * The expected coefficients are the optimum of the same objective by Newton's method, or by the normal equations, on the
 * standardised columns: an independent program in another language, to 1e-14. They are also what scikit-learn's
 * LogisticRegression (C = 1), Ridge (alpha = 1) and Lasso stand for.
 */
const expected = {
  iris: [
    [-1.074066154156825, 0.5878102398479447, 0.4862559143088822],
    [1.160115116214458, -0.3618406263284955, -0.7982744898859594],
    [-1.9306918616825635, -0.3634310229373791, 2.294122884619939],
    [-1.811556124247104, -0.8262695764030451, 2.6378257006501484],
  ],
  irisBias: [-0.20524113301621644, 2.0748397842352206, -1.869598651219007],
  twoSpecies: [-0.2788052195206215, -0.5923689730955011, 2.210919741814386, 2.3905428022175848],
  twoSpeciesBias: 0.10156612017733072,
  wineBias: [0.41234332477776625, 0.7048385627149916, -1.1171818874927675],
  wineFirst: [0.8101362009618025, -1.0103312350620701, 0.2001950341002651],
  ridge: [
    0.14495252327749472, 0.03860488216885513, -0.12610073074456368, 0.0005572849102019196, 0.03349607589683767, 0.010761559371386224,
    -0.025709915885580324, -0.08559774001158696, 0.3723793640968606, 0.0466555207863932, 0.1097282790651182, 0.3179800352434157,
  ],
  lasso: [0, 0, -0.013445007021925455, 0, 0, 0, 0, 0, 0.2979354004855584, 0, 0, 0.43125924412376593],
};

/** All rows of a table, standardised; a class index or the target as it is. */
function problemOf(table: Table, target: string, leaveOut: string[] = [], keep: (row: number) => boolean = () => true): LinearProblem {
  const rows = Int32Array.from({ length: table.rows }, (_, row) => row).filter(keep);
  const inputs = table.columns.filter(({ name }) => name !== target && !leaveOut.includes(name)).map(({ name, type }) => ({ name, type }));
  const fitted = fitFeatures(table, inputs, rows);
  if (fitted.type === 'invalid') throw new Error(JSON.stringify(fitted.problems));
  const { type, values } = findColumn(table, target)!;
  const classes = type === 'number' ? [] : [...new Set(Array.from(rows, (row) => values[row] as string))].sort();
  return {
    rows: rows.length,
    width: encodedWidth(fitted.features),
    inputs: encodeRows(fitted.features, table, rows),
    targets: Float64Array.from(rows, (row) => (type === 'number' ? values[row]! as number : classes.indexOf(values[row] as string))),
    classes: classes.length,
    classWeights: null,
    l1: 0,
    l2: 1,
  };
}

const fit = async (problem: LinearProblem, solver: LinearSolver) => (await fitLinear(problem, solver, createPacer()))!;

const expectAll = (actual: ArrayLike<number>, wanted: number[], digits: number) => {
  expect(actual).toHaveLength(wanted.length);
  wanted.forEach((value, at) => expect(actual[at]).toBeCloseTo(value, digits));
};

const iris = irisTable();
const wine = wineTable();
const twoSpecies = problemOf(iris, 'species', [], (row) => findColumn(iris, 'species')!.values[row] !== 'setosa');
const alcohol = problemOf(wine, 'alcohol', ['cultivar']);

describe.each(['lbfgs', 'proximal_gradient'] as const)('%s', (solver) => {
  test('three classes of iris and of wine: the coefficients of the reference', async () => {
    const { kernel, bias } = await fit(problemOf(iris, 'species'), solver);
    expectAll(kernel, expected.iris.flat(), 6);
    expectAll(bias, expected.irisBias, 6);
    const cultivars = await fit(problemOf(wine, 'cultivar'), solver);
    expectAll(cultivars.kernel.slice(0, 3), expected.wineFirst, 6);
    expectAll(cultivars.bias, expected.wineBias, 6);
  });

  test('two classes: the coefficients of the reference beside zeros for the first class', async () => {
    const { kernel, bias } = await fit(twoSpecies, solver);
    expectAll(kernel, expected.twoSpecies.flatMap((weight) => [0, weight]), 6);
    expectAll(bias, [0, expected.twoSpeciesBias], 6);
  });

  test('numbers: the coefficients of the closed form', async () => {
    const { kernel, bias } = await fit(alcohol, solver);
    expectAll(kernel, expected.ridge, 6);
    expectAll(bias, [13.00061797752809], 6);
  });
});

test('the closed form gives the coefficients of the reference', async () => {
  const { kernel, bias } = await fit(alcohol, 'closed_form');
  expectAll(kernel, expected.ridge, 12);
  expectAll(bias, [13.00061797752809], 12);
});

test('L1 gives exact zeros, and elsewhere the coefficients of the reference', async () => {
  const mean = alcohol.targets.reduce((sum, value) => sum + value, 0) / alcohol.rows;
  const scale = Math.sqrt(alcohol.targets.reduce((sum, value) => sum + (value - mean) ** 2, 0) / alcohol.rows);
  const standardised = { ...alcohol, targets: alcohol.targets.map((value) => (value - mean) / scale), l1: 20, l2: 0 };
  const { kernel } = await fit(standardised, 'proximal_gradient');
  expectAll(kernel, expected.lasso, 6);
  kernel.forEach((weight, at) => expect(weight === 0).toBe(expected.lasso[at] === 0));
});

test('a strong L1 leaves classes with their shares alone', async () => {
  const { kernel, bias } = await fit({ ...problemOf(iris, 'species', [], (row) => row < 130), l1: 1e4 }, 'proximal_gradient');
  expect(kernel.every((weight) => weight === 0)).toBe(true);
  expectAll(softmaxRows(bias.slice(), 1, 3), [50 / 130, 50 / 130, 30 / 130], 7);
});

test('classes that a line divides, without a penalty, end with finite weights and certain answers', async () => {
  const problem = { ...problemOf(iris, 'species', [], (row) => row < 100), l2: 0 };
  const weights = await fit(problem, 'lbfgs');
  expect(weights.kernel.every(Number.isFinite)).toBe(true);
  const probabilities = softmaxRows(linearOutputs(weights, problem.inputs, problem.rows, problem.width), problem.rows, 2);
  problem.targets.forEach((target, row) => expect(probabilities[2 * row + target]).toBeGreaterThan(0.999));
});

test('a class of weight 3 counts as if each of its rows were there three times', async () => {
  const rows = Array.from({ length: twoSpecies.rows }, (_, row) => row).flatMap((row) => (twoSpecies.targets[row] === 1 ? [row, row, row] : [row]));
  const { width } = twoSpecies;
  const repeated: LinearProblem = {
    ...twoSpecies,
    rows: rows.length,
    inputs: Float64Array.from(rows.flatMap((row) => [...twoSpecies.inputs.subarray(row * width, (row + 1) * width)])),
    targets: Float64Array.from(rows, (row) => twoSpecies.targets[row]!),
  };
  const weighted = await fit({ ...twoSpecies, classWeights: Float64Array.of(1, 3) }, 'lbfgs');
  const { kernel, bias } = await fit(repeated, 'lbfgs');
  expectAll(weighted.kernel, Array.from(kernel), 6);
  expectAll(weighted.bias, Array.from(bias), 6);
});

test('the slopes of the loss are those of its finite differences: the solvers end where none is left', async () => {
  const random = createRandom(8);
  const rows = 40;
  const problem: LinearProblem = {
    rows, width: 3, classes: 4, classWeights: null, l1: 0, l2: 0.3,
    inputs: Float64Array.from({ length: rows * 3 }, () => random.uniform() * 4 - 2),
    targets: Float64Array.from({ length: rows }, () => random.below(4)),
  };
  const weights = await fit(problem, 'lbfgs');
  const lossAt = (kernel: Float64Array, bias: Float64Array) => {
    const probabilities = softmaxRows(linearOutputs({ kernel, bias }, problem.inputs, rows, 3), rows, 4);
    const misses = problem.targets.reduce((sum, target, row) => sum - Math.log(probabilities[row * 4 + target]!), 0);
    return misses + kernel.reduce((sum, weight) => sum + 0.15 * weight ** 2, 0);
  };
  const least = lossAt(weights.kernel, weights.bias);
  [...weights.kernel, ...weights.bias].forEach((_, at) => {
    for (const step of [-1e-3, 1e-3]) {
      const kernel = weights.kernel.map((weight, index) => (index === at ? weight + step : weight));
      const bias = weights.bias.map((value, index) => (index + 12 === at ? value + step : value));
      expect(lossAt(kernel, bias)).toBeGreaterThan(least);
    }
  });
});

test('the solver follows from the task, the penalty and the size', () => {
  const size = { inputs: new Float64Array(), targets: new Float64Array(), classWeights: null, l2: 1 };
  expect(solverFor({ ...size, rows: 1000, width: 20, classes: 0, l1: 0 })).toBe('closed_form');
  expect(solverFor({ ...size, rows: 100_000, width: 5000, classes: 0, l1: 0 })).toBe('lbfgs');
  expect(solverFor({ ...size, rows: 1000, width: 20, classes: 3, l1: 0 })).toBe('lbfgs');
  expect(solverFor({ ...size, rows: 1000, width: 20, classes: 0, l1: 0.1 })).toBe('proximal_gradient');
});

test('a solver stops when it is told to', async () => {
  const stopped = createPacer(AbortSignal.abort());
  for (const solver of ['closed_form', 'lbfgs', 'proximal_gradient'] as const) expect(await fitLinear(alcohol, solver, stopped)).toBeNull();
});
