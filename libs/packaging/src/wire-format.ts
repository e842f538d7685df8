/**
 * The protocol buffers wire format, as far as ONNX uses it: https://protobuf.dev/programming-guides/encoding. A reader of
 * our own, since one that knows only the fields of its schema cannot see what else a file holds.
 */

/** What a field holds: 0 varint, 1 eight bytes, 2 bytes with their length, 5 four bytes. */
export type WireType = 0 | 1 | 2 | 5;

/** One field of a message. Numbers of fixed width are left as their bytes. */
export class WireField {
  readonly number: number;
  readonly type: WireType;
  readonly #message: Uint8Array;
  readonly #start: number;
  readonly #from: number;
  readonly #end: number;

  constructor(message: Uint8Array, number: number, type: WireType, start: number, from: number, end: number) {
    this.number = number;
    this.type = type;
    this.#message = message;
    this.#start = start;
    this.#from = from;
    this.#end = end;
  }

  /** of a varint */
  get value(): bigint {
    return this.type === 0 ? varintAt(this.#message, this.#from) : 0n;
  }

  /** of all others; a view of the message */
  get bytes(): Uint8Array {
    return this.type === 0 ? none : this.#message.subarray(this.#from, this.#end);
  }

  /** tag and all: what it takes to write it again */
  get raw(): Uint8Array {
    return this.#message.subarray(this.#start, this.#end);
  }
}

/** Thrown for bytes that are no message. */
export class BrokenMessage extends Error {}

const none = new Uint8Array();

/** Told of each field: its content goes from `from` to `end`, its tag begins at `start`. */
export type FieldVisitor = (number: number, type: WireType, start: number, from: number, end: number) => void;

/**
 * Goes through the fields of a message in their order, without an object for each: trees have millions. @throws BrokenMessage
 */
export function visitFields(message: Uint8Array, visit: FieldVisitor): void {
  for (let at = 0; at < message.length; ) {
    const start = at;
    const tag = numberAt(message, at);
    let from = endOfVarint(message, at);
    const number = Math.floor(tag / 8);
    if (number < 1 || number > 0x1fffffff) throw new BrokenMessage();
    const type = tag % 8;
    if (type === 0) at = endOfVarint(message, from);
    else if (type === 1) at = from + 8;
    else if (type === 5) at = from + 4;
    else if (type === 2) {
      const length = numberAt(message, from);
      from = endOfVarint(message, from);
      at = from + length;
    } else throw new BrokenMessage();
    if (at > message.length) throw new BrokenMessage();
    visit(number, type, start, from, at);
  }
}

/** The fields of a message in their order. @throws BrokenMessage */
export function fieldsOf(message: Uint8Array): WireField[] {
  const fields: WireField[] = [];
  visitFields(message, (number, type, start, from, end) => void fields.push(new WireField(message, number, type, start, from, end)));
  return fields;
}

/**
 * Adds the signed numbers of a repeated varint field, in either of its spellings, to a list; from 2⁵³ on the nearest that a number holds.
 * @throws BrokenMessage
 */
export function addVarints(message: Uint8Array, type: WireType, from: number, end: number, to: number[]): void {
  if (type !== 0 && type !== 2) throw new BrokenMessage();
  for (let at = from; at < end; ) {
    const next = endOfVarint(message, at);
    if (next > end) throw new BrokenMessage();
    to.push(next - at < 8 ? numberAt(message, at) : Number(signed(varintAt(message, at))));
    at = next;
  }
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

/** Behind the last byte of a varint. @throws BrokenMessage where it has none, or more than ten */
function endOfVarint(bytes: Uint8Array, at: number): number {
  for (let end = at; end < at + 10; ) {
    const byte = bytes[end++];
    if (byte === undefined) throw new BrokenMessage();
    if (byte < 0x80) return end;
  }
  throw new BrokenMessage();
}

/** A varint as an unsigned number, exact below 2⁵³. @throws BrokenMessage */
function numberAt(bytes: Uint8Array, at: number): number {
  const end = endOfVarint(bytes, at);
  let value = 0;
  for (let place = end - 1; place >= at; place--) value = value * 128 + (bytes[place]! & 0x7f);
  return value;
}

/** A varint, exact. @throws BrokenMessage */
function varintAt(bytes: Uint8Array, at: number): bigint {
  const end = endOfVarint(bytes, at);
  let value = 0n;
  for (let place = end - 1; place >= at; place--) value = (value << 7n) | BigInt(bytes[place]! & 0x7f);
  return BigInt.asUintN(64, value);
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
