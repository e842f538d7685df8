import * as tf from '@tensorflow/tfjs';
import { selectBackend } from './backend.ts';
import { type Examples, gather, lossAndGradients, type LossOptions, networkOutputs } from './network-pass.ts';
import { foldNetwork, initialWeights, type InputBlock, type NetworkPlan, planNetwork, varianceFloor, weightsOfPlan } from './network-plan.ts';
import { createRandom } from './random.ts';

const activations = ['relu', 'tanh', 'sigmoid', 'elu'] as const;
type Settings = Parameters<typeof planNetwork>[0];
const plain: Settings = { hiddenLayers: [5, 4], activation: 'tanh', batchNorm: false, residual: false };
const cells = (count: number): InputBlock => ({ type: 'cells', cells: count });
const options = (classes: number, more: Partial<LossOptions> = {}): LossOptions => ({
  classes, classWeights: null, labelSmoothing: 0, dropout: 0, random: createRandom(4), ...more,
});

function makeExamples(rows: number, plan: NetworkPlan, classes: number): Examples {
  const random = createRandom(5);
  const width = plan.blocks.reduce((sum, block) => sum + (block.type === 'cells' ? block.cells : 0), 0);
  const embedded = plan.blocks.filter(({ type }) => type === 'embedding');
  return {
    rows, width,
    inputs: Float32Array.from({ length: rows * width }, () => random.uniform() * 2 - 1),
    // One value in so many is one that was never seen.
    codes: Int32Array.from({ length: rows * embedded.length }, (_, at) => random.below(embedded[at % embedded.length]!.cells + 1)),
    targets: Float32Array.from({ length: rows }, () => (classes > 0 ? random.below(classes) : random.uniform() * 2 - 1)),
  };
}

const functions = {
  relu: (v: number) => Math.max(0, v),
  tanh: Math.tanh,
  sigmoid: (v: number) => 1 / (1 + Math.exp(-v)),
  elu: (v: number) => (v > 0 ? v : Math.exp(v) - 1),
  linear: (v: number) => v,
  softmax: (v: number) => v,
};

/** The same loss by nested loops in float64: an independent program. */
function lossByLoops(plan: NetworkPlan, weights: Float64Array[], examples: Examples, { classes, classWeights, labelSmoothing, dropout }: LossOptions): number {
  const random = createRandom(4);
  const embeddings = plan.blocks.filter((block) => block.type === 'embedding');
  let rows = Array.from({ length: examples.rows }, (_, row) => [
    ...examples.inputs.subarray(row * examples.width, (row + 1) * examples.width),
    ...embeddings.flatMap(({ cells: values, size }, at) => {
      const code = examples.codes[row * embeddings.length + at]!;
      return code === values ? new Array<number>(size).fill(0) : Array.from(weights[at]!.subarray(code * size, (code + 1) * size));
    }),
  ]);
  let next = embeddings.length;
  plan.layers.forEach(({ units, activation, normalised, residual }, layer) => {
    const [kernel, bias] = [weights[next++]!, weights[next++]!];
    let sums = rows.map((values) =>
      Array.from({ length: units }, (_, unit) => values.reduce((sum, value, at) => sum + value * kernel[at * units + unit]!, 0)));
    if (normalised) {
      const gain = weights[next++]!;
      const column = (unit: number) => sums.map((values) => values[unit]!);
      const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
      const means = gain.map((_, unit) => mean(column(unit)));
      const deviations = gain.map((_, unit) => Math.sqrt(mean(column(unit).map((value) => (value - means[unit]!) ** 2)) + varianceFloor));
      sums = sums.map((values) => values.map((value, unit) => ((value - means[unit]!) / deviations[unit]!) * gain[unit]!));
    }
    const isHidden = layer < plan.layers.length - 1;
    rows = rows.map((before, row) => sums[row]!.map((sum, unit) => {
      let result = functions[activation](sum + bias[unit]!);
      if (dropout > 0 && isHidden) result *= random.uniform() < dropout ? 0 : 1 / (1 - dropout);
      return residual ? before[unit]! + result : result;
    }));
  });
  let total = 0;
  rows.forEach((values, row) => {
    const own = examples.targets[row]!;
    if (classes === 0) {
      total += (values[0]! - own) ** 2;
      return;
    }
    const sum = Math.log(values.reduce((powers, value) => powers + Math.exp(value), 0));
    const misses = values.map((value) => sum - value);
    const smooth = misses.reduce((all, miss) => all + miss, 0) / classes;
    total += (classWeights?.[own] ?? 1) * ((1 - labelSmoothing) * misses[own]! + labelSmoothing * smooth);
  });
  return total / examples.rows;
}

const cases: [string, Settings, InputBlock[], LossOptions][] = [
  ...activations.flatMap((activation) => [3, 2, 0].map((classes): (typeof cases)[number] =>
    [`${activation} with ${classes} classes`, { ...plain, activation }, [cells(3)], options(classes)])),
  ['batch normalisation', { ...plain, batchNorm: true }, [cells(3)], options(3)],
  ['residual layers', { ...plain, hiddenLayers: [5, 5, 5], residual: true }, [cells(3)], options(0)],
  ['residual layers with batch normalisation', { ...plain, hiddenLayers: [4, 4], batchNorm: true, residual: true }, [cells(2)], options(2)],
  ['embeddings', plain, [cells(1), { type: 'embedding', cells: 6, size: 2 }, cells(2), { type: 'embedding', cells: 3, size: 3 }], options(3)],
  ['an embedding alone', plain, [{ type: 'embedding', cells: 6, size: 2 }], options(0)],
  ['label smoothing', plain, [cells(3)], options(3, { labelSmoothing: 0.2 })],
  ['class weights', plain, [cells(3)], options(3, { classWeights: Float64Array.of(0.5, 2, 7) })],
  ['dropout', plain, [cells(3)], options(3, { dropout: 0.4 })],
];

