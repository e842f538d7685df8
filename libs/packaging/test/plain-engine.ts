import type { LinearEstimator } from '../src/fitted-pipeline.ts';
import type { Activation, FittedFeature, FittedPipeline, Prediction } from '../src/index.ts';

/** A raw value of a row; null where missing. */
export type Cell = number | string | null;

/** What the package must say, worked out one row at a time with plain loops in float64. */
export function predictPlainly({ features, target, estimator }: FittedPipeline, row: Cell[]): Prediction {
  const cells = encode(features, row);
  if (estimator.family === 'baseline' || estimator.family === 'linear') {
    const scores = estimator.family === 'baseline' ? Array.from(estimator.answer) : weigh(cells, estimator);
    if (target.type === 'number') return { value: scores[0]! };
    const probabilities = estimator.family === 'baseline' ? scores : activate('softmax', scores);
    return { label: target.classes[probabilities.indexOf(Math.max(...probabilities))]!, probabilities };
  }
  if (estimator.family === 'dense') {
    let values = cells;
    for (const layer of estimator.layers) {
      const sums: number[] = [];
      for (let unit = 0; unit < layer.units; unit++) {
        let sum = layer.bias[unit]!;
        for (let input = 0; input < layer.inputs; input++) {
          sum += values[input]! * layer.kernel[input * layer.units + unit]!;
        }
        sums.push(sum);
      }
      const results = activate(layer.activation, sums);
      values = layer.residual ? results.map((result, unit) => result + values[unit]!) : results;
    }
    if (target.type === 'number') return { value: values[0]! * target.scale + target.mean };
    return { label: target.classes[values.indexOf(Math.max(...values))]!, probabilities: values };
  }

  const { rows, width, targets, k } = estimator;
  const neighbours = Array.from(targets, (value, index) => {
    let squared = 0;
    for (let cell = 0; cell < width; cell++) squared += (cells[cell]! - rows[index * width + cell]!) ** 2;
    return { value, index, distance: Math.sqrt(squared), squared };
  });
  neighbours.sort((left, right) => left.squared - right.squared || left.index - right.index);
  const nearest = neighbours.slice(0, k);
  const isAnyExact = nearest.some((neighbour) => neighbour.distance === 0);
  const weights = nearest.map(({ distance }) => {
    if (estimator.weights === 'uniform') return 1;
    return isAnyExact ? Number(distance === 0) : 1 / distance;
  });
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const shares = weights.map((weight) => weight / total);
  if (target.type === 'number') {
    return { value: nearest.reduce((sum, { value }, place) => sum + shares[place]! * value, 0) };
  }
  const probabilities = target.classes.map((_, index) =>
    nearest.reduce((sum, { value }, place) => sum + (value === index ? shares[place]! : 0), 0),
  );
  return { label: target.classes[probabilities.indexOf(Math.max(...probabilities))]!, probabilities };
}

function weigh(cells: number[], { kernel, bias }: LinearEstimator): number[] {
  return Array.from(bias, (start, output) => cells.reduce((sum, cell, at) => sum + cell * kernel[at * bias.length + output]!, start));
}

export function encode(features: FittedFeature[], row: Cell[]): number[] {
  return features.flatMap((feature, index) => {
    const value = row[index]!;
    if (feature.type !== 'number') return feature.categories.map((category) => Number(category === value));
    return [((typeof value === 'number' ? value : feature.fill) - feature.mean) / feature.scale];
  });
}

function activate(activation: Activation, values: number[]): number[] {
  switch (activation) {
    case 'linear':
      return values;
    case 'relu':
      return values.map((value) => Math.max(0, value));
    case 'tanh':
      return values.map(Math.tanh);
    case 'sigmoid':
      return values.map((value) => 1 / (1 + Math.exp(-value)));
    case 'elu':
      return values.map((value) => (value > 0 ? value : Math.expm1(value)));
    case 'softmax': {
      const highest = Math.max(...values);
      const powers = values.map((value) => Math.exp(value - highest));
      const sum = powers.reduce((total, power) => total + power, 0);
      return powers.map((power) => power / sum);
    }
  }
}
