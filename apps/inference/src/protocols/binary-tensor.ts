import { isUtf8 } from 'node:buffer';
import { binarySize } from '../binary-body.ts';
import { invalidRequest } from '../request-error.ts';

/**
 * Tensors as bytes, as the binary tensor extension of the Open Inference Protocol has them: little-endian, row by row, without
 * gaps; BOOL is a byte of 0 or 1, and an element of BYTES is its length in four bytes and then itself.
 */

interface Fixed {
  size: number;
  read(view: DataView, at: number): number | boolean | bigint;
}

const fixed: Record<string, Fixed> = {
  BOOL: { size: 1, read: (view, at) => view.getUint8(at) },
  UINT8: { size: 1, read: (view, at) => view.getUint8(at) },
  UINT16: { size: 2, read: (view, at) => view.getUint16(at, true) },
  UINT32: { size: 4, read: (view, at) => view.getUint32(at, true) },
  UINT64: { size: 8, read: (view, at) => view.getBigUint64(at, true) },
  INT8: { size: 1, read: (view, at) => view.getInt8(at) },
  INT16: { size: 2, read: (view, at) => view.getInt16(at, true) },
  INT32: { size: 4, read: (view, at) => view.getInt32(at, true) },
  INT64: { size: 8, read: (view, at) => view.getBigInt64(at, true) },
  FP16: { size: 2, read: (view, at) => fromHalf(view.getUint16(at, true)) },
  FP32: { size: 4, read: (view, at) => view.getFloat32(at, true) },
  FP64: { size: 8, read: (view, at) => view.getFloat64(at, true) },
};

export interface TensorPlace {
  /** such as inputs[0] */
  field: string;
  name: string;
}

/**
 * The elements of a tensor: numbers, true and false, or text. Whole numbers beyond 2^53 lose their last digits, which the range
 * of their datatype refuses. @param count of the elements that the shape holds @throws RequestError 400
 */
export function decodeTensor(datatype: string, bytes: Uint8Array, count: number, place: TensorPlace): unknown[] {
  const type = fixed[datatype];
  if (!type) return splitBytes(bytes, count, place).map((element, index) => textOf(element, index, place));
  if (bytes.length !== count * type.size) throw doNotFill(bytes, `${count} values of ${datatype}, ${count * type.size} bytes`, place);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const elements = Array.from({ length: count }, (_, index) => type.read(view, index * type.size));
  if (datatype === 'BOOL') return elements.map((element, index) => flagOf(element, index, place));
  return datatype === 'INT64' || datatype === 'UINT64' ? elements.map(Number) : elements;
}

/** The elements of a tensor of BYTES, views of it. @throws RequestError 400 */
export function splitBytes(bytes: Uint8Array, count: number, place: TensorPlace): Uint8Array[] {
  const wanted = `${count} elements, each behind its length in four bytes`;
  if (count * 4 > bytes.length) throw doNotFill(bytes, wanted, place);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const elements: Uint8Array[] = [];
  let at = 0;
  while (elements.length < count) {
    if (at + 4 > bytes.length) throw doNotFill(bytes, wanted, place);
    const end = at + 4 + view.getUint32(at, true);
    elements.push(bytes.subarray(at + 4, end));
    at = end;
  }
  if (at !== bytes.length) throw doNotFill(bytes, wanted, place);
  return elements;
}

function textOf(element: Uint8Array, index: number, { field, name }: TensorPlace): string {
  if (isUtf8(element)) return Buffer.from(element.buffer, element.byteOffset, element.length).toString('utf8');
  throw invalidRequest(`${field}.data`, `Element ${index} of "${name}" is not UTF-8.`, 'Send text in UTF-8.');
}

function flagOf(element: unknown, index: number, { field, name }: TensorPlace): boolean {
  if (element === 0 || element === 1) return element === 1;
  throw invalidRequest(`${field}.data`, `Element ${index} of "${name}" is the byte ${String(element)}, which is no BOOL.`, 'Send 1 for true and 0 for false.');
}

function doNotFill(bytes: Uint8Array, wanted: string, { field, name }: TensorPlace) {
  return invalidRequest(`${field}.data`, `The ${bytes.length} bytes of "${name}" are not what its shape says: ${wanted}.`, 'Send as many as the shape says, without gaps.');
}

/** Of a tensor that came without its elements. */
export function noData(tensor: Record<string, unknown>, { field, name }: TensorPlace) {
  return binarySize(tensor) === undefined
    ? invalidRequest(`${field}.data`, `"${name}" has no list of data.`, 'Send the values as "data", flat or nested row by row.')
    : invalidRequest(`${field}.parameters.binary_data_size`, `"${name}" has a "binary_data_size", but the request has no Inference-Header-Content-Length.`, 'Send that header with the length of the JSON text in bytes.');
}

/** IEEE 754 binary16. */
function fromHalf(bits: number): number {
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  const size = exponent === 0 ? fraction * 2 ** -24 : exponent === 0x1f ? (fraction ? NaN : Infinity) : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return bits & 0x8000 ? -size : size;
}

/** The other way round, for what the server answers with. */
export function encodeTensor(datatype: string, data: readonly unknown[]): Uint8Array {
  switch (datatype) {
    case 'BYTES':
      return Buffer.concat(
        data.flatMap((element) => {
          const text = Buffer.from(String(element), 'utf8');
          const length = Buffer.alloc(4);
          length.writeUInt32LE(text.length);
          return [length, text];
        }),
      );
    case 'BOOL':
      return Uint8Array.from(data, (element) => (element === true ? 1 : 0));
    case 'FP32':
    case 'FP64': {
      const { size } = fixed[datatype]!;
      const bytes = new DataView(new ArrayBuffer(data.length * size));
      data.forEach((element, index) => (size === 4 ? bytes.setFloat32(index * 4, Number(element), true) : bytes.setFloat64(index * 8, Number(element), true)));
      return new Uint8Array(bytes.buffer);
    }
    default:
      throw new Error(`there is no output of datatype ${datatype}`);
  }
}
