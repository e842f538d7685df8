import type { Problem } from '@millrace/kernel';
import { defaultTableLimits } from '@millrace/quota';
import type { ImageSummary } from './image-summary.ts';

/** What a column holds. `number` is stored as float64, `date` as a point in time (UTC), `image` as the bytes of a PNG or JPEG file, all others as text. */
export type ColumnType = 'number' | 'category' | 'binary' | 'text' | 'date' | 'image';

/** Why a file is refused. `field` is the column's name, or `file`. */
export interface FileProblem extends Problem {
  /** line of the file, the first being 1; a row that spans several lines is named by its first */
  row?: number;
}

/** Something that a good engineer would look at before training. The file is accepted all the same. */
export interface FileWarning {
  /** stable, snake_case */
  code: string;
  /** the column's name, or `file` */
  field: string;
  message: string;
  /** what to do about it, where the message doesn't say so */
  remedy?: string;
}

/**
 * `constant`: one value only. `empty`: no value at all. `identifier`: names the row instead of describing it, so that a
 * model could only learn it by heart. `two_valued`: a number with two values, perhaps a yes and no.
 */
export type ColumnFlag = 'constant' | 'empty' | 'identifier' | 'two_valued';

export type ColumnSummary =
  | {
      kind: 'numbers';
      min: number;
      max: number;
      mean: number;
      /** sample standard deviation (n - 1); 0 for a single value */
      std: number;
      /** every value is whole */
      whole: boolean;
      /** linear interpolation between the two nearest values */
      quantiles: { p1: number; p5: number; p25: number; p50: number; p75: number; p95: number; p99: number };
      /** bins of equal width; a value on an edge counts to the bin on its right, the maximum to the last. One more edge than counts. */
      histogram: { edges: number[]; counts: number[] };
    }
  | {
      kind: 'values';
      /** the most frequent first, equals in the order of their code points; at most 20, shortened to 200 characters */
      top: { value: string; count: number }[];
      /** in characters */
      maxLength: number;
    }
  | { kind: 'dates'; min: string; max: string }
  | ImageSummary
  | { kind: 'nothing' };

/** One column of a data set version. Plain JSON. */
export interface ColumnProfile {
  name: string;
  type: ColumnType;
  missing: number;
  distinct: number;
  flags: ColumnFlag[];
  summary: ColumnSummary;
}

export interface FileLimits {
  /** this and the rows are the tenant's own, by its plan */
  maxColumns: number;
  maxRows: number;
  /** of one cell, in bytes of UTF-8 */
  maxCellBytes: number;
  /** of one row with all its cells, in bytes */
  maxRowBytes: number;
  /** of a column's name, in characters */
  maxNameLength: number;
  /** for the tables while they are typed and profiled; what doesn't fit goes to temporary files */
  memoryMb: number;
  threads: number;
}

export const defaultFileLimits: FileLimits = {
  maxColumns: defaultTableLimits.columns,
  maxRows: defaultTableLimits.rows,
  maxCellBytes: 64 * 1024,
  maxRowBytes: 1024 * 1024,
  maxNameLength: 128,
  memoryMb: 512,
  threads: 2,
};
