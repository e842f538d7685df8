import * as tf from '@tensorflow/tfjs';
import { standardise } from '../augmentation.ts';
import { convolve } from '../convolution-pass.ts';
import { decodeColumn, pixelsOf } from '../image-pixels.ts';
import { networkOutputs } from '../network-pass.ts';
import { type ConvolutionLayer, type DenseLayer, encodeRows, type FittedEstimator, type FittedPipeline, type Quantisation, type WholeStorage } from '../pipeline.ts';
import { createRandom } from '../random.ts';
import { tidily } from '../tidily.ts';
import type { Network, OptimisationWork, PipelineOf, StepOutcome } from './work.ts';

/**
 * Weights reach from -64 to 64 and not to 127: processors without an instruction for it add up two products of eight bits in
 * sixteen, and 2 · 255 · 64 still fits. So a package answers the same on every machine.
 */
export const largestLevel = 64;
/** Rows that show how large what enters a layer becomes. */
export const calibrationRows = 512;
const calibrationPictures = 128;

/** Weights in float16, rounded to the nearest (IEEE 754); of nearest neighbours the rows. What has none of these, such as trees, stays as it is; its heads do not. */
export function toFloat16(pipeline: FittedPipeline): FittedPipeline {
  const { heads } = pipeline;
  const halved = { ...pipeline, estimator: halvedEstimator(pipeline.estimator) };
  if (!heads) return halved;
  return { ...halved, heads: { ...heads, slopes: heads.slopes.map((slope) => roundToFloat16(1 + slope) - 1), weights: heads.weights.map(roundToFloat16), storage: 'float16' } };
}

function halvedEstimator<Estimator extends FittedEstimator>(estimator: Estimator): Estimator;
function halvedEstimator(estimator: FittedEstimator): FittedEstimator {
  switch (estimator.family) {
    case 'linear': {
      const scales = weightScales(estimator.kernel, estimator.bias.length);
      const kernel = estimator.kernel.map((weight, at) => roundToFloat16(weight / scales[at % scales.length]!) * scales[at % scales.length]!);
      return { ...estimator, kernel, storage: 'float16' };
    }
    case 'knn':
      return { ...estimator, rows: estimator.rows.map(roundToFloat16), storage: 'float16' };
    case 'dense':
      return { ...estimator, layers: layersToFloat16(estimator.layers) };
    case 'convolutional':
      return { ...estimator, layers: layersToFloat16(estimator.layers), head: layersToFloat16([estimator.head])[0]! };
    case 'ensemble':
      return { ...estimator, members: estimator.members.map((member) => ({ ...member, estimator: halvedEstimator(member.estimator) })) };
    default:
      return estimator;
  }
}

/**
 * By output, the power of two by which weights [cells, outputs] are divided before they become float16: they are in the unit of the
 * target, whatever that is. The largest then lies between 2^14 and 2^15.
 */
function weightScales(kernel: Float64Array, outputs: number): Float64Array {
  const largest = new Float64Array(outputs);
  kernel.forEach((weight, at) => (largest[at % outputs] = Math.max(largest[at % outputs]!, Math.abs(weight))));
  return largest.map((size) => (size > 0 ? 2 ** (Math.ceil(Math.log2(size)) - 15) : 1));
}

/** The rows of nearest neighbours in eight bits: of each column, 256 steps from its lowest value to its highest. */
export function rowsToInt8(pipeline: PipelineOf<'knn'>): PipelineOf<'knn'> {
  const { estimator } = pipeline;
  const { rows, width } = estimator;
  const [lows, highs] = [new Float64Array(width).fill(Infinity), new Float64Array(width).fill(-Infinity)];
  rows.forEach((value, at) => {
    lows[at % width] = Math.min(lows[at % width]!, value);
    highs[at % width] = Math.max(highs[at % width]!, value);
  });
  const scales = lows.map((low, cell) => (highs[cell]! - low) / 255 || 1);
  const kept = rows.map((value, at) => Math.round((value - lows[at % width]!) / scales[at % width]!) * scales[at % width]! + lows[at % width]!);
  return { ...pipeline, estimator: { ...estimator, rows: kept, storage: { scales, lows } } };
}

/** Ties to even; what is too large becomes the largest, 65504. */
export function roundToFloat16(value: number): number {
  const size = Math.abs(value);
  const step = 2 ** (Math.max(-14, Math.floor(Math.log2(size))) - 10);
  const steps = size / step;
  const rounded = Math.round(steps) - Number(Math.round(steps) - steps === 0.5 && Math.round(steps) % 2 !== 0);
  return Math.sign(value) * Math.min(65_504, size === 0 ? 0 : rounded * step);
}

/**
 * Weights in eight bits, symmetrically, with a scale for each unit or filter, and sums in whole numbers (Jacob et al. 2018;
 * Krishnamoorthi 2018). What enters a layer becomes whole numbers by the range that training rows show (static), or by the
 * largest of each row (dynamic).
 */
export async function toInt8(pipeline: Network, calibration: 'static' | 'dynamic', work: OptimisationWork): Promise<StepOutcome> {
  if (pipeline.estimator.family === 'dense') return { type: 'made', pipeline: denseToInt8(pipeline as PipelineOf<'dense'>, calibration, work) };
  return convolutionsToInt8(pipeline as PipelineOf<'convolutional'>, work);
}

