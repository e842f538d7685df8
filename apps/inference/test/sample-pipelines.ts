import type { FittedPipeline } from '@millrace/packaging';

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
