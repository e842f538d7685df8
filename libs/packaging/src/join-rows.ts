import { ValidatedRows } from './validated-rows.ts';

/** The rows of several requests as those of one, in their order. All must have been checked against the same signature. */
export function joinRows(parts: readonly ValidatedRows[]): ValidatedRows {
  const [first] = parts;
  if (first === undefined || parts.some(({ layout }) => layout !== first.layout)) throw new Error('rows of different models are not one batch');
  if (parts.length === 1) return first;
  let [count, numberCount, pixelCount] = [0, 0, 0];
  for (const part of parts) {
    count += part.count;
    numberCount += part.numbers.length;
    pixelCount += part.pixels.length;
  }
  const numbers = new Float64Array(numberCount);
  const pixels = new Uint8Array(pixelCount);
  const categories: string[] = [];
  const lists: (readonly string[])[] = [];
  let [numberAt, pixelAt] = [0, 0];
  for (const part of parts) {
    numbers.set(part.numbers, numberAt);
    numberAt += part.numbers.length;
    pixels.set(part.pixels, pixelAt);
    pixelAt += part.pixels.length;
    for (const category of part.categories) categories.push(category);
    for (const list of part.lists) lists.push(list);
  }
  return new ValidatedRows(count, first.layout, numbers, categories, pixels, lists);
}

/** Places that rows for one call have for their list: all get as many as the longest needs. */
export function listPlaces(parts: readonly ValidatedRows[]): number {
  let [count, longest] = [0, 0];
  for (const part of parts) {
    count += part.count;
    for (const { length } of part.lists) longest = Math.max(longest, length);
  }
  return count * longest;
}
