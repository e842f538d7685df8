import type { FittedFeature, FittedTarget } from './fitted-columns.ts';
import type { Heads } from './fitted-pipeline.ts';
import type { GraphCursor } from './graph-cursor.ts';
import { readAnswer } from './read-answer.ts';

/** ONNX TensorProto.DataType */
const FLOAT16 = 10;

interface Corrected {
  target: FittedTarget;
  heads: Heads;
}

/** Whether the next nodes are those that find the head of a row. */
export const isAtHeads = (cursor: GraphCursor): boolean => cursor.peek() === 'Gather' && cursor.peek(1) === 'LabelEncoder' && cursor.peek(2) === 'Gather';

/** Heads as `writeHeads` wrote them, and with them what was not in the shared model: the unit of a number, or the threshold of classes. */
export function readHeads(cursor: GraphCursor, features: readonly FittedFeature[], target: FittedTarget, { column, groups }: Pick<Heads, 'column' | 'groups'>): Corrected {
  const outputs = target.type === 'number' ? 1 : target.classes.length;
  let storage: Heads['storage'];
  /** [groups, size] */
  const readTable = (): Float64Array => {
    const [name] = cursor.take('Gather').inputs;
    const { type, dims } = cursor.constant(name);
    if (type === FLOAT16) {
      storage = 'float16';
      cursor.skip('Cast');
    }
    return cursor.numbers(name).subarray(0, groups.length * dims[1]!);
  };
  cursor.skip('Gather', 'LabelEncoder');
  const kept = Uint8Array.from(readTable());
  cursor.skip('Cast');
  let unit: { mean: number; scale: number } | null = null;
  if (target.type === 'number') unit = { mean: cursor.number(cursor.take('Sub').inputs[1]), scale: cursor.number(cursor.take('Div').inputs[1]) };
  else cursor.skip('Cast', 'Max', 'Log');
  const slopes = readTable().map((factor) => factor - 1);
  cursor.skip('Mul');
  const numbers = features.filter(({ type }) => type === 'number');
  const inputs: Heads['inputs'] = [];
  const parts: Float64Array[] = [];
  do {
    parts.push(readTable());
    if (parts.length > 1) {
      const { name } = numbers[cursor.number(cursor.take('Gather').inputs[1])]!;
      cursor.skip('IsNaN', 'Where');
      inputs.push({ name, mean: cursor.number(cursor.take('Sub').inputs[1]), scale: cursor.number(cursor.take('Div').inputs[1]) });
      cursor.skip('Mul');
    }
    cursor.skip('Add');
  } while (cursor.peek() === 'Gather');
  const width = parts.length;
  const weights = Float64Array.from({ length: groups.length * width * outputs }, (_, at) => {
    const [group, input, output] = [Math.floor(at / (width * outputs)), Math.floor(at / outputs) % width, at % outputs];
    return parts[input]![group * outputs + output]!;
  });
  const heads: Heads = { column, groups, kept, inputs, slopes, weights, ...(storage ? { storage } : {}) };
  if (target.type === 'number') return { target: { ...target, ...unit! }, heads };
  cursor.skip('Softmax', 'Where', 'Cast');
  const { decision } = readAnswer(cursor, target);
  return { target: { ...target, ...(decision ? { decision } : {}) }, heads };
}
