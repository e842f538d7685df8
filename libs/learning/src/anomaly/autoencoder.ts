import * as tf from '@tensorflow/tfjs';
import type { AnomalyModelSettings, TrainerSettings } from '@millrace/configuration';
import { type DenseState, type EpochResult, trainDense } from '../dense-network.ts';
import { type Examples, networkOutputs } from '../network-pass.ts';
import type { Pacer } from '../pacer.ts';
import { categoryCodes, type DenseLayer, encodedWidth, encodeRows, type FittedFeature } from '../pipeline.ts';
import { findColumn, type Table } from '../table.ts';
import { byInput } from './by-input.ts';
import type { AnomalyScores, FittedScorer } from './detector.ts';

type AutoencoderScorer = Extract<FittedScorer, { family: 'autoencoder' }>;
type AutoencoderSettings = Extract<AnomalyModelSettings, { family: 'autoencoder' }>;

export interface AutoencoderJob {
  table: Table;
  features: FittedFeature[];
  /** to learn from */
  rows: Int32Array;
  settings: AutoencoderSettings;
  trainer: TrainerSettings;
  seed: number;
  /** names the streams of random numbers */
  model: number;
  pacer: Pacer;
  resume: DenseState | null;
  onEpoch(state: DenseState, result: EpochResult): Promise<void>;
}

export type AutoencoderOutcome = { type: 'fitted'; scorer: AutoencoderScorer; epochs: number } | { type: 'diverged'; epoch: number } | { type: 'cancelled' };

/** What a row with usual errors is not divided below: a column that the network says without any error. */
const leastUsual = 1e-3;

/**
 * An autoencoder (Hinton & Salakhutdinov, Science 313, 2006) on dense layers: hidden layers, a code, the same layers in reverse,
 * and as many outputs as a row encodes to. It learns to give back the standardised numbers (squared error) and the value of each
 * category (cross-entropy of a softmax over its block). Units left out by chance, as in a denoising autoencoder (Vincent et al.
 * 2008), keep a long training from learning to copy. A gap in a number is filled for the input and not asked of the output.
 *
 * The error of a feature is divided by its mean over the training rows, so that a column nobody could predict does not drown
 * the others; the score is the mean of these: about 1 for a usual row.
 */
export async function fitAutoencoder(job: AutoencoderJob): Promise<AutoencoderOutcome> {
  const { table, features, rows, settings } = job;
  const width = encodedWidth(features);
  const code = settings.codeSize ?? Math.max(1, Math.floor(width / 2));
  const known = knownNumbers(features, table, rows);
  const numbers = features.filter(({ type }) => type === 'number').length;
  const train: Examples = {
    rows: rows.length,
    width,
    inputs: new Float32Array(encodeRows(features, table, rows)),
    // Which numbers are known travels with the rows as codes do: the network itself does not read it.
    codes: known,
    targets: new Float32Array(rows.length),
  };
  const outcome = await trainDense({
    settings: { hiddenLayers: [...settings.hiddenLayers, code, ...settings.hiddenLayers.toReversed()], activation: settings.activation, batchNorm: false, dropout: settings.dropout, residual: false, labelSmoothing: 0 },
    trainer: job.trainer,
    blocks: [{ type: 'cells', cells: width }],
    classes: 0,
    objective: { outputs: width, loss: (outputs, batch) => reconstructionLoss(features, outputs, batch, numbers) },
    classWeights: null,
    train,
    validation: null,
    seed: job.seed,
    trial: job.model,
    resume: job.resume,
    pacer: job.pacer,
    onEpoch: (state, result) => job.onEpoch(state, result),
  });
  if (outcome.type !== 'trained') return outcome;
  const columns = otherErrors(features, table, rows).map((otherError) => ({ usual: 1, otherError }));
  const errors = reconstructionErrors(outcome.layers, columns, features, table, rows);
  columns.forEach((column, place) => {
    let sum = 0;
    for (let row = 0; row < rows.length; row++) sum += errors[row * features.length + place]!;
    column.usual = Math.max(leastUsual, sum / rows.length);
  });
  return { type: 'fitted', scorer: { family: 'autoencoder', layers: outcome.layers, columns }, epochs: outcome.epochs };
}

