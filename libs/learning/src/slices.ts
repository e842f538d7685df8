import type { SelectionMetric, TrainingSpec } from '@millrace/configuration';
import type { Scores } from './predict.ts';
import { type PreparedData, scoresToMetric } from './prepared-data.ts';
import { categoryAt, findColumn, inCodeUnitOrder } from './table.ts';

/** How well a model does on the rows with one value of a category. */
export interface Slice {
  column: string;
  /** null: the rows where it is missing */
  value: string | null;
  rows: number;
  /** The selection metric on these rows; null where it is undefined. */
  score: number | null;
}

/** A figure of fewer rows says more of chance than of the model. */
const fewestRows = 20;
const mostValues = 20;

/** The score on each value of each category among the inputs, the frequent values of each column first. */
export function scoreSlices(data: PreparedData, spec: TrainingSpec, rows: Int32Array, scores: Scores, metric: SelectionMetric): Slice[] {
  return spec.inputFeatures.flatMap(({ name, type }) => {
    if (type === 'number' || type === 'image') return [];
    const column = findColumn(data.table, name)!;
    const places = new Map<string | null, number[]>();
    rows.forEach((row, at) => {
      const value = categoryAt(column, row);
      const known = places.get(value);
      if (known) known.push(at);
      else places.set(value, [at]);
    });
    return [...places]
      .filter(([, at]) => at.length >= fewestRows)
      .sort(([a, aAt], [b, bAt]) => bAt.length - aAt.length || inCodeUnitOrder(a ?? '', b ?? ''))
      .slice(0, mostValues)
      .map(([value, at]) => ({ column: name, value, rows: at.length, score: scoresToMetric(data, rowsAt(rows, at), scoresAt(scores, at, rows.length), metric) }));
  });
}

const rowsAt = (rows: Int32Array, at: number[]) => Int32Array.from(at, (place) => rows[place]!);

/** The answers at some places of those to `rows` rows. */
export function scoresAt(scores: Scores, at: number[], rows: number): Scores {
  if (scores.type === 'values') return { type: 'values', predicted: Float64Array.from(at, (place) => scores.predicted[place]!) };
  const width = scores.probabilities.length / rows;
  return {
    type: 'classes',
    predicted: Int32Array.from(at, (place) => scores.predicted[place]!),
    probabilities: Float64Array.from(at.flatMap((place) => Array.from(scores.probabilities.subarray(place * width, (place + 1) * width)))),
  };
}
