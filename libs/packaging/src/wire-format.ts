/**
 * The protocol buffers wire format, as far as ONNX uses it: https://protobuf.dev/programming-guides/encoding. A reader of
 * our own, since one that knows only the fields of its schema cannot see what else a file holds.
 */

/** One field of a message. Numbers of fixed width are left as their bytes. */
export interface WireField {
  number: number;
  /** 0 varint, 1 eight bytes, 2 bytes with their length, 5 four bytes */
  type: 0 | 1 | 2 | 5;
  /** of a varint */
  value: bigint;
  /** of all others; a view of the message */
  bytes: Uint8Array;
  /** tag and all: what it takes to write it again */
  raw: Uint8Array;
}

/** Thrown for bytes that are no message. */
export class BrokenMessage extends Error {}

const none = new Uint8Array();

/** The fields of a message in their order. @throws BrokenMessage */
export function* fieldsOf(message: Uint8Array): Generator<WireField, void, void> {
  for (let at = 0; at < message.length; ) {
    const start = at;
    const tag = varintAt(message, at);
    at = tag.end;
    const number = Number(tag.value >> 3n);
    if (number < 1 || number > 0x1fffffff) throw new BrokenMessage();
    switch (Number(tag.value & 7n)) {
      case 0: {
        const { value, end } = varintAt(message, at);
        at = end;
        yield { number, type: 0, value, bytes: none, raw: message.subarray(start, end) };
        break;
      }
      case 1:
      case 5: {
        const type = (tag.value & 7n) === 1n ? 1 : 5;
        const end = at + (type === 1 ? 8 : 4);
        if (end > message.length) throw new BrokenMessage();
        yield { number, type, value: 0n, bytes: message.subarray(at, end), raw: message.subarray(start, end) };
        at = end;
        break;
      }
      case 2: {
        const length = varintAt(message, at);
        const end = length.end + Number(length.value);
        if (end > message.length) throw new BrokenMessage();
        yield { number, type: 2, value: 0n, bytes: message.subarray(length.end, end), raw: message.subarray(start, end) };
        at = end;
        break;
      }
      default:
        throw new BrokenMessage();
    }
  }
}

/** The numbers of a repeated varint field in either of its spellings. */
export function packedVarints(field: WireField): bigint[] {
  if (field.type === 0) return [field.value];
  if (field.type !== 2) throw new BrokenMessage();
  const values: bigint[] = [];
  for (let at = 0; at < field.bytes.length; ) {
    const { value, end } = varintAt(field.bytes, at);
    values.push(value);
    at = end;
  }
  return values;
}

/** A field with its length: what `fieldsOf` gives as type 2. */
export function lengthDelimited(number: number, bytes: Uint8Array): Uint8Array {
  return Buffer.concat([varint(BigInt(number) * 8n + 2n), varint(BigInt(bytes.length)), bytes]);
}

export function varintField(number: number, value: bigint): Uint8Array {
  return Buffer.concat([varint(BigInt(number) * 8n), varint(BigInt.asUintN(64, value))]);
}

/** Two's complement of 64 bits. */
export const signed = (value: bigint): bigint => BigInt.asIntN(64, value);

function varintAt(bytes: Uint8Array, at: number): { value: bigint; end: number } {
  let value = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = bytes[at++];
    if (byte === undefined) throw new BrokenMessage();
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return { value: BigInt.asUintN(64, value), end: at };
  }
  throw new BrokenMessage();
}

function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7n) {
    const byte = Number(rest & 0x7fn);
    if (rest < 0x80n) {
      bytes.push(byte);
      return Uint8Array.from(bytes);
    }
    bytes.push(byte | 0x80);
  }
}
