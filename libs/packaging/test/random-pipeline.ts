import type { Activation, DecisionTree, FittedEstimator, FittedFeature, FittedPipeline, FittedTarget } from '../src/index.ts';
import { type Cell, encode } from './plain-engine.ts';

/** What a random pipeline looks like; the numbers in it follow from `seed`. */
export interface Shape {
  seed: number;
  numbers: number;
  categories: number;
  /** 0 for regression */
  classes: number;
}

/** Numbers that follow from a seed (mulberry32, public domain). */
export function createRandom(seed: number) {
  let state = seed >>> 0;
  const unit = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  const below = (limit: number): number => Math.floor(unit() * limit);
  const between = (low: number, high: number): number => low + unit() * (high - low);
  return { unit, below, between };
}

type Random = ReturnType<typeof createRandom>;

/** Texts that have tripped up one-hot encoders before: empty, spaces, other scripts, and look-alikes. */
const TEXTS = [
  ...['', ' ', 'a', 'A', 'a ', 'a,b', 'é', 'e\u0301', 'größer', '運転', '🚂'],
  ...['?', '??', '0', 'null', 'NaN', '__proto__'],
];

function randomFeatures(shape: Shape, random: Random): FittedFeature[] {
  const features: FittedFeature[] = [];
  for (let index = 0; index < shape.numbers; index++) {
    const isConstant = random.unit() < 0.1;
    features.push({
      name: `number ${index}`,
      type: 'number',
      min: -3,
      max: 3,
      mean: random.between(-1, 1),
      scale: isConstant ? 1 : random.between(0.1, 3),
      fill: random.below(7) / 2 - 1,
      missingAllowed: true,
    });
  }
  for (let index = 0; index < shape.categories; index++) {
    const first = random.below(TEXTS.length - 4);
    // One category feature of a model with numbers may have nothing in it: a column without a value in training.
    const size = shape.numbers > 0 && random.unit() < 0.1 ? 0 : 1 + random.below(4);
    const categories = TEXTS.slice(first, first + size).sort();
    const type = size === 2 ? 'binary' : 'category';
    features.push({ name: `category ${index}`, type, categories, missingAllowed: true });
  }
  // Features of both kinds come mixed, as they do in a training configuration.
  for (let index = features.length - 1; index > 0; index--) {
    const other = random.below(index + 1);
    [features[index], features[other]] = [features[other]!, features[index]!];
  }
  return features;
}

/** Rows on a coarse grid, so that duplicates and equal distances are common; some cells missing, some never seen. */
export function randomRows(features: FittedFeature[], count: number, random: Random): Cell[][] {
  return Array.from({ length: count }, () =>
    features.map((feature): Cell => {
      if (random.unit() < 0.1) return null;
      if (feature.type === 'number') return random.below(7) / 2 - 1.5;
      if (random.unit() < 0.15) return 'never seen';
      return feature.categories[random.below(feature.categories.length)] ?? null;
    }),
  );
}

function randomTarget({ classes }: Shape, random: Random): FittedTarget {
  if (classes === 0) {
    return { name: 'target', type: 'number', mean: random.between(-50, 50), scale: random.between(0.5, 20) };
  }
  const names = Array.from({ length: classes }, (_, index) => `class ${String.fromCharCode(122 - index)}`);
  return { name: 'target', type: classes === 2 ? 'binary' : 'category', classes: names };
}

export function randomNearestNeighbours(
  shape: Shape,
  options: { rows: number; k: number; weights: 'uniform' | 'distance' },
): FittedPipeline {
  const random = createRandom(shape.seed);
  const features = randomFeatures(shape, random);
  const target = randomTarget(shape, random);
  const encoded = randomRows(features, options.rows, random).map((row) => encode(features, row));
  const classOf = () => random.below(shape.classes);
  const estimator: FittedEstimator = {
    family: 'knn',
    k: Math.min(options.k, options.rows),
    weights: options.weights,
    rows: Float64Array.from(encoded.flat()),
    width: encoded[0]!.length,
    targets:
      shape.classes === 0
        ? Float64Array.from({ length: options.rows }, () => random.between(-100, 100))
        : Int32Array.from({ length: options.rows }, classOf),
  };
  return { features, target, estimator };
}

export function randomDense(shape: Shape, hidden: Array<{ units: number; activation: Activation }>): FittedPipeline {
  const random = createRandom(shape.seed);
  const features = randomFeatures(shape, random);
  const target = randomTarget(shape, random);
  let inputs = encode(features, features.map(() => null)).length;
  const last: (typeof hidden)[number] =
    shape.classes === 0 ? { units: 1, activation: 'linear' } : { units: shape.classes, activation: 'softmax' };
  const layers = [...hidden, last].map(({ units, activation }, index) => {
    const reach = 1.5 / Math.sqrt(inputs);
    const layer = {
      activation,
      // Half of those that can be.
      residual: units === inputs && index < hidden.length && random.unit() < 0.5,
      inputs,
      units,
      kernel: Float32Array.from({ length: inputs * units }, () => random.between(-reach, reach)),
      bias: Float32Array.from({ length: units }, () => random.between(-0.5, 0.5)),
    };
    inputs = units;
    return layer;
  });
  return { features, target, estimator: { family: 'dense', layers } };
}

