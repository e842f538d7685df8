import { checkVectors, type Signature, type SignatureInput, type ValidatedRows } from '@millrace/packaging';
import { createRandom, permutation, type Random } from './seeded-random.ts';

/** A row in the order of the signature's inputs; null where a value is missing. */
export type BackgroundRow = (number | string | null)[];

/** Values of an input in the training rows, null where missing. */
export type BackgroundColumn = readonly (number | string | null)[];

/** Enough for means of answers; each is asked of a model for every coalition. */
const backgroundSize = 32;

/**
 * Rows that stand for what is usual, made up column by column: each column has its own quantiles, categories in proportion to
 * their counts, and gaps as often as training had them, in an order by chance (Latin hypercube sampling: McKay, Beckman & Conover
 * 1979). No row of the training is kept, and none can be put together from them: they tell about single columns only.
 * The same columns give the same rows. @param columns by input of the signature, each with a value at least
 */
export function synthesiseBackground(columns: readonly BackgroundColumn[]): BackgroundRow[] {
  const random = createRandom(Uint32Array.from([columns.length, backgroundSize, 0x6d69, 0x6c6c]));
  const spread = columns.map((values) => shuffled(quantilesOf(values), random));
  return Array.from({ length: backgroundSize }, (_, row) => spread.map((column) => column[row]!));
}

/** Where nothing but the signature is known: numbers and dates evenly over their ranges, categories in turn. */
export function backgroundOfRanges(signature: Signature): ValidatedRows | null {
  const columns = signature.inputs.map(rangeOf);
  if (columns.some(({ length }) => length === 0)) return null;
  const checked = checkVectors(signature, synthesiseBackground(columns));
  return checked.type === 'valid' ? checked.rows : null;
}

/** Empty for a picture and a list. */
function rangeOf(input: SignatureInput): BackgroundColumn {
  if (input.type === 'number') return Array.from({ length: backgroundSize }, (_, at) => input.min + ((at + 0.5) / backgroundSize) * (input.max - input.min)).map((value) => (input.closed ? Math.round(value) : value));
  if (input.type === 'date') return input.min === input.max ? [input.min] : [input.min, input.max];
  if (input.type === 'category' || input.type === 'binary') return input.categories.length > 0 ? input.categories : input.required ? [''] : [null];
  return [];
}

/** `backgroundSize` values that stand for all: of numbers quantiles, in straight lines between values unless all are whole. */
function quantilesOf(values: BackgroundColumn): BackgroundRow {
  const sorted = [...values].sort(inOrder);
  const gaps = sorted.filter((value) => value === null).length;
  const present = sorted.length - gaps;
  const isWhole = sorted.every((value) => value === null || typeof value === 'string' || Number.isInteger(value));
  return Array.from({ length: backgroundSize }, (_, at) => {
    const place = ((at + 0.5) / backgroundSize) * sorted.length - 0.5;
    const nearest = Math.min(sorted.length - 1, Math.max(0, Math.round(place)));
    const low = Math.min(present - 1, Math.max(0, Math.floor(place)));
    const [lower, upper] = [sorted[low], sorted[Math.min(present - 1, low + 1)]];
    // Gaps stand at the end.
    if (nearest >= present || isWhole || typeof lower !== 'number' || typeof upper !== 'number') return sorted[nearest]!;
    return lower + Math.min(1, Math.max(0, place - low)) * (upper - lower);
  });
}

function inOrder(one: number | string | null, other: number | string | null): number {
  if (one === null || other === null) return Number(one === null) - Number(other === null);
  if (typeof one === 'number' && typeof other === 'number') return one - other;
  return String(one) < String(other) ? -1 : Number(String(one) > String(other));
}

function shuffled(values: BackgroundRow, random: Random): BackgroundRow {
  return Array.from(permutation(values.length, random), (at) => values[at]!);
}
