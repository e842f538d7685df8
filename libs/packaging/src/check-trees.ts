import { type ReadAttribute, type ReadNode, UnfitModel } from './read-graph.ts';

export const treeOperators: ReadonlySet<string> = new Set(['TreeEnsembleClassifier', 'TreeEnsembleRegressor']);
const modes: ReadonlySet<string> = new Set(['BRANCH_LEQ', 'BRANCH_LT', 'BRANCH_GTE', 'BRANCH_GT', 'BRANCH_EQ', 'BRANCH_NEQ', 'LEAF']);
const mostTargets = 10_000;
const mostColumns = 1_000_000;
/**
 * Questions and a leaf, from the root on. Trained trees have some dozens, but Millrace writes a set of categories as a chain of questions.
 * The engine goes down by recursion as it loads a tree: 20 000 levels end a process, 5000 are well for a thread's stack.
 */
const mostLevels = { own: 5_000, foreign: 1_000 };
/** Nodes of trees that one call may visit: some tens of milliseconds, as every visit may wait for memory. */
const mostVisits = 2_000_000;

/**
 * That the trees are trees: one root each, two children for every branch, no way that leads back, and a leaf for every
 * weight. A circle would hold the server for ever at the first row that enters it, which trying a few rows does not show.
 * @param own whether Millrace is said to have written them
 * @returns how many nodes a row visits at the most: the longest way down each tree
 * @throws UnfitModel
 */
export function checkTrees(node: ReadNode, own: boolean): number {
  const { operator, attributes } = node;
  const unfit = (message: string): UnfitModel => new UnfitModel('broken_trees', operator, `The trees are none: ${message}`, 'Export the model again with the exporter of its library.');
  const list = (name: string): number[] => attributes.get(name)?.integers ?? [];
  const [trees, ids, yes, no, features] = ['nodes_treeids', 'nodes_nodeids', 'nodes_truenodeids', 'nodes_falsenodeids', 'nodes_featureids'].map(list) as [number[], number[], number[], number[], number[]];
  const kinds = attributes.get('nodes_modes')?.texts ?? [];
  const count = ids.length;
  const values = lengthOf(attributes.get('nodes_values'), attributes.get('nodes_values_as_tensor'));
  if (count === 0 || [trees, yes, no, features, kinds].some(({ length }) => length !== count) || values !== count) throw unfit('their lists are not equally long.');

  const indexOf = new Map<string, number>();
  for (let at = 0; at < count; at++) {
    const key = `${trees[at]} ${ids[at]}`;
    if (indexOf.has(key)) throw unfit('two nodes have the same number.');
    indexOf.set(key, at);
    if (!modes.has(kinds[at]!)) throw unfit(`${kinds[at]!.slice(0, 40)} is no kind of node.`);
    if (features[at]! < 0 || features[at]! >= mostColumns) throw unfit('a node looks at a column that cannot be.');
  }
  // Ways may meet again, as Millrace's own trees do, but never lead back: then walking down always comes to an end.
  const parents = new Uint32Array(count);
  const children = (at: number): number[] => [yes[at], no[at]].map((child) => indexOf.get(`${trees[at]} ${child}`) ?? -1);
  for (let at = 0; at < count; at++) {
    if (kinds[at] === 'LEAF') continue;
    for (const child of children(at)) {
      if (child < 0) throw unfit('a branch leads to no node.');
      parents[child]!++;
    }
  }
  const roots = new Map<number, number>();
  const open: number[] = [];
  for (let at = 0; at < count; at++) {
    if (parents[at]! > 0) continue;
    open.push(at);
    roots.set(trees[at]!, (roots.get(trees[at]!) ?? 0) + 1);
  }
  if (new Set(trees).size !== roots.size || [...roots.values()].some((of) => of !== 1)) throw unfit('a tree has no root, or several.');
  let passed = 0;
  /** on the longest way to a node, that node among them */
  const levels = new Uint32Array(count).fill(1);
  const deepest = new Map<number, number>();
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    passed++;
    deepest.set(trees[at]!, Math.max(deepest.get(trees[at]!) ?? 0, levels[at]!));
    if (kinds[at] === 'LEAF') continue;
    for (const child of children(at)) {
      levels[child] = Math.max(levels[child]!, levels[at]! + 1);
      if (--parents[child]! === 0) open.push(child);
    }
  }
  if (passed !== count) throw unfit('some nodes form a circle.');
  const visits = [...deepest.values()].reduce((sum, of) => sum + of, 0);
  const most = own ? mostLevels.own : mostLevels.foreign;
  const tooDeep = [...deepest.values()].find((of) => of > most);
  if (tooDeep !== undefined) throw new UnfitModel('trees_too_deep', operator, `A tree has ${tooDeep} levels; at most ${most} are taken.`, 'Limit the depth of the trees in training.');

  const isClassifier = operator === 'TreeEnsembleClassifier';
  const prefix = isClassifier ? 'class' : 'target';
  const [weightTrees, weightNodes, weightTargets] = [`${prefix}_treeids`, `${prefix}_nodeids`, `${prefix}_ids`].map(list) as [number[], number[], number[]];
  const weights = lengthOf(attributes.get(`${prefix}_weights`), attributes.get(`${prefix}_weights_as_tensor`));
  const targets = isClassifier
    ? Math.max(attributes.get('classlabels_int64s')?.integers.length ?? 0, attributes.get('classlabels_strings')?.texts.length ?? 0)
    : Number(attributes.get('n_targets')?.integer ?? 1n);
  if (targets < 1 || targets > mostTargets) throw unfit(`they have ${targets} answers.`);
  if (weights !== weightTrees.length || weights !== weightNodes.length || weights !== weightTargets.length) throw unfit('the lists of their weights are not equally long.');
  for (let at = 0; at < weights; at++) {
    const index = indexOf.get(`${weightTrees[at]} ${weightNodes[at]}`);
    if (index === undefined || kinds[index] !== 'LEAF') throw unfit('a weight belongs to no leaf.');
    if (weightTargets[at]! < 0 || weightTargets[at]! >= targets) throw unfit('a weight belongs to no answer.');
  }
  const bases = lengthOf(attributes.get('base_values'), attributes.get('base_values_as_tensor'));
  if (bases !== 0 && bases !== 1 && bases !== targets) throw unfit('their base values are not one for each answer.');
  return visits;
}

/**
 * How many rows one call may have of which each visits so many nodes of trees at the most. Trying does not tell: the rows that are
 * tried may all leave at the first question, and those that are sent at the last.
 * @param own as for `checkTrees`
 * @throws UnfitModel where a single row visits too many
 */
export function rowsWithVisits(visits: number, own: boolean): number {
  if (visits <= mostVisits) return Math.floor(mostVisits / Math.max(1, visits));
  if (own) return 1; // chains of questions about categories make the longest way far longer than any that a row takes
  throw new UnfitModel('too_slow', 'model', `A row may visit ${visits} nodes of trees; at most ${mostVisits} are taken, since others wait meanwhile.`, 'Import a smaller model: fewer or shallower trees.');
}

/** The highest column that any node looks at: the rows must be at least so wide, which the engine does not check. */
export function columnsOfTrees(node: ReadNode): number {
  return (node.attributes.get('nodes_featureids')?.integers ?? []).reduce((most, feature) => Math.max(most, feature + 1), 1);
}

/** Numbers in a list, or in the tensor that newer exporters use in its place. */
function lengthOf(list: ReadAttribute | undefined, tensor: ReadAttribute | undefined): number {
  return (list?.floats ?? 0) + (tensor?.tensor?.dims.reduce((product, dim) => product * dim, 1) ?? 0);
}
