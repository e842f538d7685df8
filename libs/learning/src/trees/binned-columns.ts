import type { FittedFeature } from '../pipeline.ts';
import { categoryAt, type ColumnData, findColumn, type Table } from '../table.ts';

/** A feature in few different values: bins 0 … count-1, and bin `count` for rows without a value of their own. */
export interface BinnedColumn {
  type: 'number' | 'category';
  count: number;
  /** by row */
  bins: Uint8Array;
  /** of a number: bin b holds values up to boundaries[b]; count - 1 of them. Empty for a category. */
  boundaries: Float64Array;
}

/** What turns a feature's values into bins; learned from training rows. */
export type Binning =
  | { type: 'number'; boundaries: Float64Array }
  /** by the place of a category in the feature's list: its bin, which is also its code in the trees */
  | { type: 'category'; codes: Int32Array };

/** A bin is a byte, and one is kept for missing values. */
const mostBins = 255;
/** Quantiles of so many rows are as good as those of all. */
const sampledRows = 200_000;

/**
 * Learns bins: of a number, one per different value while there are at most `maxBin`, else bins of about equally many
 * rows; boundaries lie midway between values. Of a category, one for each of the most frequent 255 values, ordered by the
 * mean of `signal` over their rows; the order keeps the sets in which trees divide them in few runs.
 */
export function learnBinning(table: Table, feature: FittedFeature, rows: Int32Array, maxBin: number, signal: Float64Array): Binning {
  const column = columnOf(table, feature);
  return feature.type === 'number'
    ? { type: 'number', boundaries: boundariesOf(sampleOf(column, rows), Math.min(maxBin, mostBins)) }
    : codesOf(column, feature.categories, rows, signal);
}

/** Puts rows into bins. */
export function binColumn(table: Table, feature: FittedFeature, binning: Binning, rows: Int32Array): BinnedColumn {
  const column = columnOf(table, feature);
  const bins = new Uint8Array(rows.length);
  if (binning.type === 'category') {
    const codeOf = codesByCategory(feature, binning.codes);
    for (let at = 0; at < rows.length; at++) {
      const value = categoryAt(column, rows[at]!);
      bins[at] = (value === null ? undefined : codeOf.get(value)) ?? otherCode(binning.codes);
    }
    return { type: 'category', count: otherCode(binning.codes), bins, boundaries: new Float64Array() };
  }
  const { boundaries } = binning;
  for (let at = 0; at < rows.length; at++) {
    const value = column.values[rows[at]!] as number;
    bins[at] = Number.isNaN(value) ? boundaries.length + 1 : binOf(boundaries, value);
  }
  return { type: 'number', count: boundaries.length + 1, bins, boundaries };
}

/** The code of missing and unknown values: the one after the last. */
export const otherCode = (codes: Int32Array): number => Math.min(codes.length, mostBins);

/** By category: its code in the trees. */
export function codesByCategory(feature: FittedFeature, codes: Int32Array): Map<string, number> {
  return new Map(feature.type === 'number' ? [] : feature.categories.map((category, place) => [category, codes[place]!]));
}

/** The first bin whose boundary is not below the value. */
function binOf(boundaries: Float64Array, value: number): number {
  let low = 0;
  let high = boundaries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (value <= boundaries[middle]!) high = middle;
    else low = middle + 1;
  }
  return low;
}

function sampleOf(column: ColumnData, rows: Int32Array): Float64Array {
  const step = Math.max(1, rows.length / sampledRows);
  const sample = new Float64Array(Math.floor(rows.length / step));
  for (let at = 0; at < sample.length; at++) sample[at] = column.values[rows[Math.floor(at * step)]!] as number;
  return sample.filter((value) => !Number.isNaN(value)).sort();
}

function boundariesOf(sorted: Float64Array, maxBin: number): Float64Array {
  const values: number[] = [];
  const counts: number[] = [];
  for (const value of sorted) {
    if (values.length > 0 && value === values[values.length - 1]) counts[counts.length - 1]! += 1;
    else {
      values.push(value);
      counts.push(1);
    }
  }
  const boundaries: number[] = [];
  let rowsLeft = sorted.length;
  let inBin = 0;
  for (let at = 0; at + 1 < values.length; at++) {
    inBin += counts[at]!;
    // Each bin aims at its share of what is left, so that a frequent value does not starve the bins after it.
    const binsLeft = maxBin - boundaries.length;
    if (binsLeft <= 1) break;
    if (values.length <= maxBin || inBin >= rowsLeft / binsLeft) {
      boundaries.push(between(values[at]!, values[at + 1]!));
      rowsLeft -= inBin;
      inBin = 0;
    }
  }
  return Float64Array.from(boundaries);
}

/** A number with low <= number < high, midway if there is room. */
function between(low: number, high: number): number {
  const middle = low / 2 + high / 2;
  return middle >= low && middle < high ? middle : low;
}

function codesOf(column: ColumnData, categories: readonly string[], rows: Int32Array, signal: Float64Array): Binning {
  const places = new Map(categories.map((category, place) => [category, place]));
  const counts = new Float64Array(categories.length);
  const sums = new Float64Array(categories.length);
  for (let at = 0; at < rows.length; at++) {
    const value = categoryAt(column, rows[at]!);
    const place = value === null ? undefined : places.get(value);
    if (place === undefined) continue;
    counts[place]! += 1;
    sums[place]! += signal[at]!;
  }
  const byFrequency = categories.map((_, place) => place).sort((a, b) => counts[b]! - counts[a]! || a - b);
  const kept = byFrequency.slice(0, mostBins);
  kept.sort((a, b) => sums[a]! / counts[a]! - sums[b]! / counts[b]! || a - b);
  const codes = new Int32Array(categories.length).fill(kept.length);
  kept.forEach((place, code) => (codes[place] = code));
  return { type: 'category', codes };
}

function columnOf(table: Table, feature: FittedFeature): ColumnData {
  const column = findColumn(table, feature.name);
  if (!column) throw new Error(`The rows have no column "${feature.name}"`);
  if (feature.type === 'number' && column.type !== 'number') throw new Error(`Column "${feature.name}" must hold numbers`);
  return column;
}
