import { createPacer } from '../pacer.ts';
import { createRandom } from '../random.ts';
import type { BinnedColumn } from './binned-columns.ts';
import { type GrowthSettings, TreeGrower } from './grow-tree.ts';
import { isInSet } from './tree.ts';

const free: GrowthSettings = {
  numLeaves: 31, maxDepth: Infinity, minDataInLeaf: 1, minSumHessianInLeaf: 0, lambdaL1: 0, lambdaL2: 0, minGainToSplit: 0,
};

/** Bins as they are; a boundary between bins b and b+1 lies at b + 0.5. Bin `count` is for missing values. */
function column(bins: number[], count = Math.max(...bins) + 1, type: BinnedColumn['type'] = 'number'): BinnedColumn {
  const boundaries = type === 'number' ? Float64Array.from({ length: count - 1 }, (_, bin) => bin + 0.5) : new Float64Array();
  return { type, count, bins: Uint8Array.from(bins), boundaries };
}

async function grow(columns: BinnedColumn[], gradients: number[], settings: Partial<GrowthSettings> = {}, more: { monotone?: number[]; keepsHistograms?: boolean; hessians?: number[] } = {}) {
  const grower = new TreeGrower({
    columns, outputs: 1, settings: { ...free, ...settings },
    monotone: Int8Array.from(columns, (_, place) => more.monotone?.[place] ?? 0), keepsHistograms: more.keepsHistograms ?? true,
  });
  const rows = Int32Array.from(gradients.keys());
  const all = Int32Array.from(columns.keys());
  const hessians = more.hessians ? Float64Array.from(more.hessians) : null;
  const grown = await grower.grow(rows, Float64Array.from(gradients), hessians, () => all, createPacer());
  return grown!;
}

const valuesOf = async (...parameters: Parameters<typeof grow>): Promise<number[]> => {
  const { tree, leafOf } = await grow(...parameters);
  return parameters[1].map((_, row) => tree.values[leafOf(row)]!);
};

describe('a division, by hand', () => {
  // Bin 0, 1, 2, 3 with gradients 3, 1, -2, -4: G = 4 and -6 in halves, each of hessian 2.
  const x = column([0, 1, 2, 3]);
  const gradients = [3, 1, -2, -4];

  test('takes the cut with the greatest G²/H of both sides, and leaves of -G/H', async () => {
    // Cuts gain 9/1 + 25/3 - 4/4 = 16.3, 16/2 + 36/2 - 1 = 25, 4/3 + 16/1 - 1 = 16.3.
    const { tree } = await grow([x], gradients, { numLeaves: 2 });
    expect(tree).toMatchObject({ feature: Int32Array.of(0, -1, -1), threshold: Float64Array.of(1.5, 0, 0), values: Float64Array.of(-2, 3) });
  });

  test('lambdaL2 enlarges the hessian, lambdaL1 shrinks the gradient', async () => {
    expect(await valuesOf([x], gradients, { numLeaves: 2, lambdaL2: 2 })).toEqual([-1, -1, 1.5, 1.5]);
    expect(await valuesOf([x], gradients, { numLeaves: 2, lambdaL1: 1 })).toEqual([-1.5, -1.5, 2.5, 2.5]);
  });

  test('hessians weigh rows', async () => {
    expect(await valuesOf([x], gradients, { numLeaves: 2 }, { hessians: [1, 3, 1, 1] })).toEqual([-1, -1, 3, 3]);
  });

  test('is made only if it gains more than minGainToSplit', async () => {
    expect(await valuesOf([x], gradients, { numLeaves: 2, minGainToSplit: 24.9 })).toEqual([-2, -2, 3, 3]);
    expect(await valuesOf([x], gradients, { numLeaves: 2, minGainToSplit: 25 })).toEqual([0.5, 0.5, 0.5, 0.5]);
  });

  test('leaves minDataInLeaf rows and minSumHessianInLeaf on each side', async () => {
    const steep = [-9, 1, 1, 1];
    expect(await valuesOf([x], steep, { numLeaves: 2 })).toEqual([9, -1, -1, -1]);
    expect(await valuesOf([x], steep, { numLeaves: 2, minDataInLeaf: 2 })).toEqual([4, 4, -1, -1]);
    expect(await valuesOf([x], steep, { numLeaves: 2, minSumHessianInLeaf: 1.5 })).toEqual([4, 4, -1, -1]);
  });

  test('the leaf that gains most is divided first, and depth is bounded', async () => {
    // Halves first; then 5 from 1 gains 8, and -2 from -4 only 2.
    expect(await valuesOf([x], [5, 1, -2, -4], { numLeaves: 3 })).toEqual([-5, -1, 3, 3]);
    expect(await valuesOf([x], [5, 1, -2, -4], { numLeaves: 4, maxDepth: 1 })).toEqual([-3, -3, 3, 3]);
  });

  test('equal rows are not divided, however they are rounded', async () => {
    const { tree } = await grow([x], [0.1, 0.1, 0.1, 0.1]);
    expect(tree.feature).toEqual(Int32Array.of(-1));
  });

  test('empty bins between both sides are shared out', async () => {
    const { tree } = await grow([column([0, 0, 9, 9], 10)], [1, 1, -1, -1]);
    expect(tree.threshold[0]).toBe(4.5);
  });
});

