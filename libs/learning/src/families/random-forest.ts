import type { RandomForestSettings } from '@millrace/configuration';
import type { TreeEnsemble } from '../pipeline.ts';
import { type ForestState, growForest } from '../trees/forest.ts';
import { prepareTreeData, rowsInLeaf, scoreByTrees } from '../trees/tree-data.ts';
import { classesOf, type Family } from './family.ts';

export const randomForest: Family<RandomForestSettings, TreeEnsemble<'random_forest'>> = {
  learnsFromValidation: true,
  parameters: ({ family: _family, ...own }) => own,
  epochs: ({ numTrees }) => numTrees,
  search: {
    space: () => ({
      settings: {
        numTrees: { type: 'choice', of: [200] },
        maxFeatures: { type: 'choice', of: ['sqrt', 'third', 'all'] },
        minDataInLeaf: { type: 'logInteger', low: 1, high: 20 },
        bootstrap: { type: 'choice', of: [true, false] },
      },
    }),
    portfolio: () => [
      { order: 5, point: { settings: { numTrees: 200 } } },
      { order: 9, point: { settings: { numTrees: 200, maxFeatures: 'third', minDataInLeaf: 2 } } },
    ],
  },

  async fit({ data, spec, settings, model, seed, rows, validation, pacer, resume, onEpoch }) {
    const begun = performance.now() - (resume?.seconds ?? 0) * 1000;
    const elapsed = (): number => (performance.now() - begun) / 1000;
    const prepared = await prepareTreeData(data, spec, settings, rows, validation, pacer);
    if (prepared.type !== 'ready') return prepared;
    const { features, target, columns, codes, values, weights, monotone } = prepared.data;
    const classes = classesOf(target);
    const outputs = classes > 2 ? classes : 1;
    const outcome = await growForest({
      columns, rows: rows.length, outputs, weights, monotone, seed, model, pacer,
      targets: outputs === 1 ? values.slice(0, rows.length) : indicators(values, rows.length, outputs),
      settings: {
        ...settings,
        maxDepth: settings.maxDepth ?? Infinity,
        minDataInLeaf: rowsInLeaf(settings.minDataInLeaf, rows.length),
        columnsPerSplit: columnsPerSplit(settings.maxFeatures, columns.length, classes > 0),
        minSumHessianInLeaf: 0,
        lambdaL1: 0,
        lambdaL2: 0,
      },
      resume: (resume?.state ?? null) as ForestState | null,
      onTree: (state, result) => onEpoch({ epoch: state.trees.length, seconds: elapsed(), state }, result, {}),
    });
    if (outcome.type === 'cancelled') return outcome;
    const { trees, history } = outcome;
    const estimator: TreeEnsemble<'random_forest'> = { family: 'random_forest', outputs, trees, codes };
    return {
      type: 'fitted',
      fit: { pipeline: { features, target, estimator }, seconds: elapsed(), epochs: trees.length, bestEpoch: trees.length, history },
    };
  },

  score: scoreByTrees,
};

function columnsPerSplit(rule: RandomForestSettings['maxFeatures'], columns: number, isClassification: boolean): number {
  const shares = { sqrt: Math.sqrt(columns), log2: Math.log2(columns), third: columns / 3, all: columns };
  const wanted = shares[rule === 'auto' ? (isClassification ? 'sqrt' : 'all') : rule];
  return Math.max(1, Math.floor(wanted));
}

/** [rows, classes]: 1 at the row's class, else 0. */
function indicators(values: Float64Array, rows: number, classes: number): Float64Array {
  const cells = new Float64Array(rows * classes);
  for (let row = 0; row < rows; row++) cells[row * classes + values[row]!] = 1;
  return cells;
}
