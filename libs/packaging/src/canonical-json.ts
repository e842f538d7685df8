import { DomainError } from '@millrace/kernel';

export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue | undefined };

/**
 * JSON as bytes, the same for equal values whatever the order of their keys: keys sorted by code unit, two spaces,
 * a line end. `undefined` members are left out. A number that JSON cannot hold is refused rather than turned into null.
 */
export function canonicalJson(value: JsonValue, field: string): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(sorted(value, field), undefined, 2)}\n`);
}

function sorted(value: JsonValue, path: string): JsonValue {
  if (typeof value === 'number' && !Number.isFinite(value)) throw notJson(path, `is ${value}`);
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    return value;
  }
  if (Array.isArray(value)) return value.map((item, index) => sorted(item, `${path}[${index}]`));
  if (typeof value !== 'object' || ArrayBuffer.isView(value) || 'toJSON' in value) {
    throw notJson(path, 'is not plain JSON');
  }
  const entries = Object.entries(value).filter((entry): entry is [string, JsonValue] => entry[1] !== undefined);
  entries.sort(([left], [right]) => (left < right ? -1 : 1));
  // fromEntries defines properties, so a key such as `__proto__` stays a key
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item, `${path}.${key}`)]));
}

function notJson(field: string, complaint: string): DomainError {
  return new DomainError('INVALID', `${field} ${complaint}, which a model package cannot hold.`, {
    field,
    remedy: 'Give finite numbers, text, true, false, null, lists and plain objects; null where a value is undefined.',
  });
}
