import { checkVectors, type LoadedModel, type Prediction, type Signature, type ValidatedRows } from '@millrace/packaging';
import type { InTurn } from './coalition-game.ts';
import { weighMarginals } from './exact-shapley.ts';
import { type Explanation, type ExplanationRequest, planExplanation } from './explain-row.ts';
import { correlation } from './faithfulness.ts';

const unhurried: InTurn = async (work) => work();

/** A model as a function of the cells of a row. */
function modelOf(answer: (cells: number[]) => number, inputs: number, family = 'onnx'): Pick<LoadedModel, 'signature' | 'predict'> {
  const signature: Signature = {
    formatVersion: 1,
    task: 'regression',
    family,
    inputs: Array.from({ length: inputs }, (_, place) => ({ name: `x${place}`, type: 'number', required: true, min: -10, max: 10 })),
    output: { name: 'y', type: 'number' },
    graph: { missingCategory: '', rowsPerCall: 1024 },
  };
  const predict = async (rows: ValidatedRows): Promise<Prediction[]> => Array.from({ length: rows.count }, (_, row) => ({ value: answer(Array.from(rows.numbers.subarray(row * inputs, (row + 1) * inputs))) }));
  return { signature, predict };
}

function rowsOf(signature: Signature, vectors: number[][]): ValidatedRows {
  const checked = checkVectors(signature, vectors);
  if (checked.type === 'invalid') throw new Error(JSON.stringify(checked.problems));
  return checked.rows;
}

let state = 7;
const chance = (): number => ((state = (state * 48_271) % 2_147_483_647) / 2_147_483_647) * 8 - 4;
const vectors = (rows: number, inputs: number) => Array.from({ length: rows }, () => Array.from({ length: inputs }, chance));

async function explain(model: ReturnType<typeof modelOf>, row: number[], background: number[][], request: ExplanationRequest = {}): Promise<Explanation> {
  const planned = planExplanation(model.signature, 'digest', { background: rowsOf(model.signature, background), isBackgroundKnown: true }, request);
  if (planned.type === 'refused') throw new Error(planned.problem.message);
  const explanation = await planned.explain(rowsOf(model.signature, [row]), { model, inTurn: unhurried });
  expect(explanation.method.evaluations).toBeLessThanOrEqual(planned.evaluations);
  return explanation;
}

/** The definition, without any of the code that is tested but its weights. */
function shapleyOf(answer: (cells: number[]) => number, row: number[], background: number[][]): number[] {
  const valueOf = (mask: number) => background.reduce((sum, reference) => sum + answer(row.map((value, player) => ((mask >> player) & 1 ? value : reference[player]!))), 0) / background.length;
  return [...weighMarginals(row.length, valueOf)];
}

const values = ({ attributions }: Explanation) => attributions.map(({ value }) => value);
const crooked = (x: number[]) => Math.sin(x[0]!) * x[1]! + Math.max(x[2]!, x[3] ?? 0) - (x[4] ?? 0) * (x[0]! > 0 ? 2 : -1) + 0.3 * (x[5] ?? 0) * (x[6] ?? 0);

