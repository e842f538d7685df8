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
