/**
 * A decision tree as plain arrays, one entry a node; node 0 is the root. A row is one number per feature: a quantity as
 * it is, NaN where it is missing; a category as its code, where all values that training gave no code of their own,
 * missing ones among them, share the code after the last.
 */
export interface Tree {
  /** the feature that the node asks about; -1 in a leaf */
  feature: Int32Array;
  /** of a quantity: left if value <= threshold; of a category: the number of its set in `sets` */
  threshold: Float64Array;
  /** of a quantity: 1 where a missing one goes left */
  missingLeft: Int32Array;
  /** child for yes; in a leaf: the number of the leaf */
  left: Int32Array;
  right: Int32Array;
  /** sets of category codes, `setWords` words of 32 bits each: a code in the set goes left */
  sets: Int32Array;
  /** [leaves, outputs], row by row: what a leaf adds */
  values: Float64Array;
}

/** Words of a set: enough for the 256 codes that a feature can have. */
export const setWords = 8;

export function isInSet(sets: Int32Array, set: number, code: number): boolean {
  return ((sets[set * setWords + (code >> 5)]! >>> (code & 31)) & 1) === 1;
}

/** The number of the leaf in which a row, `width` numbers from `offset`, ends. */
export function leafOfRow(tree: Tree, isCategory: Uint8Array, values: Float64Array, offset: number): number {
  const { feature, threshold, missingLeft, left, right, sets } = tree;
  let node = 0;
  for (;;) {
    const asked = feature[node]!;
    if (asked < 0) return left[node]!;
    const value = values[offset + asked]!;
    let goesLeft: boolean;
    if (isCategory[asked]) goesLeft = isInSet(sets, threshold[node]!, value);
    else goesLeft = value <= threshold[node]! || (Number.isNaN(value) && missingLeft[node] === 1);
    node = goesLeft ? left[node]! : right[node]!;
  }
}

/** Sums of all trees for rows [count, width]: [count, outputs], the trees in their order; tree t adds to `t % outputs` if its leaves hold one value. */
export function sumTrees(
  trees: readonly Tree[], outputs: number, isCategory: Uint8Array, values: Float64Array, count: number,
): Float64Array {
  const width = isCategory.length;
  const sums = new Float64Array(count * outputs);
  trees.forEach((tree, number) => {
    const perLeaf = tree.values.length / leavesOf(tree);
    const shift = perLeaf === outputs ? 0 : number % outputs;
    for (let row = 0; row < count; row++) {
      const leaf = leafOfRow(tree, isCategory, values, row * width);
      for (let at = 0; at < perLeaf; at++) sums[row * outputs + shift + at]! += tree.values[leaf * perLeaf + at]!;
    }
  });
  return sums;
}

/** A tree of n leaves has n - 1 questions. */
export const leavesOf = (tree: Tree): number => (tree.feature.length + 1) / 2;
