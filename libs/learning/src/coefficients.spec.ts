import { specFor } from '../test/sample-tables.ts';
import { coefficientsOf } from './coefficients.ts';
import { predict } from './predict.ts';
import type { Table } from './table.ts';
import { train } from './train.ts';

/** Numbers of very different units, and a category. */
const rows = 90;
const x = Float64Array.from({ length: rows }, (_, i) => 1000 + ((i * 37) % 90) * 10);
const y = Float64Array.from({ length: rows }, (_, i) => ((i * 53) % 89) / 1000);
const colours = Array.from({ length: rows }, (_, i) => ['blue', 'green', 'red'][i % 3]!);
const amount = Float64Array.from(x, (value, i) => 7 + 0.25 * value - 300 * y[i]! + (colours[i] === 'red' ? 40 : 0));
const table: Table = {
  rows,
  columns: [
    { name: 'x', type: 'number', values: x },
    { name: 'y', type: 'number', values: y },
    { name: 'colour', type: 'category', values: colours },
    { name: 'amount', type: 'number', values: amount },
    { name: 'size', type: 'category', values: Array.from(amount, (value) => (value < 300 ? 'small' : value < 350 ? 'middle' : 'large')) },
    { name: 'heavy', type: 'binary', values: Array.from(amount, (value) => (value < 330 ? 'no' : 'yes')) },
  ],
};
const targets = ['amount', 'size', 'heavy'];

async function fitted(name: string, type: string, model: object = { family: 'linear', l2: 1e-6 }) {
  const spec = specFor(table, { name, type }, { models: [model] }, targets.filter((target) => target !== name));
  const outcome = await train({ table, spec });
  if (outcome.type !== 'trained') throw new Error(JSON.stringify(outcome));
  return outcome.trials[0]!.pipeline;
}

/** The formula, worked out by hand for a row. */
const answer = ({ intercept, terms }: NonNullable<ReturnType<typeof coefficientsOf>>['outputs'][number], row: Record<string, unknown>): number =>
  terms.reduce((sum, { feature, value, weight }) => sum + (value === null ? weight * (row[feature] as number) : row[feature] === value ? weight : 0), intercept);

it('are the numbers that the data was made of, in the units of its columns, largest effect first', async () => {
  const pipeline = await fitted('amount', 'number');
  const [output, ...others] = coefficientsOf(pipeline)!.outputs;
  expect([others, output!.label, output!.more]).toEqual([[], null, 0]);
  const weightOf = (feature: string, value: string | null = null) => output!.terms.find((term) => term.feature === feature && term.value === value)!.weight;
  expect(weightOf('x')).toBeCloseTo(0.25, 4);
  expect(weightOf('y')).toBeCloseTo(-300, 1);
  expect(weightOf('colour', 'red') - weightOf('colour', 'blue')).toBeCloseTo(40, 2);
  expect(output!.terms[0]!.feature).toBe('x');
  const sizes = output!.terms.map(({ effect }) => Math.abs(effect));
  expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
  const row = { x: 1234, y: 0.05, colour: 'red' };
  const [predicted] = await predict(pipeline, [row]);
  expect('value' in predicted! && predicted.value).toBeCloseTo(answer(output!, row), 6);
});

it('are log-odds of the second of two classes, and logits of each of more', async () => {
  const row = { x: 1250, y: 0.04, colour: 'green' };
  const heavy = await fitted('heavy', 'binary', { family: 'linear' });
  const [only, ...others] = coefficientsOf(heavy)!.outputs;
  expect([only!.label, others]).toEqual(['yes', []]);
  const [predicted] = await predict(heavy, [row]);
  expect('label' in predicted! && predicted.probabilities[1]).toBeCloseTo(1 / (1 + Math.exp(-answer(only!, row))), 5);

  const size = await fitted('size', 'category', { family: 'linear' });
  const { outputs } = coefficientsOf(size)!;
  expect(outputs.map(({ label }) => label)).toEqual(['large', 'middle', 'small']);
  const powers = outputs.map((output) => Math.exp(answer(output, row)));
  const [three] = await predict(size, [row]);
  const sum = powers.reduce((total, power) => total + power, 0);
  powers.forEach((power, place) => expect('label' in three! && three.probabilities[place]).toBeCloseTo(power / sum, 5));
});

it('are of linear models only', async () => {
  expect(coefficientsOf(await fitted('amount', 'number', { family: 'knn', k: 3 }))).toBeNull();
});
