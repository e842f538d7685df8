import type { FittedFeature } from './fitted-columns.ts';
import { type DecisionTree, otherCode, type TreeEnsemble } from './fitted-trees.ts';
import { type GraphCursor, numbersOf, UnknownGraph } from './graph-cursor.ts';
import type { ReadNode } from './read-graph.ts';

type Trees = Pick<TreeEnsemble<'boosted_trees'>, 'outputs' | 'trees' | 'codes'>;

/** Trees as `writeTreeScores` wrote them. */
export function readTreeScores(cursor: GraphCursor, features: readonly FittedFeature[]): Trees {
  const numbers = features.filter(({ type }) => type === 'number').length;
  let [number, column] = [0, numbers];
  /** by column of the rows that trees read: the feature */
  const featureOf: number[] = [];
  const codes = features.map((feature, place) => {
    if (feature.type === 'number') {
      featureOf[number++] = place;
      return null;
    }
    if (feature.categories.length === 0) return new Int32Array();
    cursor.skip('Gather');
    const encoder = cursor.take('LabelEncoder');
    cursor.skip('Cast');
    featureOf[column++] = place;
    return Int32Array.from(encoder.attributes.get('values_int64s')?.integers ?? []);
  });
  cursor.takeIf('Concat');
  const node = cursor.take('TreeEnsembleRegressor');
  const outputs = Number(node.attributes.get('n_targets')?.integer ?? 1n);
  return { outputs, codes, trees: readTrees(node, outputs, featureOf, codes) };
}

interface NodeLists {
  ids: number[];
  features: number[];
  isLeaf: boolean[];
  values: Float64Array;
  yes: number[];
  no: number[];
  missing: number[];
}

function readTrees({ attributes }: ReadNode, outputs: number, featureOf: number[], codes: Trees['codes']): DecisionTree[] {
  const list = (name: string): number[] => attributes.get(name)?.integers ?? [];
  const tensor = (name: string): Float64Array => {
    const found = attributes.get(name)?.tensor;
    if (!found) throw new UnknownGraph(`The trees have no ${name}.`);
    return numbersOf(found);
  };
  const modes = attributes.get('nodes_modes')?.texts ?? [];
  const all: NodeLists = {
    ids: list('nodes_nodeids'), features: list('nodes_featureids'), isLeaf: modes.map((mode) => mode === 'LEAF'), values: tensor('nodes_values_as_tensor'),
    yes: list('nodes_truenodeids'), no: list('nodes_falsenodeids'), missing: list('nodes_missing_value_tracks_true'),
  };
  const weights = tensor('target_weights_as_tensor');
  const [leafTrees, leafIds] = [list('target_treeids'), list('target_nodeids')];
  const trees: DecisionTree[] = [];
  let leafAt = 0;
  for (const { tree, from, to } of rangesOf(list('nodes_treeids'))) {
    if (tree !== trees.length) throw new UnknownGraph('The trees are not in order.');
    const first = leafAt;
    while (leafTrees[leafAt] === tree) leafAt += 1;
    trees.push(readTree(all, from, to, leafIds.slice(first, leafAt), weights.subarray(first, leafAt), featureOf, codes));
    if (![1, outputs].includes(trees.at(-1)!.values.length / ((trees.at(-1)!.feature.length + 1) / 2))) throw new UnknownGraph('Leaves have other values than outputs.');
  }
  return trees;
}

function rangesOf(trees: number[]): { tree: number; from: number; to: number }[] {
  const ranges: { tree: number; from: number; to: number }[] = [];
  trees.forEach((tree, at) => {
    const last = ranges.at(-1);
    if (last?.tree === tree) last.to = at + 1;
    else ranges.push({ tree, from: at, to: at + 1 });
  });
  return ranges;
}

function readTree(all: NodeLists, from: number, to: number, leafIds: number[], values: Float64Array, featureOf: number[], codes: Trees['codes']): DecisionTree {
  const placeOf = new Map<number, number>();
  let leaves = 0;
  for (let at = from; at < to; at++) {
    placeOf.set(all.ids[at]!, at);
    if (all.isLeaf[at]) leaves += 1;
  }
  // A tree of n leaves has n - 1 questions; the numbers beyond those are of questions that a set was taken apart into.
  const nodes = 2 * leaves - 1;
  const tree: DecisionTree = {
    feature: new Int32Array(nodes).fill(-1), threshold: new Float64Array(nodes), missingLeft: new Int32Array(nodes), left: new Int32Array(nodes), right: new Int32Array(nodes),
    sets: new Int32Array(), values: Float64Array.from(values),
  };
  const sets: number[] = [];
  const leafOf = new Map([...new Set(leafIds)].map((id, leaf) => [id, leaf]));
  for (let node = 0; node < nodes; node++) {
    const at = placeOf.get(node);
    if (at === undefined) throw new UnknownGraph('A tree lacks a node.');
    if (all.isLeaf[at]) {
      tree.left[node] = leafOf.get(node) ?? 0;
      continue;
    }
    const asked = featureOf[all.features[at]!];
    if (asked === undefined) throw new UnknownGraph('A tree asks about a column that is not there.');
    tree.feature[node] = asked;
    const own = codes[asked]!;
    if (own === null) {
      tree.threshold[node] = all.values[at]!;
      tree.missingLeft[node] = all.missing[at]!;
      [tree.left[node], tree.right[node]] = [all.yes[at]!, all.no[at]!];
    } else {
      tree.threshold[node] = sets.length / 8;
      [tree.left[node], tree.right[node]] = readSet(all, placeOf, at, nodes, otherCode(own), sets);
    }
  }
  return { ...tree, sets: Int32Array.from(sets) };
}

/** A set of codes from the questions that it was taken apart into; which side is called left does not matter. */
function readSet(all: NodeLists, placeOf: Map<number, number>, first: number, nodes: number, last: number, sets: number[]): [number, number] {
  const words = new Int32Array(8);
  const left = all.yes[first]!;
  let right = -1;
  let [at, code] = [first, 0];
  for (;;) {
    const [yes, no] = [all.yes[at]!, all.no[at]!];
    for (; code <= all.values[at]!; code++) if (yes === left) words[code >> 5]! |= 1 << (code & 31);
    if (yes !== left) right = yes;
    if (no < nodes) {
      for (; code <= last; code++) if (no === left) words[code >> 5]! |= 1 << (code & 31);
      if (no !== left) right = no;
      break;
    }
    const next = placeOf.get(no);
    if (next === undefined) throw new UnknownGraph('A set of categories breaks off.');
    at = next;
  }
  sets.push(...words);
  return [left, right];
}
