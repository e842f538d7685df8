import { buildPackage, checkVectors, type DecisionTree, type FittedPipeline, loadModel, type ValidatedRows } from '@millrace/packaging';
import { weighMarginals } from './exact-shapley.ts';
import { planExplanation } from './explain-row.ts';
import { servedTreesOf, TooMuchWork } from './served-trees.ts';
import { mostVisits, shapleyOfTrees, type ShapleyTree, waysOf } from './tree-shap.ts';

let state = 11;
const chance = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
const whole = (below: number) => Math.floor(chance() * below);

/** A tree that divides again and again at random, so that paths ask about the same column several times. */
function randomTree(columns: number, depth: number, codes: (Int32Array | null)[], perLeaf = 1): DecisionTree {
  const nodes: { feature: number; threshold: number; left: number; right: number }[] = [];
  const sets: number[] = [];
  let leaves = 0;
  const grow = (left: number): number => {
    const node = nodes.push({ feature: -1, threshold: 0, left: 0, right: 0 }) - 1;
    if (left === 0 || (left < depth && chance() < 0.15)) {
      nodes[node]!.left = leaves++;
      return node;
    }
    const feature = whole(columns);
    const threshold = codes[feature] === null ? chance() * 4 - 2 : sets.push(1 + whole(14), ...Array<number>(7).fill(0)) / 8 - 1; // some of the four codes, not all
    const [yes, no] = [grow(left - 1), grow(left - 1)];
    nodes[node] = { feature, threshold, left: yes, right: no };
    return node;
  };
  grow(depth);
  return {
    feature: Int32Array.from(nodes, ({ feature }) => feature),
    threshold: Float64Array.from(nodes, ({ threshold }) => threshold),
    missingLeft: Int32Array.from(nodes, () => whole(2)),
    left: Int32Array.from(nodes, ({ left }) => left),
    right: Int32Array.from(nodes, ({ right }) => right),
    sets: Int32Array.from(sets),
    values: Float64Array.from({ length: leaves * perLeaf }, () => chance() * 4 - 2),
  };
}

it('TreeSHAP is the Shapley value over all coalitions, when paths ask again and columns are one player', () => {
  const [columns, players] = [6, 5];
  const playerOf = Int32Array.of(0, 1, 2, 3, 4, 4);
  for (let round = 0; round < 30; round++) {
    const trees = Array.from({ length: 3 }, (): ShapleyTree => {
      const { feature, threshold, left, right, values } = randomTree(columns, 5, Array<null>(columns).fill(null));
      return { feature, left, right, value: Float64Array.from(feature, (asked, node) => (asked < 0 ? values[left[node]!]! : 0)), goesLeft: (node, value) => value <= threshold[node]! };
    });
    const answer = (row: number[]) => trees.reduce((sum, tree) => {
      let node = 0;
      while (tree.feature[node]! >= 0) node = tree.goesLeft(node, row[tree.feature[node]!]!) ? tree.left[node]! : tree.right[node]!;
      return sum + tree.value[node]!;
    }, 0);
    const rows = Array.from({ length: 1 + 7 }, () => Array.from({ length: columns }, () => chance() * 4 - 2));
    const [row, ...references] = rows as [number[], ...number[][]];
    const exact = new Float64Array(players);
    for (const reference of references) {
      weighMarginals(players, (mask) => answer(row.map((value, column) => ((mask >> playerOf[column]!) & 1 ? value : reference[column]!)))).forEach((value, player) => (exact[player]! += value));
    }
    const found = new Float64Array(players);
    const visited = shapleyOfTrees(trees, trees.map((tree) => waysOf(tree, references)), row, references.length, playerOf, found);
    exact.forEach((value, player) => expect(found[player]).toBeCloseTo(value, 10));
    // Together, references are walked in fewer steps than one after another, and never in more than was said.
    const apart = references.reduce((sum, reference) => sum + shapleyOfTrees(trees, trees.map((tree) => waysOf(tree, [reference])), row, 1, playerOf, new Float64Array(players)), 0);
    expect(visited).toBeLessThan(apart);
    expect(visited).toBeLessThanOrEqual(trees.reduce((sum, tree) => sum + mostVisits(tree, references.length), 0));
  }
});

const number = (name: string) => ({ name, type: 'number', min: -2, max: 2, mean: 0, scale: 1, fill: 0, missingAllowed: true }) as const;
const features: FittedPipeline['features'] = [number('a'), { name: 'kind', type: 'category', categories: ['x', 'y', 'z'], missingAllowed: true }, number('b'), number('c'), number('d'), number('e')];
const codes = [null, Int32Array.of(2, 0, 1), null, null, null, null];
const forest = (outputs: number, perLeaf: number): FittedPipeline['estimator'] => ({ family: 'random_forest', outputs, codes, trees: Array.from({ length: 3 }, () => shares(randomTree(6, 4, codes, perLeaf))) });
/** Leaves of a forest of classes add up to shares. */
const shares = (tree: DecisionTree): DecisionTree => ({ ...tree, values: tree.values.map((value) => (value + 2) / 12) });
const boosted: FittedPipeline['estimator'] = { family: 'boosted_trees', outputs: 1, codes, trees: Array.from({ length: 4 }, () => randomTree(6, 4, codes)) };

