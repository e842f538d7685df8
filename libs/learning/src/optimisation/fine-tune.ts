import { completeSettings, type ConvolutionalSettings, type DenseSettings, type TrainerSettings, type TrainingSpec } from '@millrace/configuration';
import { classWeightsOf } from '../class-weights.ts';
import { planOnBase } from '../convolution-plan.ts';
import { trainDense } from '../dense-network.ts';
import { examplesOf } from '../families/dense.ts';
import { classesOf } from '../families/family.ts';
import type { DescentOutcome } from '../gradient-descent.ts';
import { decodeColumn, pixelsOf } from '../image-pixels.ts';
import { learnPictures } from '../learn-pictures.ts';
import { planOnLayers } from '../network-plan.ts';
import type { Network, OptimisationWork, PipelineOf, StepOutcome } from './work.ts';

/** Told of the weights after each step of gradient descent: kernel and bias of each layer, then of the head of a network for pictures. */
export type Constraint = (weights: Float32Array[], progress: number) => void;

/** Of the epochs of the training, which were made for learning from nothing. */
const mostEpochs = 100;

/** Lets a trained network learn on from the rows it was trained on, held to a constraint. */
export function fineTune(pipeline: Network, work: OptimisationWork, constrain?: Constraint): Promise<StepOutcome> {
  return pipeline.estimator.family === 'dense' ? tuneDense(pipeline as PipelineOf<'dense'>, work, constrain) : tuneConvolutions(pipeline as PipelineOf<'convolutional'>, work, constrain);
}

/** As the base was trained, once more, without what an unfinished network needs. */
function tuningTrainer({ trainer }: TrainingSpec): TrainerSettings {
  return { ...trainer, epochs: Math.min(mostEpochs, trainer.epochs), schedule: { ...trainer.schedule, kind: 'cosine', warmUpEpochs: 0 }, averaging: 0, earlyStop: null };
}

async function tuneDense(pipeline: PipelineOf<'dense'>, work: OptimisationWork, constrain?: Constraint): Promise<StepOutcome> {
  const { data, spec, rows, seed, pacer } = work;
  const { features, target, estimator: { layers } } = pipeline;
  const settings = spec.models.find((model): model is DenseSettings => model.family === 'dense') ?? (completeSettings({ family: 'dense' }) as DenseSettings);
  const classes = target.type === 'number' ? [] : target.classes;
  const outcome = await trainDense({
    settings, trainer: tuningTrainer(spec), start: layers, constrain, blocks: planOnLayers(layers).blocks,
    classes: classes.length,
    classWeights: classWeightsOf(settings.classWeight, classes, Float64Array.from(rows, (row) => data.truth[row]!)),
    train: examplesOf(data, features, [], target, rows),
    validation: null, seed, trial: 0, resume: null, pacer,
    onEpoch: async () => undefined,
  });
  return outcome.type === 'trained' ? { type: 'made', pipeline: { ...pipeline, estimator: { family: 'dense', layers: outcome.layers } } } : failure(outcome, spec);
}

async function tuneConvolutions(pipeline: PipelineOf<'convolutional'>, work: OptimisationWork, constrain?: Constraint): Promise<StepOutcome> {
  const { data, spec, rows, seed, pacer } = work;
  const { image, target, estimator: { mean, scale, layers, head } } = pipeline;
  const settings = spec.models.find((model): model is ConvolutionalSettings => model.family === 'convolutional') ?? (completeSettings({ family: 'convolutional' }) as ConvolutionalSettings);
  const { pictures: column } = data.table;
  if (!image || !column || target.type === 'number') throw new Error('A convolutional network tells the classes of pictures apart');
  const decoded = await decodeColumn(column, image.width, pacer);
  if (decoded?.type !== 'decoded') return decoded ?? { type: 'cancelled' };
  const targets = Int32Array.from(rows, (row) => data.truth[row]!);
  const outcome = await learnPictures({
    settings, trainer: tuningTrainer(spec), plan: planOnBase(layers, classesOf(target)), image, scale: { mean, scale }, constrain,
    pixels: pixelsOf(decoded.pictures, rows, image), targets,
    classWeights: classWeightsOf(settings.classWeight, target.classes, Float64Array.from(targets)),
    batchNorm: false,
    initialWeights: () => [...layers, head].flatMap(({ kernel, bias }) => [kernel.slice(), bias.slice()]),
    validate: null, seed, trial: 0, resume: null, pacer,
    onEpoch: async () => undefined,
  });
  return outcome.type === 'trained' ? { type: 'made', pipeline: { ...pipeline, estimator: { family: 'convolutional', mean, scale, ...outcome.network } } } : failure(outcome, spec);
}

function failure(outcome: Exclude<DescentOutcome<unknown>, { type: 'trained' }>, { trainer }: TrainingSpec): StepOutcome {
  if (outcome.type === 'cancelled') return outcome;
  return {
    type: 'failed',
    problem: { field: 'steps', message: `While it learned on, the loss grew beyond all numbers in epoch ${outcome.epoch}.`, remedy: `Train the base with a lower learning rate than ${trainer.learningRate}, or prune less.` },
  };
}
