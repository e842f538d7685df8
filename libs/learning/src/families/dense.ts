import type { DenseSettings, TrainerSettings } from '@millrace/configuration';
import { classWeightsOf } from '../class-weights.ts';
import { type DenseState, trainDense } from '../dense-network.ts';
import { type Examples, networkOutputs } from '../network-pass.ts';
import { embeddingSize, type InputBlock } from '../network-plan.ts';
import {
  categoryCodes, type DenseLayer, encodeRows, encodedWidth, fitFeatures, type FittedEstimator, type FittedFeature, type FittedTarget,
} from '../pipeline.ts';
import { fitTarget, type PreparedData } from '../prepared-data.ts';
import { classScores, type Family, type FitJob, type FitOutcome } from './family.ts';

type DenseEstimator = Extract<FittedEstimator, { family: 'dense' }>;

export const dense: Family<DenseSettings, DenseEstimator> = {
  learnsFromValidation: false,
  parameters: ({ family: _family, ...own }, { trainer }) => ({ ...own, ...trainer }),
  epochs: (_settings, { trainer }) => trainer.epochs,
  search: {
    space: ({ rows }) => ({
      settings: {
        hiddenLayers: { type: 'choice', of: [[32], [64, 32], [128], [128, 64], [256, 128], [64, 64, 64]] },
        activation: { type: 'choice', of: ['relu', 'elu', 'tanh'] },
        dropout: { type: 'choice', of: [0, 0, 0.1, 0.3] },
      },
      trainer: {
        learningRate: { type: 'logUniform', low: 0.0005, high: 0.02 },
        batchSize: { type: 'choice', of: batchSizesFor(rows) },
        epochs: { type: 'choice', of: [epochsFor(rows).epochs] },
        patience: { type: 'choice', of: [epochsFor(rows).patience] },
        l2: { type: 'logUniform', low: 1e-6, high: 3e-3 },
      },
    }),
    portfolio: ({ rows }) => {
      const [small, large] = [batchSizesFor(rows)[0]!, batchSizesFor(rows)[1]!];
      const trainer = epochsFor(rows);
      return [
        { order: 7, point: { settings: { hiddenLayers: [128, 64] }, trainer: { ...trainer, learningRate: 0.005, batchSize: large, l2: 1e-4 } } },
        { order: 9, point: { settings: { hiddenLayers: [128, 64], dropout: 0.1 }, trainer: { ...trainer, learningRate: 0.003, batchSize: small, l2: 1e-5 } } },
        { order: 10, point: { settings: { hiddenLayers: [64, 32], activation: 'elu' }, trainer: { ...trainer, learningRate: 0.003, batchSize: small, l2: 1e-4 } } },
      ];
    },
  },

  async fit(job) {
    const { data, spec, rows } = job;
    const fitted = fitFeatures(data.table, spec.inputFeatures, rows);
    if (fitted.type === 'invalid') return { type: 'failed', problem: fitted.problems[0]! };
    const target = fitTarget(data, rows);
    return fitByDescent(job, fitted.features, target, job.settings, spec.trainer, (layers) => ({ family: 'dense', layers }));
  },

  async score({ features, target, estimator }, table, rows) {
    const outputs = networkOutputs(estimator.layers, new Float32Array(encodeRows(features, table, rows)), rows.length);
    if (target.type === 'number') {
      return { type: 'values', predicted: Float64Array.from(outputs, (value) => value * target.scale + target.mean) };
    }
    return classScores(new Float64Array(outputs), rows.length, target.classes.length);
  },
};

/**
 * The schedule lowers the learning rate to the end, so none stops before it; the held-out rows say which epoch's weights are
 * kept. An epoch of few rows changes little, so there are more of them.
 */
function epochsFor(rows: number): { epochs: number; patience: number } {
  const epochs = rows < 1_000 ? 120 : rows < 5_000 ? 80 : 40;
  return { epochs, patience: epochs };
}

/** Sizes that make some tens of gradient steps an epoch: fewer learn too little, more only take time. */
function batchSizesFor(rows: number): number[] {
  const size = 2 ** Math.round(Math.log2(Math.min(512, Math.max(32, rows / 25))));
  return [size, size * 2];
}

