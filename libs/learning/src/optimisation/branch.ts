import { isInSet, setWords, type Tree } from '../trees/tree.ts';

/** A tree as things that point to each other, to be changed: a question or a leaf. */
export type Branch = Question | { type: 'leaf'; values: Float64Array; /** training rows that end here */ rows: number };

export interface Question {
  type: 'question';
  feature: number;
  /** of a quantity */
  threshold: number;
  missingLeft: boolean;
  /** of a category: the codes that go left */
  set: Int32Array | null;
  left: Branch;
  right: Branch;
}

export function branchOf(tree: Tree, isCategory: Uint8Array, rowsOfLeaf: ArrayLike<number> | null = null): Branch {
  const leaves = (tree.feature.length + 1) / 2;
  const perLeaf = tree.values.length / leaves;
  const made: Branch[] = new Array<Branch>(tree.feature.length);
  // Children come after their parent.
  for (let node = tree.feature.length - 1; node >= 0; node--) {
    const feature = tree.feature[node]!;
    const left = tree.left[node]!;
    if (feature < 0) made[node] = { type: 'leaf', values: tree.values.slice(left * perLeaf, (left + 1) * perLeaf), rows: rowsOfLeaf?.[left] ?? 0 };
    else {
      const threshold = tree.threshold[node]!;
      const set = isCategory[feature] ? tree.sets.slice(threshold * setWords, (threshold + 1) * setWords) : null;
      made[node] = { type: 'question', feature, threshold, missingLeft: tree.missingLeft[node] === 1, set, left: made[left]!, right: made[tree.right[node]!]! };
    }
  }
  return made[0]!;
}

/** Nodes in the order of their depth. */
export function treeOf(root: Branch): Tree {
  const order: Branch[] = [root];
  const nodes = { feature: [] as number[], threshold: [] as number[], missingLeft: [] as number[], left: [] as number[], right: [] as number[] };
  const [sets, values]: [number[], number[]] = [[], []];
  let leaves = 0;
  for (let at = 0; at < order.length; at++) {
    const branch = order[at]!;
    if (branch.type === 'leaf') {
      nodes.feature.push(-1);
      nodes.threshold.push(0);
      nodes.missingLeft.push(0);
      nodes.left.push(leaves++);
      nodes.right.push(0);
      values.push(...branch.values);
      continue;
    }
    nodes.feature.push(branch.feature);
    nodes.threshold.push(branch.set ? sets.length / setWords : branch.threshold);
    nodes.missingLeft.push(Number(branch.missingLeft && !branch.set));
    nodes.left.push(order.length);
    nodes.right.push(order.length + 1);
    if (branch.set) sets.push(...branch.set);
    order.push(branch.left, branch.right);
  }
  return {
    feature: Int32Array.from(nodes.feature), threshold: Float64Array.from(nodes.threshold), missingLeft: Int32Array.from(nodes.missingLeft),
    left: Int32Array.from(nodes.left), right: Int32Array.from(nodes.right), sets: Int32Array.from(sets), values: Float64Array.from(values),
  };
}

/** Whether two branches divide rows alike; with `sameValues`, whether they also answer alike. */
export function isAlike(a: Branch, b: Branch, sameValues: boolean): boolean {
  if (a.type === 'leaf' || b.type === 'leaf') {
    return a.type === 'leaf' && b.type === 'leaf' && (!sameValues || a.values.every((value, at) => value === b.values[at]));
  }
  const isSame = a.feature === b.feature && (a.set ? b.set !== null && a.set.every((word, at) => word === b.set![at]) : a.threshold === b.threshold && a.missingLeft === b.missingLeft);
  return isSame && isAlike(a.left, b.left, sameValues) && isAlike(a.right, b.right, sameValues);
}

/** Where values go when a question is asked again below: which of its sides they can take. */
export function sidesOf({ feature, threshold, missingLeft, set }: Question, above: readonly { question: Question; wentLeft: boolean }[]): { left: boolean; right: boolean } {
  const asked = above.filter(({ question }) => question.feature === feature);
  if (set) {
    let [left, right] = [false, false];
    for (let code = 0; code < setWords * 32; code++) {
      if (!asked.every(({ question, wentLeft }) => isInSet(question.set!, 0, code) === wentLeft)) continue;
      if (isInSet(set, 0, code)) left = true;
      else right = true;
    }
    return { left, right };
  }
  let [low, high, isMissingPossible] = [-Infinity, Infinity, true];
  for (const { question, wentLeft } of asked) {
    if (wentLeft) high = Math.min(high, question.threshold);
    else low = Math.max(low, question.threshold);
    if (question.missingLeft !== wentLeft) isMissingPossible = false;
  }
  // Known values lie in (low, high].
  return { left: low < Math.min(threshold, high) || (isMissingPossible && missingLeft), right: high > Math.max(threshold, low) || (isMissingPossible && !missingLeft) };
}
