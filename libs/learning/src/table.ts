import type { SpecProblem } from '@millrace/configuration';
import type { DatePart } from '@millrace/kernel';

/** Something in the configuration or the data that a person can mend. */
export type Problem = SpecProblem;

/** What a column is used as. `binary` is a category with at most two values. */
export type FeatureType = 'number' | 'category' | 'binary';

/** Numbers that are a part of the dates of a column. */
export interface DateSource {
  column: string;
  part: DatePart;
}

/** A column of values in memory. A missing value is NaN in a number column and null in the others. Dates are ISO 8601 text. */
export type ColumnData =
  | { name: string; type: 'number'; values: Float64Array; of?: DateSource }
  | { name: string; type: 'category' | 'binary' | 'date'; values: (string | null)[] };

/** A column of pictures: the bytes of PNG or JPEG files. */
export interface ImageColumn {
  name: string;
  type: 'image';
  values: (Uint8Array | null)[];
}

/** Columns of equal length; the order of the columns has no meaning, the order of the rows is kept. */
export interface Table {
  rows: number;
  columns: ColumnData[];
  /** what a network for pictures learns from; it is an input only */
  pictures?: ImageColumn | undefined;
}

/**
 * A cell as a category: null when missing. Numbers become the text that JSON gives them (`0`, `1.5`), so that a
 * column of 0 and 1 can be a category whichever way it was read.
 */
export function categoryAt(column: ColumnData, row: number): string | null {
  const value = column.values[row];
  if (value == null) return null;
  if (typeof value === 'string') return value;
  return Number.isNaN(value) ? null : String(value);
}

/** Finds a column by name, or null. */
export function findColumn(table: Table, name: string): ColumnData | null {
  return table.columns.find((column) => column.name === name) ?? null;
}

/** Code-unit order: the same on every machine, whatever its locale. */
export function inCodeUnitOrder(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