function denseToInt8(pipeline: PipelineOf<'dense'>, calibration: 'static' | 'dynamic', { data, rows, seed }: OptimisationWork): PipelineOf<'dense'> {
  const sample = calibration === 'static' ? sampleOf(rows, calibrationRows, seed) : new Int32Array();
  const layers = layersToInt8(pipeline.estimator.layers, calibration, new Float32Array(encodeRows(pipeline.features, data.table, sample)), sample.length);
  return { ...pipeline, estimator: { family: 'dense', layers } };
}

/** @param values encoded rows, as many as it says, that show the ranges of a static calibration */
export function layersToInt8(layers: readonly DenseLayer[], calibration: 'static' | 'dynamic', values: Float32Array, rows: number): DenseLayer[] {
  const ranges = layers.map((): Range => [0, 0]);
  if (calibration === 'static') {
    let entering = values;
    layers.forEach((layer, index) => {
      widen(ranges[index]!, entering);
      // A softmax is the end: nothing enters after it.
      if (index < layers.length - 1) entering = new Float32Array(networkOutputs([layer], entering, rows));
    });
  }
  return layers.map((layer, index) => ({ ...layer, ...wholeKernel(layer.kernel, layer.units, calibration === 'static' ? quantisationOf(ranges[index]!) : null) }));
}

/** In float16, rounded to the nearest. */
export const layersToFloat16 = <Layer extends { kernel: Float32Array }>(layers: readonly Layer[]) => layers.map((layer) => ({ ...layer, kernel: layer.kernel.map(roundToFloat16), storage: { type: 'float16' as const } }));

async function convolutionsToInt8(pipeline: PipelineOf<'convolutional'>, { data, rows, seed, pacer }: OptimisationWork): Promise<StepOutcome> {
  const { image, estimator } = pipeline;
  const { pictures: column } = data.table;
  if (!image || !column) throw new Error('A convolutional network looks at pictures');
  const decoded = await decodeColumn(column, image.width, pacer);
  if (decoded?.type !== 'decoded') return decoded ?? { type: 'cancelled' };
  const sample = sampleOf(rows, calibrationPictures, seed);
  const pixels = standardise(pixelsOf(decoded.pictures, sample, image), estimator);
  const { layers, head } = estimator;
  /** of the pictures, of what each layer found, and of its means */
  const ranges = [...layers, head, head].map((): Range => [0, 0]);
  tidily(() => {
    let values = tf.tensor4d(pixels, [sample.length, image.height, image.width, image.channels]);
    widen(ranges[0]!, pixels);
    layers.forEach((layer, index) => {
      values = convolve(values, layer);
      widen(ranges[index + 1]!, values.dataSync<'float32'>());
    });
    widen(ranges.at(-1)!, tf.mean(values, [1, 2]).dataSync<'float32'>());
  });
  const quantisations = ranges.map(quantisationOf);
  const whole = layers.map((layer, index): ConvolutionLayer => {
    const [input, output] = [quantisations[index]!, quantisations[index + 1]!];
    // A filter of hardly any weight has a unit of its own size: its bias, in such units, would be beyond all whole numbers of 32 bits.
    const least = layer.bias.map((value) => Math.abs(value) / (input.scale * 2 ** 30));
    const { kernel, storage } = wholeKernel(layer.kernel, layer.filters, input, least);
    // A bias is added to the whole sums, so it is a whole number of their unit.
    const bias = layer.bias.map((value, filter) => Math.round(value / (input.scale * storage.scales[filter]!)) * (input.scale * storage.scales[filter]!));
    return { ...layer, kernel, bias, storage: { ...storage, output } };
  });
  const wholeHead = { bias: head.bias, ...wholeKernel(head.kernel, head.bias.length, quantisations.at(-1)!) };
  return { type: 'made', pipeline: { ...pipeline, estimator: { ...estimator, layers: whole, head: wholeHead } } };
}

/** Levels times the scale of their unit, which is the last axis. @param least what a unit's scale must be, at least */
export function wholeKernel(kernel: Float32Array, units: number, input: Quantisation | null, least?: Float32Array): { kernel: Float32Array; storage: WholeStorage } {
  const largest = new Float32Array(units);
  kernel.forEach((weight, at) => (largest[at % units] = Math.max(largest[at % units]!, Math.abs(weight))));
  const scales = largest.map((size, unit) => Math.max(size > 0 ? size / largestLevel : 1, least?.[unit] ?? 0));
  return { kernel: kernel.map((weight, at) => Math.round(weight / scales[at % units]!) * scales[at % units]!), storage: { type: 'int8', scales, input } };
}

type Range = [low: number, high: number];

function widen(range: Range, values: Float32Array): void {
  for (const value of values) {
    if (value < range[0]) range[0] = value;
    if (value > range[1]) range[1] = value;
  }
}

/** 0 is among the whole numbers: it is what padding adds, and what a relu leaves. */
export function quantisationOf([low, high]: Readonly<Range>): Quantisation {
  const scale = Math.fround((high - low) / 255) || 1;
  return { scale, zeroPoint: Math.min(255, Math.max(0, Math.round(-low / scale))) };
}

/** As many of the rows at most, drawn by a seed. */
export function sampleOf(rows: Int32Array, most: number, seed: number): Int32Array {
  if (rows.length <= most) return rows;
  return createRandom(seed, 0x0ca1).permutation(rows.length).subarray(0, most).map((place) => rows[place]!);
}
