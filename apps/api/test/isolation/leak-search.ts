import { newId } from '@millrace/kernel';

const idShape = /\b[a-z]{3}_[0-9a-z]{26}\b/g;
const base64Shape = /[A-Za-z0-9+/_-]{24,}={0,2}/g;

/** The text, and after it whatever it holds in base 64: cursors are ids in disguise. */
export function unfolded(text: string): string {
  const inner = text.match(base64Shape) ?? [];
  return `${text}\n${inner.map((part) => Buffer.from(part, 'base64').toString('latin1')).join('\n')}`;
}

/**
 * Those of the needles that the text holds.
 * @param sent what the asker sent: its echo is no leak
 */
export function needlesIn(text: string, needles: readonly ReadonlySet<string>[], sent: readonly string[] = []): string[] {
  const whole = unfolded(text);
  const sentIds = new Set(sent);
  const ids = (whole.match(idShape) ?? []).filter((id) => !sentIds.has(id) && needles.some((some) => some.has(id)));
  // Thousands of ids may have been sent, and none of them holds a text that is looked for.
  let rest = whole;
  for (const value of sent.filter((each) => !isIdShaped(each)).sort((a, b) => b.length - a.length)) rest = rest.replaceAll(value, '');
  return [...new Set([...ids, ...needles.map(textsAmong).flatMap(({ texts, any }) => (any?.test(rest) ? texts.filter((needle) => rest.includes(needle)) : []))])];
}

/** those of a set that are no ids, and what finds whether one of them is there: one pass instead of hundreds */
interface Texts {
  texts: string[];
  any: RegExp | null;
}

/** by set, with how many there were. Sets grow, and are looked for thousands of times. */
const known = new WeakMap<ReadonlySet<string>, Texts & { size: number }>();

function textsAmong(needles: ReadonlySet<string>): Texts {
  const before = known.get(needles);
  if (before?.size === needles.size) return before;
  const all = [...needles].filter((needle) => !isIdShaped(needle));
  // Most hold the mark of their tenant, which comes first: where that is not, they are not either.
  const texts = all.filter((needle, place) => place === 0 || !needle.includes(all[0]!));
  const now = { size: needles.size, texts, any: texts.length ? new RegExp(texts.map((text) => text.replace(/[^\w]/gu, '\\$&')).join('|')) : null };
  known.set(needles, now);
  return now;
}

const isIdShaped = (text: string): boolean => /^[a-z]{3}_[0-9a-z]{26}$/.test(text);

/** Every text in the variables of an operation, and what it holds. */
export function textsIn(value: unknown): string[] {
  if (typeof value === 'string') {
    const inner = Buffer.from(value, 'base64').toString('latin1');
    return inner.startsWith('GPC:S:') ? [value, inner.slice('GPC:S:'.length)] : [value];
  }
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(textsIn);
}

/** In the names of what nobody has: as long as a canary. */
export const nobodysMark = 'zq0nobody000';

/** A value of the same shape that nobody has: byte for byte as long. */
export function missingLike(value: string, canary: string): string {
  if (isIdShaped(value)) return newIdLike(value);
  const cursor = /^GPC:S:([a-z]{3}_[0-9a-z]{26})$/.exec(Buffer.from(value, 'base64').toString());
  if (cursor) return Buffer.from(`GPC:S:${newIdLike(cursor[1]!)}`).toString('base64');
  return value.replaceAll(canary, nobodysMark);
}

/** Of the same moment, so that it stands in the same place among other ids, but made at random. */
function newIdLike(id: string): string {
  return id.slice(0, -10) + newId('request').slice(-10);
}

/** An answer without what may differ between two that are alike: what was sent, ids and keys just made, and the time. */
export function comparable(answer: { status: number; headers: [string, string][]; text: string }, sent: readonly string[]): string {
  const headers = answer.headers.filter(([name]) => !['date', 'x-request-id', 'ratelimit'].includes(name));
  let text = JSON.stringify([answer.status, headers]) + answer.text;
  for (const value of [...sent].sort((a, b) => b.length - a.length)) text = text.replaceAll(value, '<sent>');
  return text
    .replace(/"requestId":"[^"]*"/g, '"requestId":""')
    .replace(idShape, (id) => `${id.slice(0, 3)}_<id>`)
    .replace(/\b\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
    .replace(/"(key|token|accessToken|refreshToken|lastFour|cursor|startCursor|endCursor)":"[^"]*"/g, '"$1":"<new>"');
}
