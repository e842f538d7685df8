import type { Problem } from '@millrace/kernel';

/** Texts deeper than so many lists and objects are no text of a package. */
const mostLevels = 64;

/**
 * Where in a piece of JSON a text stands, as key or value, that no database keeps: with a NUL, or with half a surrogate pair;
 * or where it has more levels than are looked at. Null where there is neither. @param field of the whole
 */
export function unfitText(value: unknown, field: string): Problem | null {
  const found = find(value, field, 0);
  if (found === null) return null;
  const place = found.place.slice(0, 200);
  return found.isDeep
    ? { code: 'too_deep', field: place, message: `${place} lies more than ${mostLevels} lists and objects deep.`, remedy: 'Give lists and objects that are less nested.' }
    : { code: 'unfit_text', field: place, message: `${place} holds a NUL or half a character.`, remedy: 'Name inputs, outputs and classes by printable text.' };
}

export const isUnfit = (text: string): boolean => text.includes('\0') || /\p{Cs}/u.test(text);

function find(value: unknown, place: string, level: number): { place: string; isDeep: boolean } | null {
  if (typeof value === 'string') return isUnfit(value) ? { place, isDeep: false } : null;
  if (typeof value !== 'object' || value === null) return null;
  if (level > mostLevels) return { place, isDeep: true };
  for (const [key, item] of Object.entries(value)) {
    if (isUnfit(key)) return { place, isDeep: false };
    const found = find(item, `${place}.${key}`, level + 1);
    if (found !== null) return found;
  }
  return null;
}
