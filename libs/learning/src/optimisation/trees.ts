import type { Pacer } from '../pacer.ts';
import { createEncoder } from '../trees/tree-data.ts';
import { leafOfRow, leavesOf, type Tree } from '../trees/tree.ts';
import { type Branch, branchOf, isAlike, type Question, sidesOf, treeOf } from './branch.ts';
import type { OptimisationWork, PipelineOf, StepOutcome } from './work.ts';

export type Trees = PipelineOf<'boosted_trees'> | PipelineOf<'random_forest'>;

/**
 * Answers as before, from fewer nodes: a question that cannot be answered otherwise any more goes, and so does one whose two sides
 * answer alike; trees that divide rows alike become one, whose leaves hold the sums; what a tree of one leaf adds, another takes over.
 */
export function mergeTrees(pipeline: Trees): Trees {
  const isCategory = categoriesOf(pipeline);
  const { outputs, trees } = pipeline.estimator;
  const perLeaf = valuesPerLeaf(trees[0]!);
  /** by the output that trees add to; where a tree adds to all, they are together */
  const groups = Array.from({ length: perLeaf === outputs ? 1 : outputs }, () => [] as Branch[]);
  trees.forEach((tree, number) => {
    const group = groups[number % groups.length]!;
    const branch = simplified(branchOf(tree, isCategory), []);
    const twin = group.find((other) => isAlike(other, branch, false));
    if (twin) addLeaves(twin, branch);
    else group.push(branch);
  });
  const merged = withGroups(pipeline, groups.map(withoutConstants));
  return leavesIn(merged.estimator.trees) < leavesIn(trees) ? merged : pipeline;
}

/** Trees of a forest that are left before any of them loses a leaf. */
const fewestWhole = 20;

/**
 * Pruning to a share of the leaves. The trees of a forest are alike, so later ones go first, to the root of the share (twenty are left), and the others
 * count for more: measured, that costs less than either trees or leaves alone. Then (Breiman et al. 1984, chapter 3, over all trees at once) again and
 * again the question goes whose leaves differ least, by the training rows in them, and one leaf with their mean takes its place.
 */
export async function pruneTrees(pipeline: Trees, keep: number, { data, rows, pacer }: OptimisationWork): Promise<StepOutcome> {
  const isCategory = categoriesOf(pipeline);
  const { family, outputs, codes, trees: all } = pipeline.estimator;
  const count = family === 'random_forest' ? Math.max(Math.min(fewestWhole, all.length), Math.round(Math.sqrt(keep) * all.length)) : all.length;
  const trees = count === all.length ? all : all.slice(0, count).map((tree) => ({ ...tree, values: tree.values.map((value) => (value * all.length) / count) }));
  const encoded = createEncoder(pipeline.features, codes, data.table)(rows);
  const roots: Branch[] = [];
  for (const tree of trees) {
    const counts = await countRows(tree, isCategory, encoded, rows.length, pacer);
    if (!counts) return { type: 'cancelled' };
    roots.push(branchOf(tree, isCategory, counts));
  }
  const wanted = Math.max(1, Math.round(keep * leavesIn(all)));
  const pruned = collapse(roots, leavesIn(trees) - wanted);
  const group = valuesPerLeaf(trees[0]!) === outputs ? 1 : outputs;
  const groups = Array.from({ length: group }, (_, index) => withoutConstants(pruned.filter((_root, number) => number % group === index)));
  return { type: 'made', pipeline: withGroups(pipeline, groups) };
}

const leavesIn = (trees: readonly Tree[]): number => trees.reduce((sum, tree) => sum + leavesOf(tree), 0);
const valuesPerLeaf = (tree: Tree): number => tree.values.length / leavesOf(tree);
const categoriesOf = ({ features }: Trees): Uint8Array => Uint8Array.from(features, ({ type }) => Number(type !== 'number'));

async function countRows(tree: Tree, isCategory: Uint8Array, encoded: Float64Array, rows: number, pacer: Pacer): Promise<Int32Array | null> {
  if (!(await pacer.mayContinue())) return null;
  const counts = new Int32Array(leavesOf(tree));
  for (let row = 0; row < rows; row++) counts[leafOfRow(tree, isCategory, encoded, row * isCategory.length)]! += 1;
  return counts;
}

function simplified(branch: Branch, above: { question: Question; wentLeft: boolean }[]): Branch {
  if (branch.type === 'leaf') return branch;
  const sides = sidesOf(branch, above);
  if (!sides.right) return simplified(branch.left, above);
  if (!sides.left) return simplified(branch.right, above);
  const left = simplified(branch.left, [...above, { question: branch, wentLeft: true }]);
  const right = simplified(branch.right, [...above, { question: branch, wentLeft: false }]);
  return isAlike(left, right, true) ? left : { ...branch, left, right };
}