describe('an explanation', () => {
  it('weighs marginals as Shapley did: the textbook case of gloves', () => {
    // Players 0 and 1 have a left glove, player 2 a right one; a pair is worth 1.
    const worth = (mask: number) => Number((mask & 4) !== 0 && (mask & 3) !== 0);
    [1 / 6, 1 / 6, 2 / 3].forEach((share, player) => expect(weighMarginals(3, worth)[player]).toBeCloseTo(share, 12));
  });

  it('is exact over all coalitions where inputs are few, adds up, and gives nothing to an input that is not read', async () => {
    const answer = (x: number[]) => crooked([...x.slice(0, 4)]);
    const [row, background] = [vectors(1, 6)[0]!, vectors(9, 6)];
    const explanation = await explain(modelOf(answer, 6), row, background);
    expect(explanation.method).toMatchObject({ algorithm: 'exact_enumeration', isExact: true, references: 9 });
    shapleyOf(answer, row, background).forEach((value, player) => expect(values(explanation)[player]).toBeCloseTo(value, 10));
    expect(values(explanation).slice(4)).toEqual([0, 0]);
    expect(Math.abs(explanation.additivityError)).toBeLessThan(1e-10);
    expect(explanation.baseValue + values(explanation).reduce((sum, value) => sum + value, 0)).toBeCloseTo(answer(row), 10);
  });

  it('credits two inputs alike that do alike', async () => {
    const answer = (x: number[]) => x[0]! * x[1]! + Math.abs(x[2]!);
    const background = vectors(8, 3).map(([a, , c]) => [a!, a!, c!]);
    const [first, second] = values(await explain(modelOf(answer, 3), [3, 3, 1], background));
    expect(first).toBeCloseTo(second!, 12);
    expect(first).not.toBeCloseTo(0, 3);
  });

  it('of a linear regression is the closed form: weight times distance from the mean, which is what all coalitions give', async () => {
    const weights = [2, -1, 0, 0.5, 3];
    const answer = (x: number[]) => x.reduce((sum, value, place) => sum + value * weights[place]!, 7);
    const [row, background] = [vectors(1, 5)[0]!, vectors(32, 5)];
    const closed = await explain(modelOf(answer, 5, 'linear'), row, background);
    const counted = await explain(modelOf(answer, 5), row, background);
    expect([closed.method.algorithm, counted.method.algorithm]).toEqual(['additive', 'exact_enumeration']);
    weights.forEach((weight, place) => {
      const mean = background.reduce((sum, one) => sum + one[place]!, 0) / 32;
      expect(values(closed)[place]).toBeCloseTo(weight * (row[place]! - mean), 10);
      expect(values(counted)[place]).toBeCloseTo(weight * (row[place]! - mean), 10);
    });
    expect(closed.faithfulness.score).toBeCloseTo(1, 10);
  });

  it('is estimated where inputs are many: within its errors of the exact one, adding up whatever the chance', async () => {
    const [row, background] = [vectors(1, 8)[0]!, vectors(12, 8)];
    const exact = shapleyOf(crooked, row, background);
    const estimated = await explain(modelOf(crooked, 8), row, background, { maxEvaluations: 2_500 });
    expect(estimated.method).toMatchObject({ algorithm: 'permutation_sampling', isExact: false, references: 12 });
    const misses = estimated.attributions.map(({ value, standardError }, player) => Math.abs(value - exact[player]!) / (standardError + 1e-12));
    // Of eight values, hardly one is three errors away; an input that is not read has no error.
    expect(misses.filter((miss) => miss > 3).length).toBeLessThanOrEqual(1);
    expect(estimated.attributions[7]).toMatchObject({ value: 0, standardError: 0 });
    expect(Math.max(...estimated.attributions.map(({ standardError }) => standardError))).toBeGreaterThan(0);
    expect(Math.abs(estimated.additivityError)).toBeLessThan(1e-10);
    expect(values(await explain(modelOf(crooked, 8), row, background, { maxEvaluations: 2_500 }))).toEqual(values(estimated));
  });

  it('errs less with more evaluations', async () => {
    const [row, background] = [vectors(1, 8)[0]!, vectors(12, 8)];
    const errors = [];
    for (const maxEvaluations of [1_000, 8_000]) errors.push(Math.max(...(await explain(modelOf(crooked, 8), row, background, { maxEvaluations, output: 'prediction' })).attributions.map(({ standardError }) => standardError)));
    expect(errors[1]!).toBeLessThan(errors[0]! / 1.5);
  });

  it('is more faithful than the same numbers given to other inputs', async () => {
    const [row, background] = [vectors(1, 8)[0]!, vectors(12, 8)];
    const model = modelOf(crooked, 8);
    const explanation = await explain(model, row, background);
    const told = Float64Array.from(values(explanation));
    const shifted = Float64Array.from(told, (_, player) => told[(player + 3) % 8]!);
    // As `faithfulnessOf` has it, over all single inputs and pairs.
    const sets = Array.from({ length: 254 }, (_, index) => index + 1);
    const lost = Float64Array.from(sets, (set) => crooked(row) - background.reduce((sum, reference) => sum + crooked(row.map((value, player) => ((set >> player) & 1 ? reference[player]! : value))), 0) / 12);
    const credited = (of: Float64Array) => Float64Array.from(sets, (set) => of.reduce((sum, value, player) => sum + ((set >> player) & 1 ? value : 0), 0));
    const [own, others] = [correlation(credited(told), lost)!, correlation(credited(shifted), lost)!];
    expect(own).toBeGreaterThan(0.7);
    expect(own).toBeGreaterThan(others + 0.2);
    expect(Math.abs(explanation.faithfulness.score! - own)).toBeLessThan(0.25);
  });

  it('says why it has no score: two inputs, or an answer that nothing changes', async () => {
    expect((await explain(modelOf((x) => x[0]! + x[1]!, 2), [1, 2], [[0, 0]])).faithfulness).toMatchObject({ score: null, reason: expect.stringContaining('only 2 inputs') });
    expect((await explain(modelOf(() => 5, 4), [1, 2, 3, 4], vectors(4, 4))).faithfulness).toMatchObject({ score: null, reason: expect.stringContaining('the same whatever') });
  });

  it('tells beforehand that too few evaluations are allowed, and how many it takes', () => {
    const { signature } = modelOf(crooked, 200);
    const planned = planExplanation(signature, 'digest', { background: rowsOf(signature, vectors(32, 200)), isBackgroundKnown: true }, { maxEvaluations: 300 });
    expect(planned).toMatchObject({ type: 'refused', problem: { code: 'too_few_evaluations', remedy: 'Allow 1000 as "max_evaluations".' } });
  });

  it('ends where it is told to', async () => {
    const model = modelOf(crooked, 7);
    const planned = planExplanation(model.signature, 'digest', { background: rowsOf(model.signature, vectors(32, 7)), isBackgroundKnown: true }, {});
    if (planned.type === 'refused') throw new Error('refused');
    let turns = 0;
    const explaining = planned.explain(rowsOf(model.signature, vectors(1, 7)), { model, inTurn: async (work) => (++turns === 3 ? Promise.reject(new Error('gone')) : work()) });
    await expect(explaining).rejects.toThrow('gone');
    expect(turns).toBe(3);
  });
});
