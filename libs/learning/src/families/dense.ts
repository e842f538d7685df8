import type { DenseSettings } from '@millrace/configuration';
import { type DenseState, type Examples, networkOutputs, trainDense } from '../dense-network.ts';
import { encodeRows, encodedWidth, fitFeatures, type FittedEstimator, type FittedFeature, type FittedTarget } from '../pipeline.ts';
import { fitTarget, type PreparedData } from '../prepared-data.ts';
import { classesOf, classScores, type Family } from './family.ts';

type DenseEstimator = Extract<FittedEstimator, { family: 'dense' }>;

export const dense: Family<DenseSettings, DenseEstimator> = {
  learnsFromValidation: false,
  parameters: ({ family: _family, ...own }, { trainer }) => ({ ...own, ...trainer }),
  epochs: (_settings, { trainer }) => trainer.epochs,

  async fit({ data, spec, settings, model, seed, rows, validation, pacer, resume, onEpoch }) {
    const { trainer } = spec;
    const begun = performance.now() - (resume?.seconds ?? 0) * 1000;
    const elapsed = (): number => (performance.now() - begun) / 1000;
    const fitted = fitFeatures(data.table, spec.inputFeatures, rows);
    if (fitted.type === 'invalid') return { type: 'failed', problem: fitted.problems[0]! };
    const target = fitTarget(data, rows);
    const validationTruth = Float64Array.from(validation, (row) => data.truth[row]!);
    const outcome = await trainDense({
      settings,
      trainer,
      classes: classesOf(target),
      train: examplesOf(data, fitted.features, target, rows),
      validation: validation.length > 0 ? examplesOf(data, fitted.features, target, validation) : null,
      seed,
      trial: model,
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
          message: `The loss of model ${model + 1} (dense network) grew beyond all numbers in epoch ${outcome.epoch}.`,
          remedy: `Lower the learning rate (now ${trainer.learningRate}), for example to ${trainer.learningRate / 10}.`,
        },
      };
    }
    const { layers, epochs, bestEpoch, history } = outcome;
    const pipeline = { features: fitted.features, target, estimator: { family: 'dense' as const, layers } };
    return { type: 'fitted', fit: { pipeline, seconds: elapsed(), epochs, bestEpoch, history } };
  },

  async score({ features, target, estimator }, table, rows) {
    const outputs = networkOutputs(estimator.layers, new Float32Array(encodeRows(features, table, rows)), rows.length);
    if (target.type === 'number') {
      return { type: 'values', predicted: Float64Array.from(outputs, (value) => value * target.scale + target.mean) };
    }
    return classScores(new Float64Array(outputs), rows.length, target.classes.length);
  },
};

function examplesOf(data: PreparedData, features: FittedFeature[], target: FittedTarget, rows: Int32Array): Examples {
  return {
    rows: rows.length,
    width: encodedWidth(features),
    inputs: new Float32Array(encodeRows(features, data.table, rows)),
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
