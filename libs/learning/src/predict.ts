import { activateBackend, currentBackend } from './backend.ts';
import { scoreRows } from './families/families.ts';
import { partColumn } from './date-columns.ts';
import { createPacer } from './pacer.ts';
import { headsOfRows } from './personalisation/apply-heads.ts';
import type { FittedFeature, FittedPipeline } from './pipeline.ts';
import { type ColumnData, findColumn, type Table } from './table.ts';

/** A row as callers send it: a value per feature, a date for all parts of it; null (or absent) is missing. */
export type Row = Record<string, number | string | null>;

/**
 * `probabilities` follow the order of the target's classes. A regression answers in the target's unit, with an interval if one was learned.
 * `personalised`, of a model with heads: whether one was used.
 */
export type Prediction = ({ label: string; probabilities: number[] } | { value: number; interval?: { lower: number; upper: number } }) & { personalised?: boolean };

/** Raw results for many rows. */
export type Scores =
  | { type: 'classes'; predicted: Int32Array; probabilities: Float64Array }
  | { type: 'values'; predicted: Float64Array };

/**
 * Predicts rows with TensorFlow.js on the current backend (choosing one if none is). Throws a TypeError that names the
 * feature when a value has the wrong type; a missing number is filled, an unseen category is encoded as zeros.
 */
export async function predict(pipeline: FittedPipeline, rows: Row[] | Table): Promise<Prediction[]> {
  await activateBackend(await currentBackend());
  const table = Array.isArray(rows) ? tableOf(pipeline.features, rows) : withDateParts(pipeline.features, rows);
  const all = Int32Array.from({ length: table.rows }, (_, row) => row);
  const scores = await scoreRows(pipeline, table, all, createPacer());
  if (!scores) throw new Error('Prediction was interrupted');
  const { target, heads } = pipeline;
  const own = heads ? headsOfRows(heads, table, all) : null;
  const mark = (row: number) => (own ? { personalised: own[row]! >= 0 } : {});
  if (scores.type === 'values') {
    const halfWidth = target.type === 'number' ? target.interval?.halfWidth : undefined;
    return Array.from(scores.predicted, (value, row) => ({ value, ...(halfWidth === undefined ? {} : { interval: { lower: value - halfWidth, upper: value + halfWidth } }), ...mark(row) }));
  }
  if (target.type === 'number') throw new Error('A regression has no classes');
  const width = target.classes.length;
  return Array.from(scores.predicted, (index, row) => ({
    label: target.classes[index]!,
    probabilities: Array.from(scores.probabilities.subarray(row * width, (row + 1) * width)),
    ...mark(row),
  }));
}

/** A table of raw dates with the columns that were made of them for training. */
function withDateParts(features: FittedFeature[], table: Table): Table {
  const added = features.flatMap((feature) => {
    const dates = feature.type === 'number' && feature.of ? findColumn(table, feature.of.column) : null;
    return dates && dates.type !== 'number' && feature.type === 'number' ? [partColumn(dates, feature.of!)] : [];
  });
  return added.length > 0 ? { rows: table.rows, columns: [...table.columns, ...added] } : table;
}

/** Rows as a table of the features' columns. */
export function tableOf(features: FittedFeature[], rows: Row[]): Table {
  return { rows: rows.length, columns: features.map((feature) => columnOf(feature, rows)) };
}

function columnOf(feature: FittedFeature, rows: Row[]): ColumnData {
  const { name } = feature;
  if (feature.type === 'number' && feature.of) {
    const { column } = feature.of;
    const texts = rows.map((row) => {
      const value = row[column] ?? null;
      if (value !== null && typeof value !== 'string') throw new TypeError(`"${column}" must be a date as text, or null`);
      return value;
    });
    return partColumn({ values: texts }, feature.of);
  }
  if (feature.type === 'number') {
    const values = rows.map((row) => {
      const value = row[name] ?? null;
      if (value === null) return NaN;
      if (typeof value !== 'number' || !Number.isFinite(value)) throw new TypeError(`"${name}" must be a finite number or null`);
      return value;
    });
    return { name, type: 'number', values: Float64Array.from(values) };
  }
  const values = rows.map((row) => {
    const value = row[name] ?? null;
    if (value !== null && typeof value !== 'string' && typeof value !== 'number') {
      throw new TypeError(`"${name}" must be a text, a number or null`);
    }
    return value === null ? null : String(value);
  });
  return { name, type: feature.type, values };
}
