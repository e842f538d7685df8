import { type Constraint, fineTune } from './fine-tune.ts';
import type { Network, OptimisationWork, PipelineOf, StepOutcome } from './work.ts';

/** When in the fine-tuning the last weights are taken away; what is left then learns on. */
const end = 0.7;
/** How often on the way there the smallest weights are looked for anew. */
const stages = 20;

/**
 * The share of weights that are 0 after a share of all steps: the polynomial schedule of Zhu & Gupta (2017), equation 1, from 0
 * with exponent 3, so that many go while there are many left.
 */
export function sparsityAt(progress: number, wanted: number): number {
  return wanted * (1 - (1 - Math.min(1, progress / end)) ** 3);
}

/** Magnitude pruning of each kernel (Han et al. 2015) while the network learns on. */
export function prune(pipeline: Network, sparsity: number, work: OptimisationWork): Promise<StepOutcome> {
  return fineTune(pipeline, work, pruning(sparsity));
}

/** Holds the smallest weights of every other array, which are the kernels, at 0. */
function pruning(sparsity: number): Constraint {
  let stage = -1;
  let pruned: Int32Array[] = [];
  return (weights, progress) => {
    const reached = Math.floor(stages * Math.min(1, progress / end));
    if (reached > stage) {
      stage = reached;
      const share = sparsityAt((stage / stages) * end, sparsity);
      pruned = weights.map((weight, index) => (index % 2 === 0 ? smallest(weight, Math.round(share * weight.length)) : new Int32Array()));
    }
    pruned.forEach((places, index) => {
      const weight = weights[index]!;
      for (const place of places) weight[place] = 0;
    });
  };
}

/** The places of as many of the smallest; of equal ones those that come first. */
export function smallest(weights: Float32Array, count: number): Int32Array {
  const sizes = weights.map(Math.abs);
  const limit = count > 0 ? sizes.toSorted()[count - 1]! : -1;
  let below = 0;
  for (const size of sizes) below += Number(size < limit);
  let equal = count - below;
  const places = new Int32Array(count);
  let found = 0;
  for (let at = 0; at < sizes.length; at++) if (sizes[at]! < limit || (sizes[at] === limit && equal-- > 0)) places[found++] = at;
  return places;
}

/**
 * Structured pruning: of each hidden layer the units, or filters, whose weights have the smallest sum of sizes go (Li et al. 2017),
 * with what the next layer made of them; then the network learns on.
 */
export function pruneUnits(pipeline: Network, keep: number, work: OptimisationWork): Promise<StepOutcome> {
  const smaller = pipeline.estimator.family === 'dense' ? withoutUnits(pipeline as PipelineOf<'dense'>, keep) : withoutFilters(pipeline as PipelineOf<'convolutional'>, keep);
  if (smaller) return fineTune(smaller, work);
  const problem = { field: 'steps', message: 'Its layers add to each other, so that no unit can go alone.', remedy: 'Distil it into a smaller network instead.' };
  return Promise.resolve({ type: 'failed', problem });
}

function withoutUnits(pipeline: PipelineOf<'dense'>, keep: number): PipelineOf<'dense'> | null {
  const { layers } = pipeline.estimator;
  if (layers.some(({ residual }) => residual)) return null;
  let rows = range(layers[0]!.inputs);
  const smaller = layers.map((layer, index) => {
    const columns = index === layers.length - 1 ? range(layer.units) : largestUnits(layer.kernel, layer.units, keep);
    const kernel = submatrix(layer.kernel, layer.units, rows, columns);
    const made = { ...layer, inputs: rows.length, units: columns.length, kernel, bias: Float32Array.from(columns, (unit) => layer.bias[unit]!) };
    rows = columns;
    return made;
  });
  return { ...pipeline, estimator: { family: 'dense', layers: smaller } };
}

function withoutFilters(pipeline: PipelineOf<'convolutional'>, keep: number): PipelineOf<'convolutional'> {
  const { estimator } = pipeline;
  let inputs = range(estimator.layers[0]!.inputs);
  const layers = estimator.layers.map((layer) => {
    const filters = largestUnits(layer.kernel, layer.filters, keep);
    const rows = Array.from({ length: 9 }, (_, place) => Array.from(inputs, (input) => place * layer.inputs + input)).flat();
    const made = { ...layer, inputs: inputs.length, filters: filters.length, kernel: submatrix(layer.kernel, layer.filters, rows, filters), bias: Float32Array.from(filters, (filter) => layer.bias[filter]!) };
    inputs = filters;
    return made;
  });
  const { kernel, bias } = estimator.head;
  const head = { kernel: submatrix(kernel, bias.length, inputs, range(bias.length)), bias: bias.slice() };
  return { ...pipeline, estimator: { ...estimator, layers, head } };
}

/** The units to keep, one at least, in their order; the last axis of a kernel are its units. */
function largestUnits(kernel: Float32Array, units: number, keep: number): number[] {
  const sizes = new Float64Array(units);
  kernel.forEach((weight, at) => (sizes[at % units]! += Math.abs(weight)));
  const order = range(units).sort((a, b) => sizes[b]! - sizes[a]! || a - b);
  return order.slice(0, Math.max(1, Math.round(keep * units))).sort((a, b) => a - b);
}

function submatrix(values: Float32Array, width: number, rows: number[], columns: number[]): Float32Array {
  const part = new Float32Array(rows.length * columns.length);
  rows.forEach((row, y) => columns.forEach((column, x) => (part[y * columns.length + x] = values[row * width + column]!)));
  return part;
}

const range = (length: number): number[] => Array.from({ length }, (_, index) => index);
