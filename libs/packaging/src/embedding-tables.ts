import type { EmbeddingStorage } from './fitted-recommender.ts';
import { float16Bits, fromFloat16Bits } from './float16.ts';
import { type GraphCursor, UnknownGraph } from './graph-cursor.ts';
import type { OnnxGraph } from './onnx-graph.ts';

/** ONNX TensorProto.DataType */
const FLOAT = 1;
const FLOAT16 = 10;

/** How one table is kept: as float32, in float16, or as whole numbers times the scale of each row. */
export type KeptRows = 'float16' | Float32Array | undefined;

export const keptRows = (storage: EmbeddingStorage | undefined, table: 'users' | 'items' | 'features'): KeptRows => (typeof storage === 'object' ? storage[table] : storage);

const levelsOf = (values: Float32Array, scales: Float32Array, width: number): Int8Array => Int8Array.from(values, (value, at) => Math.round(value / scales[Math.floor(at / width)]!));

/** What is wrong with how a table [rows, width] is kept; null where it fits. */
export function complaintOfTable(values: Float32Array, width: number, kept: KeptRows): string | null {
  if (kept === undefined) return null;
  if (kept === 'float16') return values.every((value) => fromFloat16Bits(float16Bits(value)) === value) ? null : 'has numbers that float16 does not hold';
  if (kept.length * width !== values.length || !kept.every((scale) => scale > 0 && Number.isFinite(scale))) return 'needs a scale above 0 for each row';
  const isKept = (value: number, at: number): boolean => {
    const scale = kept[Math.floor(at / width)]!;
    const level = Math.round(value / scale);
    return Math.abs(level) <= 127 && Math.fround(level * scale) === value;
  };
  return values.every(isKept) ? null : 'has numbers beside their levels';
}

/** Rows of a table by their place, float [N, width]; the place after the last gives zeros. What is kept in fewer bits is unpacked as it is read. */
export function writeLookUp(graph: OnnxGraph, values: Float32Array, shape: [rows: number, width: number], kept: KeptRows, place: string): string {
  const [rows, width] = shape;
  const longer = new Float32Array((rows + 1) * width);
  longer.set(values);
  const look = (table: string) => graph.add('Gather', [table, place], { axis: 0 });
  if (kept === undefined) return look(graph.floats(longer, [rows + 1, width]));
  if (kept === 'float16') return graph.add('Cast', [look(graph.packed(Uint16Array.from(longer, float16Bits), [rows + 1, width]))], { to: FLOAT });
  const scales = Float32Array.of(...kept, 1);
  const levels = graph.add('Cast', [look(graph.packed(levelsOf(longer, scales, width), [rows + 1, width]))], { to: FLOAT });
  return graph.add('Mul', [levels, look(graph.floats(scales, [rows + 1, 1]))]);
}

/** A whole table, turned: float [width, rows]. What has to be unpacked the runtime unpacks once, when it loads. */
export function writeTurned(graph: OnnxGraph, values: Float32Array, [rows, width]: [rows: number, width: number], kept: KeptRows): string {
  const turned = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) for (let axis = 0; axis < width; axis++) turned[axis * rows + row] = values[row * width + axis]!;
  if (kept === undefined) return graph.floats(turned, [width, rows]);
  if (kept === 'float16') return graph.add('Cast', [graph.packed(Uint16Array.from(turned, float16Bits), [width, rows])], { to: FLOAT });
  const levels = graph.packed(Int8Array.from(turned, (value, at) => Math.round(value / kept[at % rows]!)), [width, rows]);
  return graph.add('Mul', [graph.add('Cast', [levels], { to: FLOAT }), graph.floats(kept, [1, rows])]);
}

interface ReadTable {
  values: Float32Array;
  width: number;
  kept: KeptRows;
}

/** As `writeLookUp` wrote it. */
export function readLookUp(cursor: GraphCursor): ReadTable {
  const { inputs: [table] } = cursor.take('Gather');
  const { type, dims } = cursor.constant(table);
  const width = dims[1]!;
  const values = cursor.numbers(table).subarray(0, (dims[0]! - 1) * width);
  if (type === FLOAT) return { values: Float32Array.from(values), width, kept: undefined };
  cursor.skip('Cast');
  if (type === FLOAT16) return { values: Float32Array.from(values), width, kept: 'float16' };
  const scales = Float32Array.from(cursor.numbers(cursor.take('Gather').inputs[0])).subarray(0, dims[0]! - 1);
  cursor.skip('Mul');
  return { values: Float32Array.from(values, (level, at) => level * scales[Math.floor(at / width)]!), width, kept: scales };
}

/** As `writeTurned` wrote it. */
export function readTurned(cursor: GraphCursor, name: string): ReadTable {
  const last = cursor.unpacking(name);
  const scales = last?.operator === 'Mul' ? Float32Array.from(cursor.numbers(last.inputs[1])) : null;
  const cast = scales ? cursor.unpacking(last!.inputs[0]!) : last;
  if (cast && cast.operator !== 'Cast') throw new UnknownGraph('A table is kept in a way that is not known.');
  const source = cast ? cast.inputs[0]! : name;
  const { type, dims } = cursor.constant(source);
  const [width, rows] = dims as [number, number];
  const turned = cursor.numbers(source);
  const values = Float32Array.from({ length: turned.length }, (_, at) => turned[(at % width) * rows + Math.floor(at / width)]! * (scales ? scales[Math.floor(at / width)]! : 1));
  return { values, width, kept: scales ?? (type === FLOAT16 ? 'float16' : undefined) };
}
