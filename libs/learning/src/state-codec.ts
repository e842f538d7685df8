import { createHash } from 'node:crypto';

/**
 * Plain data with typed arrays as bytes: 'MRST', the format's version, SHA-256 of the rest, the length of a JSON
 * header, the header, then the raw little-endian arrays, each on an 8-byte boundary. Bit-exact, and a cut or altered
 * file is noticed.
 */
export function encodeState(value: unknown): Uint8Array {
  const arrays: StoredArray[] = [];
  const header = Buffer.from(JSON.stringify(detach(value, arrays)));
  const body = [lengthPrefix(header.length), header, padding(4 + header.length)];
  for (const array of arrays) {
    const bytes = Buffer.from(array.buffer, array.byteOffset, array.byteLength);
    body.push(bytes, padding(bytes.length));
  }
  const payload = Buffer.concat(body);
  return Buffer.concat([preamble, digestOf(payload), payload]);
}

/** Reads what `encodeState` wrote; null if it is not whole. */
export function decodeState(bytes: Uint8Array): unknown {
  // A copy starts on a boundary that every kind of array accepts.
  const file = Uint8Array.from(bytes);
  const payload = file.subarray(preamble.length + 32);
  if (!preamble.equals(file.subarray(0, preamble.length))) return null;
  if (!digestOf(payload).equals(file.subarray(preamble.length, preamble.length + 32))) return null;
  const headerLength = new DataView(payload.buffer, payload.byteOffset).getUint32(0, true);
  const header: unknown = JSON.parse(Buffer.from(payload.subarray(4, 4 + headerLength)).toString());
  let offset = aligned(4 + headerLength);
  return attach(header, (kind, length) => {
    const from = payload.byteOffset + offset;
    const array = new arrayKinds[kind](payload.buffer.slice(from, from + length * arrayKinds[kind].BYTES_PER_ELEMENT));
    offset = aligned(offset + array.byteLength);
    return array;
  });
}

const arrayKinds = { Float32Array, Float64Array, Int32Array };
type ArrayKind = keyof typeof arrayKinds;
type StoredArray = Float32Array | Float64Array | Int32Array;

const preamble = Buffer.from('MRST0002');
const aligned = (length: number) => Math.ceil(length / 8) * 8;
const padding = (length: number) => Buffer.alloc(aligned(length) - length);
const digestOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();

function lengthPrefix(length: number): Buffer {
  const prefix = Buffer.alloc(4);
  prefix.writeUInt32LE(length);
  return prefix;
}

/** Replaces typed arrays by `{$array: [kind, length]}`, collecting them in the order in which they are met. */
function detach(value: unknown, arrays: StoredArray[]): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new Error(`${value} cannot be stored`);
  if (value === null || typeof value !== 'object') return value;
  if (ArrayBuffer.isView(value)) {
    const kind = Object.prototype.toString.call(value).slice(8, -1);
    if (!(kind in arrayKinds)) throw new Error(`A ${kind} cannot be stored`);
    arrays.push(value as StoredArray);
    return { $array: [kind, (value as StoredArray).length] };
  }
  if (Array.isArray(value)) return value.map((item) => detach(item, arrays));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, detach(item, arrays)]));
}

function attach(value: unknown, next: (kind: ArrayKind, length: number) => StoredArray): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((item) => attach(item, next));
  if ('$array' in value) return next(...(value.$array as [ArrayKind, number]));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, attach(item, next)]));
}
