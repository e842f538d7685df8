import { decide } from '../decision.ts';
import { classScores } from '../families/family.ts';
import { softmaxRows } from '../linear-model.ts';
import type { FittedTarget, Heads } from '../pipeline.ts';
import type { Scores } from '../predict.ts';
import { categoryAt, findColumn, type Table } from '../table.ts';

/** Probabilities are held above it before their logarithm is taken. */
const smallestProbability = 1e-6;

/** By row: the place of the group whose head answers it, or -1 where none does. */
export function headsOfRows({ column, groups, kept }: Heads, table: Table, rows: Int32Array): Int32Array {
  const places = new Map(groups.map((group, place) => [group, place]));
  const own = findColumn(table, column);
  if (!own) throw new Error(`The rows have no column "${column}"`);
  return rows.map((row) => {
    const value = categoryAt(own, row);
    const place = value === null ? undefined : places.get(value);
    return place !== undefined && kept[place] === 1 ? place : -1;
  });
}

/** What heads correct: [rows, outputs], the answers as they are learned. */
export function answersOf(scores: Scores, target: FittedTarget): Float64Array {
  if (scores.type === 'classes') return scores.probabilities.map((probability) => Math.log(Math.max(smallestProbability, probability)));
  if (target.type !== 'number') throw new Error('Values for classes');
  return scores.predicted.map((value) => (value - target.mean) / target.scale);
}

/** What heads read beside the answer: [rows, 1 + inputs], the first of each row being 1. */
export function headInputs(inputs: Heads['inputs'], table: Table, rows: Int32Array): Float64Array {
  const width = inputs.length + 1;
  const read = new Float64Array(rows.length * width);
  for (let at = 0; at < rows.length; at++) read[at * width] = 1;
  inputs.forEach(({ name, mean, scale }, input) => {
    const values = findColumn(table, name)!.values as Float64Array;
    rows.forEach((row, at) => {
      const value = values[row]!;
      read[at * width + input + 1] = Number.isNaN(value) ? 0 : (value - mean) / scale;
    });
  });
  return read;
}

/** `z · (1 + slope) + inputs · weights`, of one row into `into`. */
export function correct(into: Float64Array, z: Float64Array, inputs: Float64Array, slope: number, weights: Float64Array): void {
  const outputs = z.length;
  for (let output = 0; output < outputs; output++) {
    let sum = z[output]! * (1 + slope);
    for (let input = 0; input < inputs.length; input++) sum += inputs[input]! * weights[input * outputs + output]!;
    into[output] = sum;
  }
}

/** The answers with each group's head; rows without one keep theirs. */
export function applyHeads(scores: Scores, heads: Heads, target: FittedTarget, table: Table, rows: Int32Array): Scores {
  const own = headsOfRows(heads, table, rows);
  if (own.every((place) => place < 0)) return scores;
  const width = heads.inputs.length + 1;
  const z = answersOf(scores, target);
  const outputs = z.length / rows.length;
  const inputs = headInputs(heads.inputs, table, rows);
  const numbers = scores.type === 'classes' ? scores.probabilities.slice() : scores.predicted.slice();
  own.forEach((place, row) => {
    if (place < 0) return;
    const into = numbers.subarray(row * outputs, (row + 1) * outputs) as Float64Array;
    const weights = heads.weights.subarray(place * width * outputs, (place + 1) * width * outputs);
    correct(into, z.subarray(row * outputs, (row + 1) * outputs), inputs.subarray(row * width, (row + 1) * width), heads.slopes[place]!, weights);
    if (scores.type === 'classes') softmaxRows(into, 1, outputs);
    else if (target.type === 'number') into[0] = into[0]! * target.scale + target.mean;
  });
  if (scores.type === 'values') return { type: 'values', predicted: numbers as Float64Array };
  const corrected = classScores(numbers as Float64Array, rows.length, outputs);
  return target.type !== 'number' && target.decision ? decide(corrected, target.decision) : corrected;
}
