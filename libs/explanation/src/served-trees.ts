import type { DecisionTree, FittedFeature, FittedPipeline, Signature, TreeEnsemble, ValidatedRows } from '@millrace/packaging';
import { type ShapleyTree, shapleyOfTrees } from './tree-shap.ts';

/** The trees behind an answer, read back from the served graph. */
export interface ServedTrees {
  /**
   * Shapley values by input of the signature, the mean over the background rows, in the unit of the answer.
   * @param output index of the class; 0 of a number
   * @param pause before every few milliseconds of work
   */
  explain(row: ValidatedRows, background: ValidatedRows, output: number, pause: () => Promise<void>): Promise<Float64Array>;
}

type Ensemble = TreeEnsemble<'boosted_trees'> | TreeEnsemble<'random_forest'>;

/** Trees whose sum, times a factor, is the answer but for a constant. */
interface Part {
  factor: number;
  /** by output: the trees that add to it, in parts of some nodes */
  trees: ShapleyTree[][][];
  codes: Ensemble['codes'];
}

/**
 * The trees of a pipeline whose answer is a weighted sum of their leaves: regressions, and the shares that a forest answers.
 * Null where something stands in between, such as the sigmoid of boosted classes or a calibration.
 */
export function servedTreesOf(pipeline: FittedPipeline, signature: Signature): ServedTrees | null {
  const { features, estimator, target, heads, image } = pipeline;
  if (heads || image || (target.type !== 'number' && target.calibration)) return null;
  const members = estimator.family === 'ensemble' ? estimator.members : [{ ...pipeline, estimator, weight: 1 }];
  const parts: Part[] = [];
  for (const member of members) {
    const part = partOf(member);
    if (!part) return null;
    parts.push(part);
  }
  const players = features.map(({ name, ...feature }) => signature.inputs.findIndex((input) => input.name === (('of' in feature && feature.of?.column) || name)));
  if (players.includes(-1)) return null;
  const playerOf = Int32Array.from(players);
  return {
    async explain(row, background, output, pause) {
      const values = new Float64Array(signature.inputs.length);
      for (let reference = 0; reference < background.count; reference++) {
        for (const { factor, trees, codes } of parts) {
          const own = new Float64Array(values.length);
          // Of two classes only the second has sums; the first has the rest.
          const isRest = trees.length === 1 && target.type !== 'number' && output === 0;
          const [cells, others] = [cellsOf(row, 0, features, codes), cellsOf(background, reference, features, codes)];
          for (const some of trees[trees.length === 1 ? 0 : output]!) {
            await pause();
            shapleyOfTrees(some, cells, others, playerOf, own);
          }
          own.forEach((value, player) => (values[player]! += ((isRest ? -1 : 1) * factor * value) / background.count));
        }
      }
      return values;
    },
  };
}

function partOf({ estimator, target, weight }: Pick<FittedPipeline, 'estimator' | 'target'> & { weight: number }): Part | null {
  if (estimator.family !== 'boosted_trees' && estimator.family !== 'random_forest') return null;
  if (target.type !== 'number' && (estimator.family === 'boosted_trees' || target.calibration)) return null;
  const { outputs, codes } = estimator;
  const trees = Array.from({ length: outputs }, (_, output) =>
    (estimator.trees as DecisionTree[]).flatMap((tree, place) => {
      const perLeaf = (tree.values.length * 2) / (tree.feature.length + 1);
      if (perLeaf === 1 && place % outputs !== output) return [];
      return [shapleyTreeOf(tree, codes, (leaf) => tree.values[leaf * perLeaf + (perLeaf === 1 ? 0 : output)]!)];
    }),
  );
  return { factor: weight * (target.type === 'number' ? target.scale : 1), trees: trees.map(inParts), codes };
}

/** Nodes that are walked at a time, at most, unless one tree has more. */
const nodesAtATime = 20_000;

function inParts(trees: readonly ShapleyTree[]): ShapleyTree[][] {
  const parts: ShapleyTree[][] = [];
  let nodes = Infinity;
  for (const tree of trees) {
    nodes += tree.feature.length;
    if (nodes > nodesAtATime) {
      parts.push([]);
      nodes = tree.feature.length;
    }
    parts.at(-1)!.push(tree);
  }
  return parts;
}

function shapleyTreeOf(tree: DecisionTree, codes: Ensemble['codes'], valueOf: (leaf: number) => number): ShapleyTree {
  const { feature, threshold, missingLeft, left, right, sets } = tree;
  return {
    feature, left, right,
    value: Float64Array.from(feature, (asked, node) => (asked < 0 ? valueOf(left[node]!) : 0)),
    goesLeft(node, row) {
      const asked = feature[node]!;
      const value = row[asked]!;
      if (codes[asked] !== null) return ((sets[threshold[node]! * 8 + (value >> 5)]! >>> (value & 31)) & 1) === 1;
      return Number.isNaN(value) ? missingLeft[node] === 1 : value <= threshold[node]!;
    },
  };
}

/** A row as trees read it: one number a feature, a category as its code. */
function cellsOf({ count, numbers, categories }: ValidatedRows, at: number, features: readonly FittedFeature[], codes: Ensemble['codes']): Float64Array {
  let number = (at * numbers.length) / count;
  let category = (at * categories.length) / count;
  return Float64Array.from(features, (feature, place) => {
    if (feature.type === 'number') return numbers[number++]!;
    const own = codes[place]!;
    const known = feature.categories.indexOf(categories[category++]!);
    return known < 0 ? Math.min(own.length, mostCodes) : own[known]!;
  });
}

/** The code of missing and unknown values is the next one, or this: as in training. */
const mostCodes = 255;
