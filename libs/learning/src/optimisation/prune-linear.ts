import { completeSettings, type LinearSettings } from '@millrace/configuration';
import { classWeightsOf } from '../class-weights.ts';
import { classesOf } from '../families/family.ts';
import { inUnitOf } from '../families/linear.ts';
import { fitLinear, type LinearProblem, solverFor } from '../linear-model.ts';
import { encodeRows } from '../pipeline.ts';
import { fitTarget } from '../prepared-data.ts';
import { smallest } from './prune.ts';
import type { OptimisationWork, PipelineOf, StepOutcome } from './work.ts';

/**
 * Takes away the share of the cells of an encoded row that move the answers least, and fits the weights of the others anew, exactly, as
 * the family does. What a cell moves is its largest weight times its deviation over the training rows, so that a number and a rare value of a category
 * compare (the standardised coefficients by which backward elimination orders columns; Guyon & Elisseeff 2003, section 4). At least one cell stays.
 */
export async function pruneLinear(pipeline: PipelineOf<'linear'>, sparsity: number, { data, spec, rows, pacer }: OptimisationWork): Promise<StepOutcome> {
  const { features, estimator: { width, kernel, bias } } = pipeline;
  const outputs = bias.length;
  const inputs = encodeRows(features, data.table, rows);
  const moved = deviationsOf(inputs, width).map((deviation, cell) => deviation * kernel.subarray(cell * outputs, (cell + 1) * outputs).reduce((most, weight) => Math.max(most, Math.abs(weight)), 0));
  const gone = new Set(smallest(Float32Array.from(moved), Math.min(width - 1, Math.round(sparsity * width))));
  const cells = Array.from({ length: width }, (_, cell) => cell).filter((cell) => !gone.has(cell));

  const { l1, l2, classWeight } = settingsOf(spec);
  const target = fitTarget(data, rows);
  const targets = Float64Array.from(rows, (row) => (target.type === 'number' ? (data.truth[row]! - target.mean) / target.scale : data.truth[row]!));
  const problem: LinearProblem = {
    rows: rows.length, width: cells.length, targets, classes: classesOf(target), l1, l2,
    inputs: Float64Array.from({ length: rows.length * cells.length }, (_, at) => inputs[Math.floor(at / cells.length) * width + cells[at % cells.length]!]!),
    classWeights: classWeightsOf(classWeight, target.type === 'number' ? [] : target.classes, targets),
  };
  const fitted = await fitLinear(problem, solverFor(problem), pacer);
  if (!fitted) return { type: 'cancelled' };
  const own = inUnitOf(target, fitted);
  const sparse = new Float64Array(width * outputs);
  cells.forEach((cell, at) => sparse.set(own.kernel.subarray(at * outputs, (at + 1) * outputs), cell * outputs));
  if (sparse.every((weight) => weight === 0)) {
    const problemOf = { field: 'steps', message: 'The penalty of the weights leaves none of them once others are gone.', remedy: 'Give a smaller sparsity.' };
    return { type: 'failed', problem: problemOf };
  }
  return { type: 'made', pipeline: { ...pipeline, estimator: { family: 'linear', width, kernel: sparse, bias: own.bias, sparse: true } } };
}

/** As its training was configured; of a model that a search found, the defaults. */
function settingsOf({ models }: OptimisationWork['spec']): LinearSettings {
  return (models.find(({ family }) => family === 'linear') ?? completeSettings({ family: 'linear' })) as LinearSettings;
}

function deviationsOf(inputs: Float64Array, width: number): Float64Array {
  const rows = inputs.length / width;
  const [sums, squares] = [new Float64Array(width), new Float64Array(width)];
  for (let at = 0; at < inputs.length; at++) {
    sums[at % width]! += inputs[at]!;
    squares[at % width]! += inputs[at]! ** 2;
  }
  return squares.map((square, cell) => Math.sqrt(Math.max(0, square / rows - (sums[cell]! / rows) ** 2)));
}
