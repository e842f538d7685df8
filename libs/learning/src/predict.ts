import { activateBackend, currentBackend } from './backend.ts';
import { scoreRows } from './families/families.ts';
import { createPacer } from './pacer.ts';
import { headsOfRows } from './personalisation/apply-heads.ts';
import type { FittedFeature, FittedPipeline } from './pipeline.ts';
import type { ColumnData, Table } from './table.ts';

/** A row as callers send it: a value per feature; null (or absent) is missing. */
export type Row = Record<string, number | string | null>;

/** `probabilities` follow the order of the target's classes. A regression answers in the target's unit. */
/** `personalised`, of a model with heads: whether one was used. */
export type Prediction = ({ label: string; probabilities: number[] } | { value: number }) & { personalised?: boolean };

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
  const table = Array.isArray(rows) ? tableOf(pipeline.features, rows) : rows;
  const all = Int32Array.from({ length: table.rows }, (_, row) => row);
  const scores = await scoreRows(pipeline, table, all, createPacer());
  if (!scores) throw new Error('Prediction was interrupted');
  const { target, heads } = pipeline;
  const own = heads ? headsOfRows(heads, table, all) : null;
  const mark = (row: number) => (own ? { personalised: own[row]! >= 0 } : {});
  if (scores.type === 'values') return Array.from(scores.predicted, (value, row) => ({ value, ...mark(row) }));
  if (target.type === 'number') throw new Error('A regression has no classes');
  const width = target.classes.length;
  return Array.from(scores.predicted, (index, row) => ({
    label: target.classes[index]!,
    probabilities: Array.from(scores.probabilities.subarray(row * width, (row + 1) * width)),
    ...mark(row),
  }));
}

function tableOf(features: FittedFeature[], rows: Row[]): Table {
  return { rows: rows.length, columns: features.map((feature) => columnOf(feature, rows)) };
}

function columnOf(feature: FittedFeature, rows: Row[]): ColumnData {
  const { name } = feature;
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
