import type { BoostedTreesSettings } from '@millrace/configuration';
import { boost, type BoostingState } from '../trees/boost.ts';
import { absoluteLoss, type BoostingLoss, type BoostingTargets, logisticLoss, softmaxLoss, squaredLoss } from '../trees/boosting-loss.ts';
import { prepareTreeData, rowsInLeaf, scoreByTrees } from '../trees/tree-data.ts';
import type { TreeEnsemble } from '../pipeline.ts';
import { classesOf, type Family } from './family.ts';

export const boostedTrees: Family<BoostedTreesSettings, TreeEnsemble<'boosted_trees'>> = {
  learnsFromValidation: true,
  parameters: ({ family: _family, ...own }) => own,
  epochs: ({ numIterations }) => numIterations,
  search: {
    stopsByHeldOut: ({ family, ...settings }) => family === 'boosted_trees' && 'earlyStoppingRounds' in settings && settings.earlyStoppingRounds > 0,
    space: ({ rows }) => ({
      settings: {
        numIterations: { type: 'choice', of: [1000] },
        earlyStoppingRounds: { type: 'choice', of: [40] },
        learningRate: { type: 'logUniform', low: 0.02, high: 0.25 },
        numLeaves: { type: 'logInteger', low: 4, high: 128 },
        minDataInLeaf: { type: 'logInteger', low: 2, high: Math.max(3, Math.min(100, Math.floor(rows / 20))) },
        featureFraction: { type: 'uniform', low: 0.4, high: 1 },
        baggingFraction: { type: 'uniform', low: 0.5, high: 1 },
        lambdaL2: { type: 'logUniform', low: 0.001, high: 30 },
      },
    }),
    portfolio: ({ rows }) => {
      const minDataInLeaf = Math.max(2, Math.min(20, Math.floor(rows / 40)));
      const stop = { numIterations: 1000, earlyStoppingRounds: 40 };
      return [
        { order: 4, point: { settings: { ...stop, learningRate: 0.1, minDataInLeaf } } },
        { order: 6, point: { settings: { ...stop, learningRate: 0.05, numLeaves: 15, minDataInLeaf: 5, featureFraction: 0.7, baggingFraction: 0.8 } } },
        { order: 8, point: { settings: { ...stop, learningRate: 0.04, numLeaves: 48, minDataInLeaf: 3, featureFraction: 0.5, baggingFraction: 0.8, lambdaL2: 1 } } },
      ];
    },
  },

  async fit({ data, spec, settings, model, seed, rows, validation, epochs, pacer, resume, onEpoch }) {
    const begun = performance.now() - (resume?.seconds ?? 0) * 1000;
    const elapsed = (): number => (performance.now() - begun) / 1000;
    const prepared = await prepareTreeData(data, spec, settings, rows, validation, pacer);
    if (prepared.type !== 'ready') return prepared;
    const { features, target, columns, codes, values, weights, monotone } = prepared.data;
    const loss = lossFor(settings, classesOf(target), { values, weights, training: rows.length });
    const outcome = await boost({
      columns, training: rows.length, heldBack: validation.length, loss, monotone, seed, model, pacer,
      settings: { ...settings, maxDepth: settings.maxDepth ?? Infinity, minDataInLeaf: rowsInLeaf(settings.minDataInLeaf, rows.length) },
      iterations: settings.earlyStoppingRounds > 0 ? (epochs ?? settings.numIterations) : settings.numIterations,
      patience: settings.earlyStoppingRounds,
      resume: (resume?.state ?? null) as BoostingState | null,
      onIteration: (state, result) =>
        onEpoch({ epoch: state.iteration, seconds: elapsed(), state }, result, quickMetrics(state, values, rows.length, target.type === 'number' ? target.scale : null)),
    });
    if (outcome.type === 'cancelled') return outcome;
    const { trees, iterations, bestIteration, history } = outcome;
    const estimator: TreeEnsemble<'boosted_trees'> = { family: 'boosted_trees', outputs: loss.outputs, trees, codes };
    return {
      type: 'fitted',
      fit: { pipeline: { features, target, estimator }, seconds: elapsed(), epochs: iterations, bestEpoch: bestIteration, history },
    };
  },

  score: scoreByTrees,
};

function lossFor(settings: BoostedTreesSettings, classes: number, targets: BoostingTargets): BoostingLoss {
  if (classes === 0) return settings.loss === 'absolute' ? absoluteLoss(targets) : squaredLoss(targets);
  return classes === 2 ? logisticLoss(targets) : softmaxLoss(targets, classes);
}

/** On the rows held back: `rmse` in the target's unit (of `scale`), or `accuracy`. */
function quickMetrics({ scores }: BoostingState, values: Float64Array, training: number, scale: number | null): Record<string, number> {
  const count = values.length - training;
  if (count === 0) return {};
  let sum = 0;
  for (let row = training; row < values.length; row++) {
    if (scale !== null) sum += (scores[0]![row]! - values[row]!) ** 2;
    else sum += Number(classOf(scores, row) === values[row]);
  }
  return scale === null ? { accuracy: sum / count } : { rmse: scale * Math.sqrt(sum / count) };
}

function classOf(scores: readonly Float64Array[], row: number): number {
  if (scores.length === 1) return Number(scores[0]![row]! > 0);
  let best = 0;
  for (let index = 1; index < scores.length; index++) if (scores[index]![row]! > scores[best]![row]!) best = index;
  return best;
}
