/** Trees whose leaves add up to an answer, as `shapleyOfTrees` walks them. */
export interface ShapleyTree {
  /** by node: the column that it asks about; -1 in a leaf */
  feature: Int32Array;
  /** whether a row goes left there that has this value in the column */
  goesLeft(node: number, value: number): boolean;
  left: Int32Array;
  right: Int32Array;
  /** by node: what a leaf adds */
  value: Float64Array;
}

/** Reference rows that are walked together: one bit of a number each. */
export const mostTogether = 32;

/** By node, which of up to `mostTogether` reference rows go left: the same for every row that is compared with them. */
export function waysOf({ feature, goesLeft }: ShapleyTree, references: readonly ArrayLike<number>[]): Int32Array {
  const ways = new Int32Array(feature.length);
  for (let node = 0; node < feature.length; node++) {
    const column = feature[node]!;
    if (column < 0) continue;
    let bits = 0;
    for (let reference = 0; reference < references.length; reference++) if (goesLeft(node, references[reference]![column]!)) bits |= 1 << reference;
    ways[node] = bits;
  }
  return ways;
}

/**
 * Shapley values of a sum of trees, summed over reference rows, exactly: interventional TreeSHAP (Lundberg et al., From local
 * explanations to global understanding with explainable AI for trees, Nature Machine Intelligence 2020). On the way down, a node
 * at which both rows go the same way divides nothing. Where they part, both ways are followed: on one of them the player has
 * joined, on the other it has not. A leaf that p players must have joined and q must not have pays `v (p-1)! q! / (p+q)!` to each
 * of the first and takes `v p! (q-1)! / (p+q)!` from each of the others. References that have gone the same way so far are walked
 * as one.
 * @param ways by tree: where the references go, from `waysOf`
 * @param playerOf by column: its player; several columns may be one
 * @returns nodes visited; adds to `into`, one value a player
 */
export function shapleyOfTrees(
  trees: readonly ShapleyTree[], ways: readonly Int32Array[], row: ArrayLike<number>, references: number, playerOf: Int32Array, into: Float64Array,
): number {
  const joined = new Int8Array(into.length); // 1: has joined, -1: has not, 0: does not matter so far
  const path: number[] = [];
  const weights = createWeights();
  let visited = 0;
  trees.forEach((tree, at) => walk(tree, ways[at]!, 0, references === mostTogether ? -1 : (1 << references) - 1, 0, 0));
  return visited;

  /** `who`: the references that come by here, by bit */
  function walk(tree: ShapleyTree, way: Int32Array, node: number, who: number, members: number, others: number): void {
    visited += 1;
    const column = tree.feature[node]!;
    if (column < 0) {
      const value = tree.value[node]! * bitsOf(who);
      if (path.length === 0 || value === 0) return;
      const gain = members > 0 ? value * weights(members - 1, others) : 0;
      const loss = others > 0 ? value * weights(members, others - 1) : 0;
      for (const player of path) into[player]! += joined[player] === 1 ? gain : -loss;
      return;
    }
    const player = playerOf[column]!;
    const side = joined[player]!;
    const lefts = who & way[node]!;
    const rights = who & ~way[node]!;
    if (side === -1) {
      if (lefts !== 0) walk(tree, way, tree.left[node]!, lefts, members, others);
      if (rights !== 0) walk(tree, way, tree.right[node]!, rights, members, others);
      return;
    }
    const isLeft = tree.goesLeft(node, row[column]!);
    const [own, other] = isLeft ? [tree.left[node]!, tree.right[node]!] : [tree.right[node]!, tree.left[node]!];
    if (side === 1) return walk(tree, way, own, who, members, others);
    const [same, parting] = isLeft ? [lefts, rights] : [rights, lefts];
    if (same !== 0) walk(tree, way, own, same, members, others);
    if (parting === 0) return;
    path.push(player);
    joined[player] = 1;
    walk(tree, way, own, parting, members + 1, others);
    joined[player] = -1;
    walk(tree, way, other, parting, members, others + 1);
    joined[player] = 0;
    path.pop();
  }
}

/** Nodes that a walk visits at most: at a depth there are no more ways to come by than references, and than ways at all. */
export function mostVisits({ feature, left, right }: ShapleyTree, references: number): number {
  let visits = 0;
  const open: [node: number, ways: number][] = [[0, 1]];
  for (let next = open.pop(); next; next = open.pop()) {
    const [node, ways] = next;
    visits += ways;
    if (feature[node]! >= 0) for (const child of [left[node]!, right[node]!]) open.push([child, Math.min(references, 2 * ways)]);
  }
  return visits;
}

function bitsOf(set: number): number {
  let rest = set - ((set >>> 1) & 0x55555555);
  rest = (rest & 0x33333333) + ((rest >>> 2) & 0x33333333);
  return Math.imul((rest + (rest >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
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
