import type { DenseSettings, LinearSettings, TrainerSettings } from '@millrace/configuration';
import { classWeightsOf } from '../class-weights.ts';
import { fitLinear, linearOutputs, type LinearProblem, type LinearWeights, softmaxRows, solverFor } from '../linear-model.ts';
import { type DenseLayer, encodeRows, encodedWidth, fitFeatures, type FittedEstimator, type FittedTarget } from '../pipeline.ts';
import { fitTarget } from '../prepared-data.ts';
import { fitByDescent } from './dense.ts';
import { classesOf, classScores, type Family } from './family.ts';

type LinearEstimator = Extract<FittedEstimator, { family: 'linear' }>;

export const linear: Family<LinearSettings, LinearEstimator> = {
  learnsFromValidation: ({ solver }) => solver !== 'gradient_descent',
  parameters({ family: _family, ...own }, { trainer }) {
    if (own.solver !== 'gradient_descent') return own;
    const { regularization: _penalties, ...others } = trainer;
    return { ...own, ...others };
  },
  epochs: ({ solver }, { trainer }) => (solver === 'gradient_descent' ? trainer.epochs : 0),
  search: {
    space: () => ({ settings: { l2: { type: 'logUniform', low: 0.001, high: 1000 } } }),
    portfolio: () => [
      { order: 2, point: { settings: { l2: 1 } } },
      { order: 8, point: { settings: { l2: 0.03 } } },
    ],
  },

  async fit(job) {
    const { data, spec, settings, rows, pacer } = job;
    const { solver, l1, l2 } = settings;
    const begun = performance.now();
    const fitted = fitFeatures(data.table, spec.inputFeatures, rows, settings.scaling);
    if (fitted.type === 'invalid') return { type: 'failed', problem: fitted.problems[0]! };
    const { features } = fitted;
    const target = fitTarget(data, rows);
    const width = encodedWidth(features);
    const estimatorOf = (weights: LinearWeights): LinearEstimator => ({ family: 'linear', width, ...inUnitOf(target, weights) });

    if (solver === 'gradient_descent') {
      const regularization = meanPenalties(settings, rows.length, classesOf(target));
      const network = { ...withoutLayers, classWeight: settings.classWeight };
      return fitByDescent(job, features, target, network, { ...spec.trainer, regularization }, ([layer]) => estimatorOf(weightsOf(layer!)));
    }
    const targets = Float64Array.from(rows, (row) => (target.type === 'number' ? (data.truth[row]! - target.mean) / target.scale : data.truth[row]!));
    const problem: LinearProblem = {
      rows: rows.length,
      width,
      inputs: encodeRows(features, data.table, rows),
      targets,
      classes: classesOf(target),
      classWeights: classWeightsOf(settings.classWeight, target.type === 'number' ? [] : target.classes, targets),
      l1,
      l2,
    };
    const weights = await fitLinear(problem, solver === 'auto' ? solverFor(problem) : solver, pacer);
    if (!weights) return { type: 'cancelled' };
    const pipeline = { features, target, estimator: estimatorOf(weights) };
    return { type: 'fitted', fit: { pipeline, seconds: (performance.now() - begun) / 1000, epochs: 0, bestEpoch: 0, history: [] } };
  },

  async score({ features, target, estimator }, table, rows) {
    const outputs = linearOutputs(estimator, encodeRows(features, table, rows), rows.length, estimator.width);
    if (target.type === 'number') return { type: 'values', predicted: outputs };
    const classes = target.classes.length;
    return classScores(softmaxRows(outputs, rows.length, classes), rows.length, classes);
  },
};

/** The network that is a linear model. */
const withoutLayers = {
  hiddenLayers: [], activation: 'relu', batchNorm: false, dropout: 0, residual: false, embedAbove: Infinity, labelSmoothing: 0,
} as const satisfies Partial<DenseSettings> & { hiddenLayers: [] };

/** A regression learns the standardised target. */
export function inUnitOf(target: FittedTarget, { kernel, bias }: LinearWeights): LinearWeights {
  if (target.type !== 'number') return { kernel, bias };
  return { kernel: kernel.map((weight) => weight * target.scale), bias: bias.map((value) => value * target.scale + target.mean) };
}

/** A network's loss is the mean over the rows, without the half of a squared error, and it gives two classes two columns. */
function meanPenalties({ l1, l2 }: LinearSettings, rows: number, classes: number): TrainerSettings['regularization'] {
  if (classes === 0) return { l1: (2 * l1) / rows, l2: l2 / rows };
  return { l1: l1 / rows, l2: classes === 2 ? l2 / rows : l2 / (2 * rows) };
}

/** Of two classes only the difference of their logits counts. */
function weightsOf({ kernel, bias, units }: DenseLayer): LinearWeights {
  const lessFirst = (values: Float32Array) =>
    Float64Array.from(values, (value, at) => (units === 2 ? value - values[at - (at % 2)]! : value));
  return { kernel: lessFirst(kernel), bias: lessFirst(bias) };
}
