import type { ConvolutionalSettings } from '@millrace/configuration';
import { pixelScaleOf, standardise } from '../augmentation.ts';
import { classWeightsOf } from '../class-weights.ts';
import { type ImageBatch, imageOutputs } from '../convolution-pass.ts';
import { type ConvolutionNetwork, initialConvolutions, planConvolutions, planOnBase, weightsOfConvolutions } from '../convolution-plan.ts';
import type { DescentState } from '../gradient-descent.ts';
import { decodeColumn, pixelsOf } from '../image-pixels.ts';
import { learnPictures } from '../learn-pictures.ts';
import { dataLoss } from '../network-pass.ts';
import type { FittedEstimator, FittedImage } from '../pipeline.ts';
import { fitTarget } from '../prepared-data.ts';
import type { ImageColumn, Table } from '../table.ts';
import { classScores, classesOf, type Family } from './family.ts';

type ConvolutionalEstimator = Extract<FittedEstimator, { family: 'convolutional' }>;

/** Pictures for one pass: bounds the memory that it takes. */
const rowsPerPass = 128;

/** Blocks of convolutions with the largest of each 2 × 2 between them, the mean of each filter over the picture, and one dense layer. */
export const convolutional: Family<ConvolutionalSettings, ConvolutionalEstimator> = {
  learnsFromValidation: false,
  parameters: ({ family: _family, base, ...own }, { trainer }) => ({ ...own, ...(base ? { base } : {}), ...trainer }),
  epochs: (_settings, { trainer }) => trainer.epochs,

  async fit({ data, spec, settings, model, seed, rows, validation, epochs: stopAfter, pacer, base, resume, onEpoch }) {
    const begun = performance.now() - (resume?.seconds ?? 0) * 1000;
    const elapsed = (): number => (performance.now() - begun) / 1000;
    const { name } = spec.inputFeatures[0]!;
    const size = settings.imageSize;
    const decoded = await decodeColumn(imageColumn(data.table, name), size, pacer);
    if (!decoded) return { type: 'cancelled' };
    if (decoded.type === 'failed') return decoded;
    const { pictures } = decoded;
    if (settings.base && !base) throw new Error('The base of a network for pictures was not handed over');
    const isColour = base ? base[0]!.inputs === 3 : settings.colour === 'colour' || (settings.colour === 'auto' && rows.some((row) => pictures.grey[row] === 0));
    const image: FittedImage = { name, width: size, height: size, channels: isColour ? 3 : 1 };
    const target = fitTarget(data, rows);
    const classes = classesOf(target);
    if (target.type === 'number') throw new Error('A convolutional network tells classes apart');

    const pixels = pixelsOf(pictures, rows, image);
    const scale = pixelScaleOf(pixels, image.channels);
    const held = standardise(pixelsOf(pictures, validation, image), scale);
    const truthOf = (of: Int32Array) => Int32Array.from(of, (row) => data.truth[row]!);
    const targets = truthOf(rows);
    const heldTargets = Float32Array.from(truthOf(validation));
    const classWeights = classWeightsOf(settings.classWeight, target.classes, Float64Array.from(targets));
    const plan = base ? planOnBase(base, classes) : planConvolutions(settings, image.channels, classes);
    const frozenEpochs = settings.base?.freezeEpochs ?? 0;
    const parts = weightsOfConvolutions(plan);
    const outcome = await learnPictures({
      trainer: spec.trainer, settings, plan, image, scale, pixels, targets, classWeights, seed, trial: model, pacer, stopAfter,
      batchNorm: settings.batchNorm && !base,
      initialWeights() {
        const fresh = initialConvolutions(plan, seed, model);
        return base ? [...base.flatMap(({ kernel, bias }) => [kernel.slice(), bias.slice()]), ...fresh.slice(-2)] : fresh;
      },
      // All but the head, which is new.
      frozen: (epoch) => (epoch <= frozenEpochs ? parts.map((_, index) => index < parts.length - 2) : []),
      validate: validation.length === 0 ? null : (network) => {
        const outputs = outputsOf(network, held, image);
        return { outputs, loss: dataLoss(outputs, heldTargets, classes, classWeights) };
      },
      resume: (resume?.state ?? null) as DescentState<ConvolutionNetwork> | null,
      onEpoch: (state, result, outputs) =>
        onEpoch({ epoch: state.epoch, seconds: elapsed(), state }, result, outputs ? { accuracy: accuracyOf(outputs, heldTargets, classes) } : {}),
    });
    if (outcome.type === 'cancelled') return outcome;
    if (outcome.type === 'diverged') {
      const { learningRate } = spec.trainer;
      return {
        type: 'failed',
        problem: {
          field: 'trainer.learningRate',
          message: `The loss of model ${model + 1} grew beyond all numbers in epoch ${outcome.epoch}.`,
          remedy: `Lower the learning rate (now ${learningRate}), for example to ${learningRate / 10}.`,
        },
      };
    }
    const { network, epochs, bestEpoch, history } = outcome;
    const pipeline = { features: [], image, target, estimator: { family: 'convolutional' as const, ...scale, ...network } };
    return { type: 'fitted', fit: { pipeline, seconds: elapsed(), epochs, bestEpoch, history } };
  },

  async score({ image, target, estimator }, table, rows, pacer) {
    if (!image) throw new Error('A convolutional network looks at a picture');
    const decoded = await decodeColumn(imageColumn(table, image.name), image.width, pacer);
    if (!decoded) return null;
    if (decoded.type === 'failed') throw new TypeError(decoded.problem.message);
    const classes = classesOf(target);
    const probabilities = new Float64Array(rows.length * classes);
    for (let start = 0; start < rows.length; start += rowsPerPass) {
      if (!(await pacer.mayContinue())) return null;
      const pixels = standardise(pixelsOf(decoded.pictures, rows.subarray(start, start + rowsPerPass), image), estimator);
      probabilities.set(outputsOf(estimator, pixels, image), start * classes);
    }
    return classScores(probabilities, rows.length, classes);
  },
};

function imageColumn({ pictures }: Table, name: string): ImageColumn {
  if (pictures?.name !== name) throw new Error(`The rows have no pictures "${name}"`);
  return pictures;
}

/** Probabilities [rows, classes] of standardised pictures. */
function outputsOf(network: ConvolutionNetwork, pixels: Float32Array, { width, height, channels }: FittedImage): Float32Array {
  const length = width * height * channels;
  const rows = pixels.length / length;
  const classes = network.head.bias.length;
  const outputs = new Float32Array(rows * classes);
  for (let start = 0; start < rows; start += rowsPerPass) {
    const end = Math.min(rows, start + rowsPerPass);
    const batch: Omit<ImageBatch, 'targets'> = { rows: end - start, height, width, channels, pixels: pixels.subarray(start * length, end * length) };
    outputs.set(imageOutputs(network, batch), start * classes);
  }
  return outputs;
}

function accuracyOf(outputs: Float32Array, truth: Float32Array, classes: number): number {
  const hits = truth.filter((own, row) => {
    const scores = outputs.subarray(row * classes, (row + 1) * classes);
    return scores.indexOf(Math.max(...scores)) === own;
  });
  return hits.length / truth.length;
}
