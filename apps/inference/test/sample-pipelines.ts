import type { FittedForecast, FittedPipeline, FittedRecommender } from '@millrace/packaging';

const number = (name: string, min: number, max: number, missingAllowed = false) =>
  ({ name, type: 'number', min, max, mean: (min + max) / 2, scale: (max - min) / 4, fill: (min + max) / 2, missingAllowed }) as const;

export const irisFeatures = ['sepal length', 'sepal width', 'petal length', 'petal width'];
export const setosa = [5.1, 3.5, 1.4, 0.2];
export const virginica = [6.3, 3.3, 6.0, 2.5];

/** Four numbers, three classes: k-nearest neighbours over one flower of each. */
export function irisNeighbours(): FittedPipeline {
  const features = [number('sepal length', 4.3, 7.9), number('sepal width', 2, 4.4), number('petal length', 1, 6.9), number('petal width', 0.1, 2.5)];
  const flowers = [setosa, [5.9, 3.0, 4.2, 1.5], virginica];
  return {
    features,
    target: { name: 'species', type: 'category', classes: ['setosa', 'versicolor', 'virginica'] },
    estimator: {
      family: 'knn',
      k: 1,
      weights: 'uniform',
      rows: Float64Array.from(flowers.flatMap((flower) => flower.map((value, index) => (value - features[index]!.mean) / features[index]!.scale))),
      width: 4,
      targets: Int32Array.from([0, 1, 2]),
    },
  };
}

/** The same with the names of the demo's columns, which the examples of the OpenAPI document have. */
export function irisOfDemo(): FittedPipeline {
  const pipeline = irisNeighbours();
  return { ...pipeline, features: pipeline.features.map((feature) => ({ ...feature, name: `${feature.name} (cm)` })) };
}

/** Two hidden layers over four numbers, three classes: the size of network that iris gets. */
export function irisNetwork(): FittedPipeline {
  const { features, target } = irisNeighbours();
  const sizes = [4, 32, 16, 3];
  let state = 1;
  const weight = (): number => ((state = (state * 48_271) % 2_147_483_647) / 2_147_483_647 - 0.5);
  const layers = sizes.slice(1).map((units, index) => {
    const inputs = sizes[index]!;
    return {
      activation: index === sizes.length - 2 ? ('softmax' as const) : ('relu' as const),
      inputs,
      units,
      kernel: Float32Array.from({ length: inputs * units }, weight),
      bias: Float32Array.from({ length: units }, weight),
    };
  });
  return { features, target, estimator: { family: 'dense', layers } };
}

/** `value = constant`, whatever `x` is: tells versions apart by what they predict. */
export function constant(value: number): FittedPipeline {
  return {
    features: [number('x', 0, 10)],
    target: { name: 'y', type: 'number', mean: value, scale: 1 },
    estimator: { family: 'dense', layers: [{ activation: 'linear', inputs: 1, units: 1, kernel: new Float32Array(1), bias: new Float32Array(1) }] },
  };
}

/** `yes` with a probability that grows with x: a half at 5. */
export function yesFrom(): FittedPipeline {
  return {
    features: [number('x', 0, 10)],
    target: { name: 'y', type: 'category', classes: ['no', 'yes'] },
    estimator: { family: 'dense', layers: [{ activation: 'softmax', inputs: 1, units: 2, kernel: Float32Array.of(0, 1), bias: new Float32Array(2) }] },
  };
}

/** Has no finite answer to what is far out of its range. */
export function overflowing(): FittedPipeline {
  return { ...constant(0), estimator: { family: 'dense', layers: [{ activation: 'linear', inputs: 1, units: 1, kernel: Float32Array.of(3e37), bias: new Float32Array(1) }] } };
}

/** A number that may be missing and a category: predicts 10 for `steel`, 20 for `brass`, plus the pressure. */
export function mixedRegression(): FittedPipeline {
  return {
    features: [
      { name: 'pressure', type: 'number', min: 0, max: 10, mean: 0, scale: 1, fill: 5, missingAllowed: true },
      { name: 'material', type: 'category', categories: ['brass', 'steel'], missingAllowed: false },
    ],
    target: { name: 'wear', type: 'number', mean: 0, scale: 1 },
    estimator: {
      family: 'dense',
      layers: [{ activation: 'linear', inputs: 3, units: 1, kernel: Float32Array.from([1, 20, 10]), bias: Float32Array.from([0]) }],
    },
  };
}

/** Pictures of 8 × 6 in colour, two classes: two layers of filters. */
export function pictureNetwork(): FittedPipeline {
  let state = 5;
  const floats = (length: number): Float32Array => Float32Array.from({ length }, () => ((state = (state * 48_271) % 2_147_483_647) / 2_147_483_647 - 0.5) / 2);
  return {
    features: [],
    image: { name: 'photo', width: 8, height: 6, channels: 3 },
    target: { name: 'defect', type: 'category', classes: ['good', 'scratch'] },
    estimator: {
      family: 'convolutional',
      mean: Float32Array.of(120, 110, 130),
      scale: Float32Array.of(50, 60, 55),
      layers: [
        { inputs: 3, filters: 8, pooled: true, kernel: floats(9 * 3 * 8), bias: floats(8) },
        { inputs: 8, filters: 16, pooled: false, kernel: floats(9 * 8 * 16), bias: floats(16) },
      ],
      head: { kernel: floats(16 * 2), bias: floats(2) },
    },
  };
}

/** Two machines that had parts; whoever is unknown gets what is usual. Lists of what they had are of different lengths. */
export function partsRecommender(): FittedRecommender {
  return {
    family: 'matrix_factorisation', user: 'machine', item: 'part', users: ['mill', 'press'], items: ['belt', 'filter', 'pump', 'valve'], topN: 2, excludesSeen: true,
    seen: { starts: Int32Array.of(0, 1, 3), items: Int32Array.of(0, 0, 2) },
    popularity: Float32Array.of(1, 0.25, 0.5, 0.3),
    rule: { type: 'factors', rank: 2, users: Float32Array.of(1, 0.1, 0.5, -1), items: Float32Array.of(9, 9, 1, 2, 3, 4, -5, 6), bias: Float32Array.of(0, 0.5, 0, 0) },
  };
}

/** Two sites, three steps, and a temperature that is known ahead. */
export function visitsForecast(): FittedForecast {
  return {
    family: 'lagged_trees', target: 'visits', series: { column: 'site', names: ['Köln', 'north'] }, horizon: 3,
    covariates: [{ name: 'temperature', type: 'number', min: -10, max: 30, mean: 10, scale: 10, fill: 10, missingAllowed: false }],
    parts: [{ base: Float64Array.of(10, 11, 12, 20, 21, 22), unit: new Float64Array(6).fill(1.7), logarithmic: new Int32Array(2), head: { type: 'linear', weights: Float64Array.of(0.3, -0.7) } }],
    floor: Float64Array.of(0, 0), below: new Float64Array(6).fill(2), above: new Float64Array(6).fill(3),
    lastObservation: '2026-03-31T00:00:00.000Z', frequency: 'P1D', intervalCoverage: 0.9, scale: 5,
  };
}
