import type { Problem } from '@millrace/kernel';

/** Texts deeper than so many lists and objects are no text of a package. */
const mostLevels = 64;

/**
 * Where in a piece of JSON a text stands, as key or value, that no database keeps: with a NUL, or with half a surrogate pair.
 * Null where there is none. @param field of the whole
 */
export function unfitText(value: unknown, field: string): Problem | null {
  const place = find(value, field, 0);
  return place === null
    ? null
    : { code: 'unfit_text', field: place.slice(0, 200), message: `${place.slice(0, 200)} holds a NUL or half a character.`, remedy: 'Name inputs, outputs and classes by printable text.' };
}

export const isUnfit = (text: string): boolean => text.includes('\0') || /\p{Cs}/u.test(text);

function find(value: unknown, field: string, level: number): string | null {
  if (typeof value === 'string') return isUnfit(value) ? field : null;
  if (typeof value !== 'object' || value === null || level > mostLevels) return null;
  for (const [key, item] of Object.entries(value)) {
    if (isUnfit(key)) return field;
    const found = find(item, `${field}.${key}`, level + 1);
    if (found !== null) return found;
  }
  return null;
}
