import type { DecisionTree, FittedFeature, FittedPipeline, Signature, TreeEnsemble, ValidatedRows } from '@millrace/packaging';
import type { InTurn } from './coalition-game.ts';
import { mostTogether, mostVisits, type ShapleyTree, shapleyOfTrees, waysOf } from './tree-shap.ts';

/** The trees behind an answer, read back from the served graph. */
export interface ServedTrees {
  /** What `explain` takes at most, in rows that the model could answer instead. @param references background rows */
  mostWork(references: number): number;
  /**
   * Walks the trees, some nodes at a time. @param output index of the class; 0 of a number @param allowed work, counted likewise
   * @throws TooMuchWork once it would take more than is allowed
   */
  explain(row: ValidatedRows, background: ValidatedRows, output: number, allowed: number, inTurn: InTurn): Promise<WalkedTrees>;
}

/** An explanation would take more than its request allows. */
export class TooMuchWork extends Error {}

export interface WalkedTrees {
  /** Shapley values by input of the signature, the mean over the background rows, in the unit of the answer */
  values: Float64Array;
  /** what it took, in rows that the model could have answered instead */
  work: number;
}

type Ensemble = TreeEnsemble<'boosted_trees'> | TreeEnsemble<'random_forest'>;

/** Trees whose sum, times a factor, is the answer but for a constant. */
interface Part {
  factor: number;
  /** by output: the trees that add to it, in parts of some nodes */
  trees: ShapleyTree[][][];
  codes: Ensemble['codes'];
  /** nodes that a prediction passes, at least */
  nodesOfPrediction: number;
}

/** Reference rows as one walk takes them, and by part, output and piece where they go: found when first needed, the same for all rows. */
interface Reference {
  cells: Float64Array[];
  ways: Map<ShapleyTree, Int32Array>;
}

/**
 * Nodes that a prediction in a batch passes in the time of one visit: its engine is native, and has nothing to add up on the way.
 * Measured: 3 to 8, over forests of 100 to 300 trees with 100 to 1300 nodes each.
 */
const passedPerVisit = 5;

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
  const inEvaluations = (visits: number): number => (visits * passedPerVisit) / parts.reduce((sum, part) => sum + part.nodesOfPrediction, 0);
  let known: { background: ValidatedRows; groups: Reference[][] } | null = null;

  /** By part of the pipeline: the background in groups. */
  function referencesOf(background: ValidatedRows): Reference[][] {
    if (known?.background === background) return known.groups;
    const groups = parts.map(({ codes }) =>
      Array.from({ length: Math.ceil(background.count / mostTogether) }, (_, group): Reference => {
        const length = Math.min(mostTogether, background.count - group * mostTogether);
        return { cells: Array.from({ length }, (_row, at) => cellsOf(background, group * mostTogether + at, features, codes)), ways: new Map() };
      }),
    );
    known = { background, groups };
    return groups;
  }

  return {
    mostWork(references) {
      let visits = 0;
      const groups = Array.from({ length: Math.ceil(references / mostTogether) }, (_, group) => Math.min(mostTogether, references - group * mostTogether));
      for (const { trees } of parts) {
        const ofOutputs = trees.map((pieces) => pieces.flat().reduce((sum, tree) => sum + groups.reduce((all, group) => all + mostVisits(tree, group), 0), 0));
        visits += Math.max(...ofOutputs);
      }
      return Math.ceil(inEvaluations(visits));
    },

    async explain(row, background, output, allowed, inTurn) {
      const values = new Float64Array(signature.inputs.length);
      let visits = 0;
      for (const [at, groups] of referencesOf(background).entries()) {
        const { factor, trees, codes } = parts[at]!;
        const own = new Float64Array(values.length);
        const cells = cellsOf(row, 0, features, codes);
        for (const { cells: references, ways } of groups) {
          for (const piece of trees[trees.length === 1 ? 0 : output]!) {
            visits += await inTurn(() => {
              const theirs = piece.map((tree) => ways.get(tree) ?? ways.set(tree, waysOf(tree, references)).get(tree)!);
              return shapleyOfTrees(piece, theirs, cells, references.length, playerOf, own);
            }, 'walk');
            if (inEvaluations(visits) > allowed) throw new TooMuchWork('the trees are too many to walk through');
          }
        }
        // Of two classes only the second has sums; the first has the rest.
        const isRest = trees.length === 1 && target.type !== 'number' && output === 0;
        own.forEach((value, player) => (values[player]! += ((isRest ? -1 : 1) * factor * value) / background.count));
      }
      return { values, work: inEvaluations(visits) };
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
  return {
    factor: weight * (target.type === 'number' ? target.scale : 1), trees: trees.map(inParts), codes,
    nodesOfPrediction: (estimator.trees as DecisionTree[]).reduce((sum, tree) => sum + 1 + Math.log2((tree.feature.length + 1) / 2), 0),
  };
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
    goesLeft(node, value) {
      const asked = feature[node]!;
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