/** Trains a network on encoded rows; `estimatorOf` says what its layers are. */
export async function fitByDescent(
  { data, model, seed, rows, validation, epochs: stopAfter, pacer, resume, onEpoch }: FitJob,
  features: FittedFeature[],
  target: FittedTarget,
  settings: Omit<DenseSettings, 'family'>,
  trainer: TrainerSettings,
  estimatorOf: (layers: DenseLayer[]) => FittedEstimator,
): Promise<FitOutcome> {
  const begun = performance.now() - (resume?.seconds ?? 0) * 1000;
  const elapsed = (): number => (performance.now() - begun) / 1000;
  const validationTruth = Float64Array.from(validation, (row) => data.truth[row]!);
  const embedded = features.filter((feature) => feature.type !== 'number' && feature.categories.length > settings.embedAbove);
  const classes = target.type === 'number' ? [] : target.classes;
  const outcome = await trainDense({
    settings,
    trainer,
    blocks: blocksOf(features, embedded),
    classes: classes.length,
    classWeights: classWeightsOf(settings.classWeight, classes, Float64Array.from(rows, (row) => data.truth[row]!)),
    train: examplesOf(data, features, embedded, target, rows),
    // All cells, as the finished network takes them.
    validation: validation.length > 0 ? examplesOf(data, features, [], target, validation) : null,
    seed,
    trial: model,
    stopAfter,
    resume: (resume?.state ?? null) as DenseState | null,
    pacer,
    onEpoch: (state, result, outputs) =>
      onEpoch({ epoch: state.epoch, seconds: elapsed(), state }, result, outputs ? quickMetrics(outputs, validationTruth, target) : {}),
  });
  if (outcome.type === 'cancelled') return outcome;
  if (outcome.type === 'diverged') {
    return {
      type: 'failed',
      problem: {
        field: 'trainer.learningRate',
        message: `The loss of model ${model + 1} grew beyond all numbers in epoch ${outcome.epoch}.`,
        remedy: `Lower the learning rate (now ${trainer.learningRate}), for example to ${trainer.learningRate / 10}.`,
      },
    };
  }
  const { layers, epochs, bestEpoch, history } = outcome;
  const pipeline = { features, target, estimator: estimatorOf(layers) };
  return { type: 'fitted', fit: { pipeline, seconds: elapsed(), epochs, bestEpoch, history } };
}

/** Neighbouring features that go in as they are make one block. */
export function blocksOf(features: FittedFeature[], embedded: FittedFeature[]): InputBlock[] {
  const blocks: InputBlock[] = [];
  for (const feature of features) {
    const cells = encodedWidth([feature]);
    const last = blocks.at(-1);
    if (embedded.includes(feature)) blocks.push({ type: 'embedding', cells, size: embeddingSize(cells) });
    else if (last?.type === 'cells') last.cells += cells;
    else blocks.push({ type: 'cells', cells });
  }
  return blocks;
}

/** Rows as a network takes them: all cells, but for the categories that are embedded. */
export function examplesOf(data: PreparedData, features: FittedFeature[], embedded: FittedFeature[], target: FittedTarget, rows: Int32Array): Examples {
  const plain = features.filter((feature) => !embedded.includes(feature));
  const codes = new Int32Array(rows.length * embedded.length);
  embedded.forEach((feature, index) => {
    if (feature.type === 'number') return;
    categoryCodes(feature, data.table, rows).forEach((code, at) => (codes[at * embedded.length + index] = code));
  });
  return {
    rows: rows.length,
    width: encodedWidth(plain),
    inputs: new Float32Array(encodeRows(plain, data.table, rows)),
    codes,
    targets: Float32Array.from(rows, (row) =>
      target.type === 'number' ? (data.truth[row]! - target.mean) / target.scale : data.truth[row]!,
    ),
  };
}

function quickMetrics(outputs: Float32Array, truth: Float64Array, target: FittedTarget): Record<string, number> {
  if (target.type === 'number') {
    const squares = truth.reduce((sum, value, row) => sum + (outputs[row]! * target.scale + target.mean - value) ** 2, 0);
    return { rmse: Math.sqrt(squares / truth.length) };
  }
  const width = target.classes.length;
  const hits = truth.filter((index, row) => {
    const own = outputs.subarray(row * width, (row + 1) * width);
    return own.indexOf(Math.max(...own)) === index;
  });
  return { accuracy: hits.length / truth.length };
}