describe.each(['wasm', 'cpu'] as const)('on %s', (backend) => {
  beforeAll(async () => {
    expect((await selectBackend({ prefer: backend })).name).toBe(backend);
  });

  test.each(cases)('%s: loss and gradients are those of an independent program and its finite differences', (_, settings, blocks, given) => {
    const loss = () => ({ ...given, random: createRandom(4) });
    const plan = planNetwork(settings, blocks, given.classes);
    const weights = initialWeights(plan, 9, 0);
    weightsOfPlan(plan).forEach(({ role }, index) => {
      if (role === 'bias') weights[index]!.fill(0.05);
      if (role === 'gain') weights[index]!.fill(1.2);
    });
    const examples = makeExamples(17, plan, given.classes);
    const before = tf.memory().numTensors;
    const result = lossAndGradients(plan, weights, examples, loss());
    expect(tf.memory().numTensors).toBe(before);

    const exact = weights.map((weight) => Float64Array.from(weight));
    expect(result.loss).toBeCloseTo(lossByLoops(plan, exact, examples, given), 5);
    exact.forEach((weight, index) => {
      weight.forEach((value, at) => {
        const nearby = (step: number) => {
          weight[at] = value + step;
          const nearLoss = lossByLoops(plan, exact, examples, given);
          weight[at] = value;
          return nearLoss;
        };
        expect(result.gradients[index]![at]).toBeCloseTo((nearby(1e-5) - nearby(-1e-5)) / 2e-5, 4);
      });
    });
  });

  test('folded into plain layers, a network answers a batch as in training', () => {
    const blocks: InputBlock[] = [cells(1), { type: 'embedding', cells: 6, size: 2 }, cells(2), { type: 'embedding', cells: 3, size: 3 }];
    const plan = planNetwork({ ...plain, hiddenLayers: [6, 6], batchNorm: true, residual: true }, blocks, 0);
    const weights = initialWeights(plan, 2, 0);
    const examples = makeExamples(30, plan, 0);
    // Of its own batch the statistics are exact, so that the squared error is that of the folded network.
    const { loss, statistics } = lossAndGradients(plan, weights, examples, options(0));
    const encoded = Float32Array.from({ length: 30 * 12 }, (_, at) => {
      const [row, cell] = [Math.floor(at / 12), at % 12];
      if (cell === 0) return examples.inputs[3 * row]!;
      if (cell < 7) return Number(examples.codes[2 * row] === cell - 1);
      if (cell < 9) return examples.inputs[3 * row + cell - 6]!;
      return Number(examples.codes[2 * row + 1] === cell - 9);
    });
    const layers = foldNetwork(plan, weights, statistics);
    expect(layers.map(({ inputs, units, residual }) => [inputs, units, residual ?? false])).toEqual([[12, 6, false], [6, 6, true], [6, 1, false]]);
    const outputs = networkOutputs(layers, encoded, 30);
    const squares = outputs.reduce((sum, output, row) => sum + (output - examples.targets[row]!) ** 2, 0);
    expect(squares / 30).toBeCloseTo(loss, 5);
  });

  test('outputs of many rows are probabilities that add up to 1, chunk borders included', () => {
    const plan = planNetwork({ ...plain, hiddenLayers: [6] }, [cells(2)], 3);
    const layers = foldNetwork(plan, initialWeights(plan, 1, 0), []);
    const { inputs } = makeExamples(4100, plan, 0);
    const outputs = networkOutputs(layers, inputs, 4100);
    for (let row = 0; row < 4100; row++) {
      expect(outputs[3 * row]! + outputs[3 * row + 1]! + outputs[3 * row + 2]!).toBeCloseTo(1, 5);
    }
    const last = networkOutputs(layers, inputs.slice(2 * 4099), 1);
    outputs.subarray(3 * 4099).forEach((value, at) => expect(value).toBeCloseTo(last[at]!, 6));
  });
});

test('a batch holds the rows that were asked for, codes included', () => {
  const examples: Examples = {
    rows: 3, width: 1, inputs: Float32Array.of(1, 2, 3), codes: Int32Array.of(10, 11, 20, 21, 30, 31), targets: Float32Array.of(7, 8, 9),
  };
  expect(gather(examples, Int32Array.of(2, 0))).toEqual({
    rows: 2, width: 1, inputs: Float32Array.of(3, 1), codes: Int32Array.of(30, 31, 10, 11), targets: Float32Array.of(9, 7),
  });
});

test('initial kernels keep to the bounds of their authors', () => {
  const largest = (activation: 'relu' | 'tanh') =>
    Math.max(...initialWeights(planNetwork({ ...plain, hiddenLayers: [50], activation }, [cells(20)], 0), 1, 0)[0]!.map(Math.abs));
  expect(largest('relu')).toBeLessThanOrEqual(Math.sqrt(6 / 20));
  expect(largest('relu')).toBeGreaterThan(0.95 * Math.sqrt(6 / 20));
  expect(largest('tanh')).toBeLessThanOrEqual(Math.sqrt(6 / 70));
  expect(largest('tanh')).toBeGreaterThan(0.95 * Math.sqrt(6 / 70));
});
