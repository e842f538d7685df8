import { GraphQLError, GraphQLScalarType, Kind, type ValueNode } from 'graphql';

const deepestJson = 32;
const forbiddenKeys = new Set(['__proto__', 'constructor', 'prototype']);

function refuse(message: string): never {
  throw new GraphQLError(message, { extensions: { code: 'BAD_USER_INPUT' } });
}

export const dateTimeScalar = new GraphQLScalarType<Date, string>({
  name: 'DateTime',
  description: 'A moment in UTC, as ISO 8601 has it: 2026-01-31T12:00:00.000Z.',
  serialize: (value) => (value instanceof Date ? value : new Date(String(value))).toISOString(),
  parseValue: parseMoment,
  parseLiteral: (node) => (node.kind === Kind.STRING ? parseMoment(node.value) : refuse('A DateTime is written as text.')),
});

function parseMoment(value: unknown): Date {
  const moment = typeof value === 'string' ? readMoment(value) : null;
  return moment ?? refuse('Not a DateTime: write it with its time zone, such as 2026-01-31T12:00:00Z.');
}

/** Null for what is no moment, or has no time zone. */
export function readMoment(text: string): Date | null {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/.test(text)) return null;
  const moment = new Date(text);
  const year = moment.getUTCFullYear(); // NaN where there is no such day; the database knows no year 0
  return year >= 1 && year <= 9999 ? moment : null;
}

export const bigIntScalar = new GraphQLScalarType<bigint, number | string>({
  name: 'BigInt',
  description: 'A whole number: as a number where JSON holds it exactly, as text beyond 2^53.',
  serialize: (value) => {
    const number = BigInt(value as bigint | number);
    return Number.isSafeInteger(Number(number)) ? Number(number) : number.toString();
  },
  parseValue: parseWhole,
  parseLiteral: (node) =>
    node.kind === Kind.INT || node.kind === Kind.STRING ? parseWhole(node.value) : refuse('Not a whole number.'),
});

function parseWhole(value: unknown): bigint {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
  // The database holds 64 bits.
  if (typeof value === 'string' && /^-?\d{1,19}$/.test(value) && BigInt.asIntN(64, BigInt(value)) === BigInt(value)) return BigInt(value);
  return refuse('Not a whole number of 64 bits.');
}

export const jsonScalar = new GraphQLScalarType<unknown, unknown>({
  name: 'JSON',
  description: `Any JSON value, at most ${deepestJson} levels deep.`,
  serialize: (value) => value,
  parseValue: (value) => copyJson(value, 1),
  parseLiteral: (node, variables) => jsonOfLiteral(node, variables ?? {}, 1),
});

/** Copies into objects without a prototype: a key such as __proto__ would otherwise change the copies made further in. */
function copyJson(value: unknown, depth: number): unknown {
  if (typeof value === 'number') return finite(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth > deepestJson) refuse(`JSON may be ${deepestJson} levels deep at most.`);
  if (Array.isArray(value)) return value.map((item) => copyJson(item, depth + 1));
  return withKeys(Object.entries(value).map(([key, item]) => [key, copyJson(item, depth + 1)]));
}

function jsonOfLiteral(node: ValueNode, variables: Record<string, unknown>, depth: number): unknown {
  if (depth > deepestJson) refuse(`JSON may be ${deepestJson} levels deep at most.`);
  switch (node.kind) {
    case Kind.STRING:
    case Kind.ENUM:
      return node.value;
    case Kind.BOOLEAN:
      return node.value;
    case Kind.INT:
    case Kind.FLOAT:
      return finite(Number(node.value));
    case Kind.NULL:
      return null;
    case Kind.VARIABLE:
      return copyJson(variables[node.name.value] ?? null, depth);
    case Kind.LIST:
      return node.values.map((item) => jsonOfLiteral(item, variables, depth + 1));
    case Kind.OBJECT:
      return withKeys(node.fields.map(({ name, value }) => [name.value, jsonOfLiteral(value, variables, depth + 1)]));
  }
}

/** A number with more digits than there is room for is read as infinite, and would be stored as null. */
function finite(value: number): number {
  return Number.isFinite(value) ? value : refuse('JSON may not have numbers beyond 1.7e308.');
}

function withKeys(entries: [string, unknown][]): Record<string, unknown> {
  const object = Object.create(null) as Record<string, unknown>;
  for (const [key, value] of entries) {
    if (forbiddenKeys.has(key)) refuse(`JSON may not have the key ${key}.`);
    object[key] = value;
  }
  return object;
}