describe('missing values', () => {
  // Left of 1.5 lie gradients 2 and 2, right of it -3 and -3.
  test.each([[2, 1], [-3, 0]])('with gradient %p goes where it gains most', async (gradient, missingLeft) => {
    const { tree } = await grow([column([0, 1, 2, 3, 4], 4)], [2, 2, -3, -3, gradient], { numLeaves: 2 });
    expect(tree).toMatchObject({ threshold: Float64Array.of(1.5, 0, 0), missingLeft: Int32Array.of(missingLeft, 0, 0) });
    expect(Array.from(tree.values)).toEqual([-2, 3]);
  });

  test('can be told from all known values', async () => {
    const { tree, leafOf } = await grow([column([0, 1, 2, 3, 3], 3)], [1, 1, 1, -4, -4], { numLeaves: 2 });
    expect(tree).toMatchObject({ threshold: Float64Array.of(Number.MAX_VALUE, 0, 0), missingLeft: Int32Array.of(0, 0, 0) });
    expect([leafOf(0), leafOf(2), leafOf(3), leafOf(4)]).toEqual([0, 0, 1, 1]);
  });

  test('never seen in training, go with the larger side', async () => {
    expect((await grow([column([0, 0, 0, 1], 2)], [1, 1, 1, -3])).tree.missingLeft[0]).toBe(1);
    expect((await grow([column([0, 1, 1, 1], 2)], [3, -1, -1, -1])).tree.missingLeft[0]).toBe(0);
  });
});

describe('categories', () => {
  test('are divided into the two sets that gain most, whatever their codes', async () => {
    const { tree, leafOf } = await grow([column([0, 1, 2, 3], 4, 'category')], [5, -4, 4, -5], { numLeaves: 2 });
    expect(leafOf(0)).toBe(leafOf(2));
    expect(leafOf(1)).toBe(leafOf(3));
    expect(Array.from(tree.values).sort((a, b) => a - b)).toEqual([-4.5, 4.5]);
    expect([0, 1, 2, 3].map((code) => isInSet(tree.sets, 0, code))).toEqual([false, true, false, true]);
  });

  test('unseen and missing ones go with the larger side, or where missing ones gained most', async () => {
    const unseen = await grow([column([0, 1, 1, 1], 2, 'category')], [5, -4, -4, -4], { numLeaves: 2 });
    expect(isInSet(unseen.tree.sets, 0, 2)).toBe(isInSet(unseen.tree.sets, 0, 1));
    const missing = await grow([column([0, 1, 1, 1, 2], 2, 'category')], [5, -4, -4, -4, 5], { numLeaves: 2 });
    expect(isInSet(missing.tree.sets, 0, 2)).toBe(isInSet(missing.tree.sets, 0, 0));
  });

  test('the cut in the order of G/H is the best of all divisions in two', async () => {
    const random = createRandom(5);
    const bins = Array.from({ length: 60 }, () => random.below(4));
    const gradients = bins.map((bin) => [1, -2, 0.5, -0.5][bin]! + random.uniform());
    const worth = (chosen: number[]) => {
      const sum = chosen.reduce((total, row) => total + gradients[row]!, 0);
      return chosen.length > 0 ? sum ** 2 / chosen.length : 0;
    };
    const sides = Array.from({ length: 14 }, (_, at) => at + 1).map((set) => {
      const left = bins.flatMap((bin, row) => ((set >> bin) & 1 ? [row] : []));
      return worth(left) + worth(bins.flatMap((_, row) => (left.includes(row) ? [] : [row])));
    });
    const { ends, rows } = await grow([column(bins, 4, 'category')], gradients, { numLeaves: 2 });
    const found = worth(Array.from(rows.subarray(0, ends[0]))) + worth(Array.from(rows.subarray(ends[0])));
    expect(found).toBeCloseTo(Math.max(...sides), 9);
  });
});