/** Pipelines that share columns and target, weighed at random; the preprocessing of each is its own. */
export function randomEnsemble(seed: number, make: Array<(seed: number) => FittedPipeline>): FittedPipeline {
  const random = createRandom(seed ^ 0x5eed);
  const [first, ...others] = make.map((one) => one(seed));
  const raw = make.map(() => random.between(0.1, 1));
  const total = raw.reduce((sum, weight) => sum + weight, 0);
  const members = [first!, ...others].map(({ features, target, estimator }, index) => {
    if (estimator.family === 'ensemble') throw new Error('An ensemble has no ensembles in it');
    const own = features.map((feature) => (feature.type === 'number' ? { ...feature, mean: feature.mean + random.unit(), fill: random.below(7) / 2 - 1 } : feature));
    return { weight: raw[index]! / total, features: own, target, estimator };
  });
  return { features: first!.features, target: first!.target, estimator: { family: 'ensemble', members } };
}

export function randomLinear(shape: Shape): FittedPipeline {
  const random = createRandom(shape.seed);
  const features = randomFeatures(shape, random);
  const width = encode(features, features.map(() => null)).length;
  const outputs = shape.classes || 1;
  const some = (length: number) => Float64Array.from({ length }, () => random.between(-2, 2));
  const estimator: FittedEstimator = { family: 'linear', width, kernel: some(width * outputs), bias: some(outputs) };
  return { features, target: randomTarget(shape, random), estimator };
}

export function randomBaseline(shape: Shape): FittedPipeline {
  const random = createRandom(shape.seed);
  const features = randomFeatures(shape, random);
  const parts = Array.from({ length: shape.classes || 1 }, () => random.between(0.1, 9));
  const total = shape.classes === 0 ? 1 : parts.reduce((sum, part) => sum + part, 0);
  const answer = Float64Array.from(parts, (part) => part / total);
  return { features, target: randomTarget(shape, random), estimator: { family: 'baseline', answer } };
}

/** Trees of any form, with sets of categories and both directions for missing values. */
export function randomTrees(shape: Shape, family: 'boosted_trees' | 'random_forest', options: { trees: number; leaves: number }): FittedPipeline {
  const random = createRandom(shape.seed);
  const features = randomFeatures(shape, random);
  const target = randomTarget(shape, random);
  const outputs = shape.classes > 2 ? shape.classes : 1;
  const codes = features.map((feature) =>
    feature.type === 'number' ? null : Int32Array.from(feature.categories.keys()).sort(() => random.unit() - 0.5));
  const perLeaf = family === 'random_forest' ? outputs : 1;
  const share = () => random.unit() / options.trees / outputs;
  const trees = Array.from({ length: options.trees * (outputs / perLeaf) }, () =>
    randomTree(features, codes, perLeaf, options.leaves, random, family === 'random_forest' && shape.classes > 0 ? share : () => random.between(-1, 1)));
  return { features, target, estimator: { family, outputs, trees, codes } as FittedEstimator };
}

function randomTree(
  features: FittedFeature[], codes: Array<Int32Array | null>, perLeaf: number, leaves: number, random: Random, value: () => number,
): DecisionTree {
  const feature = [-1];
  const threshold = [0];
  const missingLeft = [0];
  const left = [0];
  const right = [0];
  const sets: number[] = [];
  const divisible = features.flatMap(({ type }, place) => (type === 'number' || codes[place]!.length > 0 ? [place] : []));
  for (let grown = 1; grown < leaves; grown++) {
    const open = feature.flatMap((asked, node) => (asked < 0 ? [node] : []));
    const node = open[random.below(open.length)]!;
    const asked = divisible[random.below(divisible.length)]!;
    feature[node] = asked;
    if (codes[asked] === null) {
      threshold[node] = random.below(7) / 2 - 1.5;
      missingLeft[node] = random.below(2);
    } else {
      threshold[node] = sets.length / 8;
      // Neither side is empty, as training sees to.
      const all = 2 ** (codes[asked]!.length + 1) - 1;
      sets.push(1 + random.below(all - 1), 0, 0, 0, 0, 0, 0, 0);
    }
    [left[node], right[node]] = [feature.length, feature.length + 1];
    for (const list of [threshold, missingLeft, left, right]) list.push(0, 0);
    feature.push(-1, -1);
  }
  let leaf = 0;
  feature.forEach((asked, node) => {
    if (asked < 0) left[node] = leaf++;
  });
  return {
    feature: Int32Array.from(feature),
    threshold: Float64Array.from(threshold),
    missingLeft: Int32Array.from(missingLeft),
    left: Int32Array.from(left),
    right: Int32Array.from(right),
    sets: Int32Array.from(sets),
    values: Float64Array.from({ length: leaf * perLeaf }, value),
  };
}
