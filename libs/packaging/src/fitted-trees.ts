import { ensurePipeline as ensure } from './ensure-fit.ts';
import type { FittedFeature, FittedTarget } from './fitted-columns.ts';

/**
 * Trees on rows of one number per feature: a quantity as it is, NaN where missing; a category as its code, with one code
 * more for missing and unknown values (`otherCode`). The sum of all trees, rounded to float32, is: of boosted trees the
 * standardised target, the log-odds of the second of two classes, or one logit per class; of a forest the standardised
 * target, the second class's share, or one share per class.
 */
export interface TreeEnsemble<Family extends 'boosted_trees' | 'random_forest'> {
  family: Family;
  /** numbers per row: 1, or the number of classes from three on */
  outputs: number;
  /** a tree with one value per leaf adds to output `place % outputs`, one with `outputs` values to all */
  trees: DecisionTree[];
  /** by feature: the code of each of its categories, in their order; null for a number */
  codes: Array<Int32Array | null>;
}

/** One entry a node; node 0 is the root, and children come after their parent. */
export interface DecisionTree {
  /** the feature that the node asks about; -1 in a leaf */
  feature: Int32Array;
  /** of a quantity: left if value <= threshold; of a category: the number of its set in `sets` */
  threshold: Float64Array;
  /** of a quantity: 1 where a missing one goes left */
  missingLeft: Int32Array;
  /** child for yes; in a leaf: the number of the leaf */
  left: Int32Array;
  right: Int32Array;
  /** sets of category codes, eight words of 32 bits each */
  sets: Int32Array;
  /** [leaves, values of a leaf], row by row */
  values: Float64Array;
}

const MAX_CODES = 255;

/** The code of missing and unknown values. */
export const otherCode = (codes: Int32Array): number => Math.min(codes.length, MAX_CODES);

export const leavesOf = (tree: DecisionTree): number => (tree.feature.length + 1) / 2;

export function assertTrees(
  { outputs, trees, codes }: Pick<TreeEnsemble<'boosted_trees'>, 'outputs' | 'trees' | 'codes'>, features: readonly FittedFeature[], target: FittedTarget,
): void {
  const classes = target.type === 'number' ? 0 : target.classes.length;
  ensure(outputs === (classes > 2 ? classes : 1), 'estimator.outputs', `is ${outputs}, which does not fit the target`);
  ensure(codes.length === features.length, 'estimator.codes', 'has another length than the features');
  features.forEach((feature, place) => {
    const own = codes[place]!;
    const field = `estimator.codes[${place}]`;
    if (feature.type === 'number') return ensure(own === null, field, 'encodes a number');
    ensure(own !== null && own.length === feature.categories.length, field, 'needs one code for each category');
    ensure(own.every((code) => code >= 0 && code <= otherCode(own)), field, 'holds a code out of range');
  });
  ensure(trees.length > 0, 'estimator.trees', 'must not be empty');
  trees.forEach((tree, number) => assertTree(tree, `estimator.trees[${number}]`, outputs, codes));
}

/** As `assertTrees`, of trees of one output. */
export function assertForest({ trees, codes }: Pick<TreeEnsemble<'boosted_trees'>, 'trees' | 'codes'>, features: readonly FittedFeature[]): void {
  assertTrees({ outputs: 1, trees, codes }, features, { name: 'score', type: 'number', mean: 0, scale: 1 });
}

function assertTree(tree: DecisionTree, field: string, outputs: number, codes: Array<Int32Array | null>): void {
  const { feature, threshold, missingLeft, left, right, sets, values } = tree;
  const nodes = feature.length;
  const leaves = leavesOf(tree);
  ensure([threshold, missingLeft, left, right].every((array) => array.length === nodes), field, 'has arrays of unequal length');
  ensure(Number.isInteger(leaves) && (values.length === leaves || values.length === leaves * outputs), field, 'has the wrong number of leaves');
  ensure(values.every(Number.isFinite) && threshold.every(Number.isFinite), field, 'has a number that is not finite');
  const parents = new Int32Array(nodes);
  for (let node = 0; node < nodes; node++) {
    const asked = feature[node]!;
    if (asked === -1) {
      ensure(left[node]! >= 0 && left[node]! < leaves, field, 'has a leaf out of range');
      continue;
    }
    ensure(asked >= 0 && asked < codes.length, field, 'asks about a feature that is not there');
    if (codes[asked] !== null) ensure(threshold[node]! >= 0 && (threshold[node]! + 1) * 8 <= sets.length, field, 'has a set out of range');
    for (const child of [left[node]!, right[node]!]) {
      // Children after their parents, each of one parent: no walk is endless.
      ensure(child > node && child < nodes, field, 'has a child out of place');
      parents[child]! += 1;
    }
  }
  ensure(parents.every((count, node) => count === Number(node > 0)), field, 'has a node that is no child, or of two parents');
}
