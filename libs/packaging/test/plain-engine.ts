import type { Calibration } from '../src/fitted-columns.ts';
import type { LinearEstimator } from '../src/fitted-estimator.ts';
import type { Activation, FittedFeature, FittedPipeline, FittedTarget, Prediction as AnyPrediction, TreeEnsemble } from '../src/index.ts';

/** Of a row, which no recommender answers. */
type Prediction = Exclude<AnyPrediction, { items: string[] }>;

/** A raw value of a row; null where missing. */
export type Cell = number | string | null;

/** What the package must say, worked out one row at a time with plain loops in float64. */
export function predictPlainly(pipeline: FittedPipeline, row: Cell[]): Prediction {
  const { target } = pipeline;
  const answer = answerPlainly(pipeline, row);
  if (target.type === 'number' || 'value' in answer) return answer;
  const { classes, calibration, decision } = target;
  let { probabilities } = answer;
  if (calibration) {
    const mapped = probabilities.map((p, index) => correct(p, calibration, classes.length === 2 ? 0 : index));
    const total = mapped.reduce((sum, value) => sum + value, 0);
    probabilities = classes.length === 2 ? [1 - mapped[1]!, mapped[1]!] : mapped.map((value) => value / total);
  }
  const most = probabilities.indexOf(Math.max(...probabilities));
  const chosen = decision ? (probabilities[decision.positive]! >= decision.threshold ? decision.positive : 1 - decision.positive) : most;
  return { label: classes[chosen]!, probabilities };
}

function correct(p: number, calibration: Calibration, map: number): number {
  if (calibration.type === 'platt') {
    const held = Math.min(1 - 1e-6, Math.max(1e-6, p));
    return 1 / (1 + Math.exp(-(calibration.slopes[map]! * Math.log(held / (1 - held)) + calibration.shifts[map]!)));
  }
  const { x, y } = calibration.maps[map]!;
  const above = x.findIndex((value) => value >= p);
  if (above === 0) return y[0]!;
  if (above === -1) return y.at(-1)!;
  return y[above - 1]! + ((p - x[above - 1]!) / (x[above]! - x[above - 1]!)) * (y[above]! - y[above - 1]!);
}

function answerPlainly({ features, target, estimator }: FittedPipeline, row: Cell[]): Prediction {
  if (estimator.family === 'ensemble') {
    const answers = estimator.members.map(({ weight, ...member }) => ({ weight, answer: predictPlainly(member, row) }));
    const blend = (pick: (answer: Prediction) => number) => answers.reduce((sum, { weight, answer }) => sum + weight * pick(answer), 0);
    if (target.type === 'number') return { value: blend((answer) => ('value' in answer ? answer.value : NaN)) };
    const shares = target.classes.map((_, index) => blend((answer) => ('value' in answer ? NaN : answer.probabilities[index]!)));
    return { label: target.classes[shares.indexOf(Math.max(...shares))]!, probabilities: shares };
  }
  if (estimator.family === 'boosted_trees' || estimator.family === 'random_forest') {
    return answerOf(sumTrees(features, estimator, row), estimator.family, target);
  }
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

  if (estimator.family === 'convolutional') throw new Error('Pictures have a plain engine of their own, in convolutions.spec.ts');
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

/** One sum for each output, each tree walked from its root. */
function sumTrees(features: FittedFeature[], { trees, outputs, codes }: Pick<TreeEnsemble<'random_forest'>, 'trees' | 'outputs' | 'codes'>, row: Cell[]): number[] {
  const cells = features.map((feature, place): number => {
    const value = row[place]!;
    if (feature.type === 'number') return typeof value === 'number' ? value : NaN;
    const category = feature.categories.indexOf(String(value));
    return value === null || category < 0 ? feature.categories.length : codes[place]![category]!;
  });
  const sums = new Array<number>(outputs).fill(0);
  trees.forEach(({ feature, threshold, missingLeft, left, right, sets, values }, number) => {
    let node = 0;
    while (feature[node]! >= 0) {
      const asked = feature[node]!;
      const cell = cells[asked]!;
      let isLeft = Number.isNaN(cell) ? missingLeft[node] === 1 : cell <= threshold[node]!;
      if (codes[asked] !== null) isLeft = (sets[threshold[node]! * 8 + Math.floor(cell / 32)]! & (1 << (cell % 32))) !== 0;
      node = isLeft ? left[node]! : right[node]!;
    }
    const perLeaf = values.length / ((feature.length + 1) / 2);
    for (let at = 0; at < perLeaf; at++) sums[perLeaf === outputs ? at : number % outputs]! += values[left[node]! * perLeaf + at]!;
  });
  return sums.map(Math.fround);
}

function answerOf(sums: number[], family: 'boosted_trees' | 'random_forest', target: FittedTarget): Prediction {
  if (target.type === 'number') return { value: sums[0]! * target.scale + target.mean };
  const isBoosted = family === 'boosted_trees';
  const scores = sums.length > 1 ? sums : isBoosted ? [-sums[0]!, sums[0]!] : [1 - sums[0]!, sums[0]!];
  const probabilities = !isBoosted ? scores : sums.length > 1 ? activate('softmax', scores) : activate('sigmoid', scores);
  return { label: target.classes[scores.indexOf(Math.max(...scores))]!, probabilities };
}
