import { activateBackend, currentBackend } from './backend.ts';
import { networkOutputs } from './dense-network.ts';
import { findNeighbours, neighbourShares } from './nearest-neighbours.ts';
import { createPacer } from './pacer.ts';
import { encodeRows, encodedWidth } from './pipeline.ts';
import type { Pacer } from './pacer.ts';
import type { FittedEstimator, FittedFeature, FittedPipeline } from './pipeline.ts';
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
  const scores = await scoreRows(pipeline, encodeRows(pipeline.features, table, all), table.rows, createPacer());
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

/** Scores encoded rows; null when the pacer said stop. */
export async function scoreRows(
  pipeline: FittedPipeline,
  encoded: Float64Array,
  rows: number,
  pacer: Pacer,
): Promise<Scores | null> {
  const { estimator, target } = pipeline;
  if (estimator.family === 'knn') {
    const queries = { count: rows, width: encodedWidth(pipeline.features), values: encoded };
    return scoreByNeighbours(estimator, target.type === 'number' ? 0 : target.classes.length, queries, pacer);
  }
  const outputs = networkOutputs(estimator.layers, new Float32Array(encoded), rows);
  if (target.type === 'number') {
    return { type: 'values', predicted: Float64Array.from(outputs, (value) => value * target.scale + target.mean) };
  }
  return classScores(new Float64Array(outputs), rows, target.classes.length);
}

async function scoreByNeighbours(
  estimator: Extract<FittedEstimator, { family: 'knn' }>,
  classes: number,
  queries: { count: number; width: number; values: Float64Array },
  pacer: Pacer,
): Promise<Scores | null> {
  const { k, targets } = estimator;
  const points = { count: targets.length, width: estimator.width, values: estimator.rows };
  const neighbours = await findNeighbours(points, queries, k, pacer);
  if (!neighbours) return null;
  const results = new Float64Array(queries.count * (classes || 1));
  for (let query = 0; query < queries.count; query++) {
    const shares = neighbourShares(neighbours.squaredDistances.subarray(query * k, (query + 1) * k), estimator.weights);
    shares.forEach((share, at) => {
      const target = targets[neighbours.indices[query * k + at]!]!;
      if (classes > 0) results[query * classes + target]! += share;
      else results[query]! += share * target;
    });
  }
  return classes > 0 ? classScores(results, queries.count, classes) : { type: 'values', predicted: results };
}

/** The most probable class of each row, ties to the lower index. */
function classScores(probabilities: Float64Array, rows: number, classes: number): Scores {
  const predicted = new Int32Array(rows);
  for (let row = 0; row < rows; row++) {
    let best = 0;
    for (let index = 1; index < classes; index++) {
      if (probabilities[row * classes + index]! > probabilities[row * classes + best]!) best = index;
    }
    predicted[row] = best;
  }
  return { type: 'classes', predicted, probabilities };
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
