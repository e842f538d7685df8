import { activateBackend, currentBackend } from './backend.ts';
import { scoreRows } from './families/families.ts';
import { createPacer } from './pacer.ts';
import type { FittedFeature, FittedPipeline } from './pipeline.ts';
import type { ColumnData, Table } from './table.ts';

/** A row as callers send it: a value per feature; null (or absent) is missing. */
export type Row = Record<string, number | string | null>;

/** `probabilities` follow the order of the target's classes. A regression answers in the target's unit. */
export type Prediction = { label: string; probabilities: number[] } | { value: number };

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
  const { target } = pipeline;
  if (scores.type === 'values') return Array.from(scores.predicted, (value) => ({ value }));
  if (target.type === 'number') throw new Error('A regression has no classes');
  const width = target.classes.length;
  return Array.from(scores.predicted, (index, row) => ({
    label: target.classes[index]!,
    probabilities: Array.from(scores.probabilities.subarray(row * width, (row + 1) * width)),
  }));
}

/** Rows as a table of the features' columns. */
export function tableOf(features: FittedFeature[], rows: Row[]): Table {
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
