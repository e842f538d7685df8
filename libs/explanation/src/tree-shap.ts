/** Trees whose leaves add up to an answer, as `shapleyOfTrees` walks them. */
export interface ShapleyTree {
  /** by node: the column that it asks about; -1 in a leaf */
  feature: Int32Array;
  /** whether a row goes left there */
  goesLeft(node: number, row: ArrayLike<number>): boolean;
  left: Int32Array;
  right: Int32Array;
  /** by node: what a leaf adds */
  value: Float64Array;
}

/**
 * Shapley values of a sum of trees against one reference row, exactly: interventional TreeSHAP (Lundberg et al., From local
 * explanations to global understanding with explainable AI for trees, Nature Machine Intelligence 2020). On the way down, a node
 * at which both rows go the same way divides nothing. Where they part, both ways are followed: on one of them the player has
 * joined, on the other it has not. A leaf that p players must have joined and q must not have pays `v (p-1)! q! / (p+q)!` to each
 * of the first and takes `v p! (q-1)! / (p+q)!` from each of the others.
 * @param playerOf by column: its player; several columns may be one
 * @returns adds to `into`, one value a player
 */
export function shapleyOfTrees(trees: readonly ShapleyTree[], row: ArrayLike<number>, reference: ArrayLike<number>, playerOf: Int32Array, into: Float64Array): void {
  const joined = new Int8Array(into.length); // 1: has joined, -1: has not, 0: does not matter so far
  const path: number[] = [];
  const weights = createWeights();
  for (const tree of trees) walk(tree, 0, 0, 0);

  function walk(tree: ShapleyTree, node: number, members: number, others: number): void {
    const column = tree.feature[node]!;
    if (column < 0) {
      const value = tree.value[node]!;
      if (path.length === 0 || value === 0) return;
      const gain = members > 0 ? value * weights(members - 1, others) : 0;
      const loss = others > 0 ? value * weights(members, others - 1) : 0;
      for (const player of path) into[player]! += joined[player] === 1 ? gain : -loss;
      return;
    }
    const player = playerOf[column]!;
    const side = joined[player]!;
    const childOf = (of: ArrayLike<number>): number => (tree.goesLeft(node, of) ? tree.left[node]! : tree.right[node]!);
    if (side !== 0) return walk(tree, childOf(side === 1 ? row : reference), members, others);
    const [withPlayer, without] = [childOf(row), childOf(reference)];
    if (withPlayer === without) return walk(tree, withPlayer, members, others);
    path.push(player);
    joined[player] = 1;
    walk(tree, withPlayer, members + 1, others);
    joined[player] = -1;
    walk(tree, without, members, others + 1);
    joined[player] = 0;
    path.pop();
  }
}

/** `a! b! / (a + b + 1)!` */
function createWeights(): (a: number, b: number) => number {
  const known = new Map<number, number>();
  return (a, b) => {
    const key = a * 4096 + b;
    let weight = known.get(key);
    if (weight === undefined) {
      weight = 1 / (a + b + 1);
      for (let at = 1; at <= b; at++) weight *= at / (a + at);
      known.set(key, weight);
    }
    return weight;
  };
}