const pipelines: [string, FittedPipeline, string | undefined][] = [
  ['boosted regression', { features, target: { name: 'y', type: 'number', mean: 50, scale: 10 }, estimator: boosted }, undefined],
  ['first of two classes of a forest', { features, target: { name: 'y', type: 'category', classes: ['no', 'yes'] }, estimator: forest(1, 1) }, 'no'],
  ['third class of a forest', { features, target: { name: 'y', type: 'category', classes: ['p', 'q', 'r'] }, estimator: forest(3, 3) }, 'r'],
];

it.each(pipelines)('the trees of a %s explain what the served graph answers, gaps and categories too', async (_name, pipeline, className) => {
  const { files, signature, digest } = buildPackage(pipeline, { metrics: {}, lineage: {} });
  const model = await loadModel(files);
  const cell = () => (chance() < 0.2 ? null : chance() * 4 - 2);
  const vectors = Array.from({ length: 7 }, () => [cell(), [null, 'x', 'y', 'z'][whole(4)]!, cell(), cell(), cell(), cell()]);
  const rowsOf = (some: unknown[]): ValidatedRows => {
    const checked = checkVectors(signature, some);
    if (checked.type === 'invalid') throw new Error(checked.problems[0]!.message);
    return checked.rows;
  };
  const [row, background] = [rowsOf([vectors[0]]), rowsOf(vectors.slice(1))];
  const explain = async (trees: ReturnType<typeof servedTreesOf>) => {
    const planned = planExplanation(signature, digest, { background, isBackgroundKnown: true, trees: trees ?? undefined }, { class: className });
    if (planned.type === 'refused') throw new Error(planned.problem.message);
    return planned.explain(row, { model, inTurn: async (work) => work() });
  };
  const [byTrees, byCounting] = [await explain(servedTreesOf(pipeline, signature)), await explain(null)];
  await model.close();
  expect([byTrees.method.algorithm, byCounting.method.algorithm]).toEqual(['tree_shap', 'exact_enumeration']);
  const scale = Math.max(...byCounting.attributions.map(({ value }) => Math.abs(value)));
  expect(scale).toBeGreaterThan(0);
  // The graph answers in single precision.
  byCounting.attributions.forEach(({ value }, place) => expect(Math.abs(byTrees.attributions[place]!.value - value)).toBeLessThan(1e-6 * Math.max(scale, Math.abs(byCounting.answer))));
  expect(Math.abs(byTrees.additivityError)).toBeLessThan(1e-6 * Math.max(scale, Math.abs(byCounting.answer)));
});

it('trees behind a sigmoid or a calibration are none whose sums are the answer', () => {
  const classes: FittedPipeline['target'] = { name: 'y', type: 'category', classes: ['no', 'yes'] };
  const signature = buildPackage({ features, target: classes, estimator: forest(1, 1) }, { metrics: {}, lineage: {} }).signature;
  expect(servedTreesOf({ features, target: classes, estimator: boosted }, signature)).toBeNull();
  expect(servedTreesOf({ features, target: { ...classes, calibration: { type: 'platt', slopes: Float64Array.of(1), shifts: Float64Array.of(0) } }, estimator: forest(1, 1) }, signature)).toBeNull();
});

it('walking through trees is work that is counted, told ahead at most, and ended where it is more than is allowed', async () => {
  const pipeline: FittedPipeline = { features, target: { name: 'y', type: 'number', mean: 50, scale: 10 }, estimator: { family: 'random_forest', outputs: 1, codes, trees: Array.from({ length: 40 }, () => randomTree(6, 9, codes)) } };
  const { files, signature, digest } = buildPackage(pipeline, { metrics: {}, lineage: {} });
  const model = await loadModel(files);
  const vector = () => [chance(), 'x', chance(), chance(), chance(), chance()];
  const checked = checkVectors(signature, [vector()]);
  const more = checkVectors(signature, Array.from({ length: 40 }, vector)); // more than one walk takes
  if (checked.type === 'invalid' || more.type === 'invalid') throw new Error('unfit');
  const plan = (maxEvaluations?: number) => {
    const planned = planExplanation(signature, digest, { background: more.rows, isBackgroundKnown: true, trees: servedTreesOf(pipeline, signature)! }, { maxEvaluations });
    if (planned.type === 'refused') throw new Error(planned.problem.message);
    return planned;
  };
  const row = checked.rows;
  const options = { model, inTurn: async <Result>(work: () => Result | Promise<Result>) => work() };
  const generous = plan(20_000);
  const { work, method, additivityError, answer } = await generous.explain(row, options);
  expect(method.algorithm).toBe('tree_shap');
  expect(work).toBeGreaterThan(method.evaluations);
  expect(work).toBeLessThanOrEqual(generous.mostWork);
  expect(Math.abs(additivityError)).toBeLessThan(1e-6 * Math.max(1, Math.abs(answer)));
  const tight = plan(work - 1);
  expect(tight.mostWork).toBe(work - 1);
  await expect(tight.explain(row, options)).rejects.toThrow(TooMuchWork);
  await model.close();
});