/** Summed over rows and divided by the number of features, so that wide tables do not take longer steps. */
function reconstructionLoss(features: FittedFeature[], outputs: tf.Tensor2D, batch: Examples, numbers: number): tf.Scalar {
  const { rows, width } = batch;
  const inputs = tf.tensor2d(batch.inputs, [rows, width]);
  const known = numbers > 0 ? tf.tensor2d(Float32Array.from(batch.codes), [rows, numbers]) : null;
  let [cell, number] = [0, 0];
  const parts = runsOf(features).map(({ type, cells }): tf.Scalar => {
    const [said, truth] = [outputs, inputs].map((values) => tf.slice(values, [0, cell], [rows, cells])) as [tf.Tensor2D, tf.Tensor2D];
    cell += cells;
    if (type === 'category') return tf.neg(tf.sum(tf.mul(truth, tf.logSoftmax(said))));
    number += cells;
    return tf.sum(tf.mul(tf.square(tf.sub(said, truth)), tf.slice(known!, [0, number - cells], [rows, cells])));
  });
  return tf.div(tf.addN(parts), features.length);
}

/** The cells of an encoded row by what they are said as: neighbouring numbers together, each category by itself. */
function runsOf(features: FittedFeature[]): { type: 'number' | 'category'; cells: number }[] {
  const runs: { type: 'number' | 'category'; cells: number }[] = [];
  for (const feature of features) {
    const last = runs.at(-1);
    if (feature.type !== 'number') runs.push({ type: 'category', cells: feature.categories.length });
    else if (last?.type === 'number') last.cells += 1;
    else runs.push({ type: 'number', cells: 1 });
  }
  return runs;
}

/** [rows, number features]: 1 where there is a value. */
function knownNumbers(features: FittedFeature[], table: Table, rows: Int32Array): Int32Array {
  const columns = features.flatMap(({ name, type }) => (type === 'number' ? [findColumn(table, name)!.values as Float64Array] : []));
  const known = new Int32Array(rows.length * columns.length);
  columns.forEach((values, place) => rows.forEach((row, at) => (known[at * columns.length + place] = Number(!Number.isNaN(values[row]!)))));
  return known;
}

/** Of a category without a value of its own: the surprise, -log share, of the training rows that had none, counted once more. */
function otherErrors(features: FittedFeature[], table: Table, rows: Int32Array): number[] {
  return features.map((feature) => {
    if (feature.type === 'number') return 0;
    const without = categoryCodes(feature, table, rows).filter((code) => code === feature.categories.length).length;
    return Math.log((rows.length + 1) / (without + 1));
  });
}

/** The smallest normal float32: a probability that underflowed to 0 must not make an error infinite. */
const leastProbability = 1.17549435e-38;

/** [rows, features]: squared error, or -log of the probability given to the row's own value. */
function reconstructionErrors(layers: DenseLayer[], columns: { otherError: number }[], features: FittedFeature[], table: Table, rows: Int32Array): Float64Array {
  const width = encodedWidth(features);
  const encoded = encodeRows(features, table, rows);
  const outputs = networkOutputs(layers, new Float32Array(encoded), rows.length);
  const errors = new Float64Array(rows.length * features.length);
  let cell = 0;
  features.forEach((feature, place) => {
    const first = cell;
    cell += encodedWidth([feature]);
    if (feature.type === 'number') {
      const values = findColumn(table, feature.name)!.values as Float64Array;
      rows.forEach((row, at) => {
        const error = Math.fround(encoded[at * width + first]!) - outputs[at * width + first]!;
        errors[at * features.length + place] = Number.isNaN(values[row]!) ? 0 : error * error;
      });
      return;
    }
    categoryCodes(feature, table, rows).forEach((code, at) => {
      const block = outputs.subarray(at * width + first, at * width + cell);
      errors[at * features.length + place] = code < block.length ? -Math.log(Math.max(leastProbability, softmaxAt(block, code))) : columns[place]!.otherError;
    });
  });
  return errors;
}

function softmaxAt(logits: Float32Array, place: number): number {
  const highest = logits.reduce((most, value) => Math.max(most, value), -Infinity);
  const sum = logits.reduce((total, value) => total + Math.exp(value - highest), 0);
  return Math.exp(logits[place]! - highest) / sum;
}

const rowsPerChunk = 4096;

export async function scoreByAutoencoder({ layers, columns }: AutoencoderScorer, features: FittedFeature[], table: Table, rows: Int32Array, pacer: Pacer): Promise<AnomalyScores | null> {
  const width = features.length;
  const contributions = new Float64Array(rows.length * width);
  for (let start = 0; start < rows.length; start += rowsPerChunk) {
    if (!(await pacer.mayContinue())) return null;
    const errors = reconstructionErrors(layers, columns, features, table, rows.subarray(start, start + rowsPerChunk));
    contributions.set(errors.map((error, at) => error / (columns[at % width]!.usual * width)), start * width);
  }
  const scores = Float64Array.from(rows, (_, at) => contributions.subarray(at * width, (at + 1) * width).reduce((sum, value) => sum + value, 0));
  return { scores, contributions: byInput(contributions, features, 'sum') };
}
