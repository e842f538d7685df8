import * as tf from '@tensorflow/tfjs';
import { completeSettings, type DenseSettings, type OptimisationStep } from '@millrace/configuration';
import { trainDense } from '../dense-network.ts';
import { blocksOf, examplesOf } from '../families/dense.ts';
import { scoreRows } from '../families/families.ts';
import type { Examples } from '../network-pass.ts';
import { fitFeatures, type FittedFeature, type FittedPipeline, type FittedTarget } from '../pipeline.ts';
import type { Scores } from '../predict.ts';
import { fitTarget, type PreparedData } from '../prepared-data.ts';
import { createRandom } from '../random.ts';
import { type ColumnData, findColumn } from '../table.ts';
import { madeUpRows } from './made-up-rows.ts';
import type { OptimisationWork, StepOutcome } from './work.ts';

type DistilStep = Extract<OptimisationStep, { method: 'distil' }>;

/** Made-up rows, as many as there are real ones, at most. */
const mostMadeUp = 20_000;
const smallestProbability = 1e-7;

/**
 * A dense network that learns what a model answers (Hinton et al. 2015): its probabilities, softened by a temperature T, with weight
 * `teacherShare` · T², beside the truth; of numbers the mean of both. It also sees rows that are put together of real ones, for which
 * only the teacher has an answer (after Buciluǎ et al. 2006): on rows that it has learned by heart, a teacher says little.
 */
export async function distil(teacher: FittedPipeline, { units, temperature, teacherShare }: DistilStep, work: OptimisationWork): Promise<StepOutcome> {
  const { spec, rows, seed, pacer } = work;
  const fitted = fitFeatures(work.data.table, spec.inputFeatures, rows);
  if (fitted.type === 'invalid') return { type: 'failed', problem: fitted.problems[0]! };
  const { features } = fitted;
  const { data, real } = withMadeUpRows(work, features);
  const all = Int32Array.from({ length: data.table.rows }, (_, row) => row);
  const answers = await scoreRows(teacher, data.table, all, pacer);
  if (!answers) return { type: 'cancelled' };
  const target = targetOf(teacher, work);
  const settings = { ...(completeSettings({ family: 'dense' }) as DenseSettings), hiddenLayers: units };
  const embedded = features.filter((feature) => feature.type !== 'number' && feature.categories.length > settings.embedAbove);
  const examples = examplesOf(data, features, embedded, target, all);
  const classes = target.type === 'number' ? 0 : target.classes.length;
  // Of classes a row's number takes the place of its target: what it is to learn is looked up.
  const targets = target.type === 'number' ? blended(examples, answers, target, real, teacherShare) : Float32Array.from(all);
  const outcome = await trainDense({
    settings, trainer: { ...spec.trainer, earlyStop: null }, blocks: blocksOf(features, embedded), classes, classWeights: null,
    train: { ...examples, targets },
    objective: answers.type === 'classes' ? { outputs: classes, loss: softLoss(answers.probabilities, examples.targets, classes, { temperature, teacherShare, real }) } : undefined,
    validation: null, seed, trial: 0, resume: null, pacer,
    onEpoch: async () => undefined,
  });
  if (outcome.type === 'cancelled') return outcome;
  if (outcome.type === 'diverged') {
    const problem = { field: 'trainer.learningRate', message: 'The loss of the smaller network grew beyond all numbers.', remedy: `Train the base with a lower learning rate than ${spec.trainer.learningRate}.` };
    return { type: 'failed', problem };
  }
  return { type: 'made', pipeline: { features, target, estimator: { family: 'dense', layers: outcome.layers } } };
}

/** The student's own scale; the threshold of the teacher, whose corrected probabilities it learns. */
function targetOf({ target }: FittedPipeline, { data, rows }: OptimisationWork): FittedTarget {
  if (target.type === 'number') return { ...fitTarget(data, rows), ...(target.interval ? { interval: target.interval } : {}) } as FittedTarget;
  const { calibration: _calibration, ...rest } = target;
  return rest;
}

function blended({ targets }: Examples, answers: Scores, { mean, scale }: Extract<FittedTarget, { type: 'number' }>, real: number, teacherShare: number): Float32Array {
  return targets.map((truth, row) => {
    const answer = (answers.predicted[row]! - mean) / scale;
    return row < real ? teacherShare * answer + (1 - teacherShare) * truth : answer;
  });
}

function softLoss(probabilities: Float64Array, truth: Float32Array, classes: number, { temperature, teacherShare, real }: { temperature: number; teacherShare: number; real: number }) {
  const softened = Float32Array.from(probabilities, (p) => Math.max(p, smallestProbability) ** (1 / temperature));
  for (let from = 0; from < softened.length; from += classes) {
    const own = softened.subarray(from, from + classes);
    const sum = own.reduce((total, value) => total + value, 0);
    own.forEach((value, at) => (own[at] = value / sum));
  }
  return (logits: tf.Tensor2D, { rows, targets }: Examples): tf.Scalar => {
    const [soft, hard] = [new Float32Array(rows * classes), new Float32Array(rows * classes)];
    targets.forEach((row, at) => {
      const share = row < real ? teacherShare : 1;
      for (let index = 0; index < classes; index++) soft[at * classes + index] = share * temperature ** 2 * softened[row * classes + index]!;
      if (row < real) hard[at * classes + truth[row]!] = 1 - teacherShare;
    });
    const entropy = (wanted: Float32Array, of: tf.Tensor2D) => tf.neg(tf.sum(tf.mul(tf.tensor2d(wanted, [rows, classes]), tf.logSoftmax(of))));
    return tf.add(entropy(soft, tf.div(logits, temperature)), entropy(hard, logits)) as tf.Scalar;
  };
}

/** The rows to learn from, and after these the made-up ones. */
function withMadeUpRows({ data, rows, seed }: OptimisationWork, features: FittedFeature[]): { data: PreparedData; real: number } {
  const real = rows.length;
  const sources = features.map(({ name }) => {
    const column = findColumn(data.table, name);
    if (!column) throw new Error(`The rows have no column "${name}"`);
    return column;
  });
  const madeUp = madeUpRows(sources, rows, Math.min(mostMadeUp, real), createRandom(seed, 0xd157));
  const count = real + madeUp.rows;
  const columns = sources.map((column, index): ColumnData => {
    const { values } = madeUp.columns[index]!;
    const at = <Value>(own: ArrayLike<Value>, added: ArrayLike<Value>, place: number): Value => (place < real ? own[rows[place]!]! : added[place - real]!);
    if (column.type === 'number') return { ...column, values: Float64Array.from({ length: count }, (_, place) => at(column.values, values as Float64Array, place)) };
    return { ...column, values: Array.from({ length: count }, (_, place) => at(column.values, values as (string | null)[], place)) };
  });
  const truth = Float64Array.from({ length: count }, (_, at) => (at < real ? data.truth[rows[at]!]! : 0));
  return { data: { ...data, table: { rows: count, columns }, truth }, real };
}