/** Adds the leaves of a branch that divides rows alike. */
function addLeaves(to: Branch, from: Branch): void {
  if (to.type === 'leaf' && from.type === 'leaf') from.values.forEach((value, at) => (to.values[at]! += value));
  if (to.type === 'question' && from.type === 'question') {
    addLeaves(to.left, from.left);
    addLeaves(to.right, from.right);
  }
}

/** Trees of one leaf become part of the first that asks something; one is left where none does. */
function withoutConstants(roots: Branch[]): Branch[] {
  const asking = roots.filter(({ type }) => type === 'question');
  const [first] = asking.length > 0 ? asking : roots;
  if (!first) return [];
  for (const root of roots) if (root.type === 'leaf' && root !== first) addToAll(first, root.values);
  return asking.length > 0 ? asking : [first];
}

function addToAll(branch: Branch, values: Float64Array): void {
  if (branch.type === 'leaf') return values.forEach((value, at) => (branch.values[at]! += value));
  addToAll(branch.left, values);
  addToAll(branch.right, values);
}

/** Trees by turns, one of each group; where a group has fewer, one that adds nothing stands in. */
function withGroups(pipeline: Trees, groups: Branch[][]): Trees {
  const most = Math.max(...groups.map(({ length }) => length));
  const nothing: Branch = { type: 'leaf', values: new Float64Array(valuesPerLeaf(pipeline.estimator.trees[0]!)), rows: 0 };
  const trees = Array.from({ length: most }, (_, at) => groups.map((group) => treeOf(group[at] ?? nothing))).flat();
  return { ...pipeline, estimator: { ...pipeline.estimator, trees } } as Trees;
}

interface Place {
  branch: Question;
  /** where it hangs */
  put(leaf: Branch): void;
  parent: Place | null;
}

/** Takes away so many leaves, the cheapest first. */
function collapse(roots: Branch[], count: number): Branch[] {
  const kept = [...roots];
  const heap: { cost: number; order: number; place: Place }[] = [];
  let order = 0;
  const isBefore = (a: (typeof heap)[number], b: (typeof heap)[number]) => a.cost < b.cost || (a.cost === b.cost && a.order < b.order);
  const offer = (place: Place) => {
    const { left, right } = place.branch;
    if (left.type !== 'leaf' || right.type !== 'leaf') return;
    heap.push({ cost: costOf(left, right), order: order++, place });
    for (let at = heap.length - 1; at > 0; ) {
      const parent = (at - 1) >> 1;
      if (!isBefore(heap[at]!, heap[parent]!)) break;
      [heap[at], heap[parent]] = [heap[parent]!, heap[at]!];
      at = parent;
    }
  };
  const takeFirst = (): Place | undefined => {
    const first = heap[0];
    const last = heap.pop();
    if (!first || !last || first === last) return first?.place;
    heap[0] = last;
    for (let at = 0; ; ) {
      const least = [2 * at + 1, 2 * at + 2].reduce((best, child) => (child < heap.length && isBefore(heap[child]!, heap[best]!) ? child : best), at);
      if (least === at) break;
      [heap[at], heap[least]] = [heap[least]!, heap[at]!];
      at = least;
    }
    return first.place;
  };
  const visit = (branch: Branch, parent: Place | null, put: (leaf: Branch) => void): void => {
    if (branch.type === 'leaf') return;
    const place: Place = { branch, parent, put };
    visit(branch.left, place, (leaf) => (branch.left = leaf));
    visit(branch.right, place, (leaf) => (branch.right = leaf));
    offer(place);
  };
  kept.forEach((root, index) => visit(root, null, (leaf) => (kept[index] = leaf)));
  for (let left = count; left > 0; left--) {
    const place = takeFirst();
    if (!place) break;
    place.put(meanOf(place.branch.left as Leaf, place.branch.right as Leaf));
    if (place.parent) offer(place.parent);
  }
  return kept;
}

type Leaf = Extract<Branch, { type: 'leaf' }>;

/** Summed squared change of what the rows of two leaves are answered, once both get the mean. */
function costOf(left: Leaf, right: Leaf): number {
  const rows = left.rows + right.rows;
  const squares = left.values.reduce((sum, value, at) => sum + (value - right.values[at]!) ** 2, 0);
  return rows === 0 ? 0 : (left.rows * right.rows * squares) / rows;
}

function meanOf(left: Leaf, right: Leaf): Leaf {
  const rows = left.rows + right.rows;
  const share = rows === 0 ? 0.5 : left.rows / rows;
  return { type: 'leaf', rows, values: left.values.map((value, at) => share * value + (1 - share) * right.values[at]!) };
}