test('many categories that mean nothing are not divided, those that mean something are', async () => {
  const random = createRandom(3);
  const bins = Array.from({ length: 2000 }, () => random.below(150));
  const chance = bins.map(() => random.uniform() - 0.5);
  const settings = { numLeaves: 2, minDataInLeaf: 5 };
  expect((await grow([column(bins, 150, 'category')], chance, settings)).tree.feature).toEqual(Int32Array.of(-1));
  const meant = chance.map((value, row) => value + ((bins[row]! * 7) % 3 === 0 ? 0.3 : 0));
  const { tree } = await grow([column(bins, 150, 'category')], meant, settings);
  const isRight = Array.from({ length: 150 }, (_, code) => isInSet(tree.sets, 0, code) === ((code * 7) % 3 === 0));
  const agreeing = isRight.filter(Boolean).length;
  expect(Math.max(agreeing, 150 - agreeing)).toBeGreaterThan(120);
});

describe('many rows', () => {
  const random = createRandom(9);
  const count = 3000;
  const columns = [
    column(Array.from({ length: count }, () => random.below(100)), 99),
    column(Array.from({ length: count }, () => random.below(20)), 19, 'category'),
    column(Array.from({ length: count }, () => random.below(7)), 7),
  ];
  const gradients = Array.from({ length: count }, (_, row) => {
    const [a, b] = [columns[0]!.bins[row]!, columns[1]!.bins[row]!];
    return Math.round(8 * (Math.sin(a / 9) + (b % 3) - 1 + random.uniform()));
  });

  test('a subtracted histogram finds the divisions that a counted one finds', async () => {
    // Whole numbers: sums are exact in any order.
    const settings = { numLeaves: 200, minDataInLeaf: 3 };
    const kept = await grow(columns, gradients, settings);
    const counted = await grow(columns, gradients, settings, { keepsHistograms: false });
    expect(kept.tree.feature.length).toBe(399);
    expect(kept.tree).toEqual(counted.tree);
    expect(kept.rows).toEqual(counted.rows);
  });

  test('rows lie by leaf, and each leaf answers with its rows', async () => {
    const { tree, rows, ends, leafOf } = await grow(columns, gradients, { numLeaves: 40 });
    let begin = 0;
    ends.forEach((end, leaf) => {
      const own = Array.from(rows.subarray(begin, end));
      expect(own.every((row) => leafOf(row) === leaf)).toBe(true);
      expect(tree.values[leaf]).toBeCloseTo(-own.reduce((sum, row) => sum + gradients[row]!, 0) / own.length, 9);
      begin = end;
    });
    expect(begin).toBe(count);
  });

  test('monotone constraints hold between all bins, in both directions, and nowhere else', async () => {
    for (const direction of [1, -1, 0]) {
      const { tree } = await grow(columns, gradients, { numLeaves: 60 }, { monotone: [direction, 0, 0] });
      const steps: number[] = [];
      for (let b = 0; b < 20; b++) {
        for (let c = 0; c < 7; c++) {
          const answers = Array.from({ length: 99 }, (_, a) => answer(tree, [a, b, c]));
          answers.forEach((value, a) => a > 0 && steps.push(Math.sign(value - answers[a - 1]!)));
        }
      }
      expect([...new Set(steps)].sort()).toEqual(direction === 0 ? [-1, 0, 1] : [direction, 0].sort());
    }
  });

  function answer(tree: Awaited<ReturnType<typeof grow>>['tree'], bins: number[]): number {
    let node = 0;
    while (tree.feature[node]! >= 0) {
      const asked = tree.feature[node]!;
      const isLeft = columns[asked]!.type === 'category' ? isInSet(tree.sets, tree.threshold[node]!, bins[asked]!) : bins[asked]! <= tree.threshold[node]!;
      node = isLeft ? tree.left[node]! : tree.right[node]!;
    }
    return tree.values[tree.left[node]!]!;
  }
});

test('several outputs: a leaf averages each, and a division lowers the sum of their errors', async () => {
  const columns = [column([0, 0, 1, 1, 2, 2]), column([0, 1, 0, 1, 0, 1])];
  const classes = [0, 0, 1, 1, 2, 2];
  const gradients = Float64Array.from({ length: 18 }, (_, cell) => -Number(classes[Math.floor(cell / 3)] === cell % 3));
  const grower = new TreeGrower({ columns, outputs: 3, settings: free, monotone: new Int8Array(2), keepsHistograms: false });
  const { tree } = (await grower.grow(Int32Array.of(0, 1, 2, 3, 4, 5), gradients, new Float64Array(6).fill(1), () => Int32Array.of(0, 1), createPacer()))!;
  expect(tree.feature).toEqual(Int32Array.of(0, -1, 0, -1, -1));
  expect(tree.values).toEqual(Float64Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1));
});

test('a stop is obeyed', async () => {
  const grower = new TreeGrower({ columns: [column([0, 1])], outputs: 1, settings: free, monotone: new Int8Array(1), keepsHistograms: true });
  expect(await grower.grow(Int32Array.of(0, 1), Float64Array.of(1, -1), null, () => Int32Array.of(0), createPacer(AbortSignal.abort()))).toBeNull();
});
