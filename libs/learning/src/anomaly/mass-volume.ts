import type { FittedFeature } from '../pipeline.ts';
import { createRandom } from '../random.ts';
import { type ColumnData, findColumn, type Table } from '../table.ts';

/** Rows that volumes are measured by: to about ±0.01. */
export const referenceRows = 4000;
/** Columns of a row that are drawn anew: in more dimensions nearly all of the space is far from every row. */
const redrawnColumns = 5;
/** The masses over which volumes are averaged, as Goix has them. */
const masses = Array.from({ length: 100 }, (_, at) => 0.9 + (0.099 * at) / 99);

/**
 * How small a model makes what it calls usual: the volume of the smallest of its level sets that holds a share of the rows,
 * averaged over shares from 0.9 to 0.999. A model that knows nothing needs all of the space: 1. This is the area under the
 * mass-volume curve (Clémençon & Jakubowicz 2013) that Goix ("How to Evaluate the Quality of Unsupervised Anomaly Detection
 * Algorithms?", 2016) ranks models by where no label is known. Lower is better.
 * @param scores of rows that took no part in learning
 * @param reference scores of rows drawn by `drawReference`
 */
export function massVolume(scores: Float64Array, reference: Float64Array): number {
  const sorted = scores.slice().sort();
  const drawn = reference.slice().sort();
  let [sum, within] = [0, 0];
  for (const mass of masses) {
    const level = sorted[Math.max(0, Math.ceil(sorted.length * mass - 1e-9) - 1)]!;
    while (within < drawn.length && drawn[within]! <= level) within += 1;
    sum += within / drawn.length;
  }
  return sum / masses.length;
}

/**
 * Rows spread evenly over the space that the training rows span: numbers between their smallest and largest value, categories
 * alike. With more than five columns, five of a row that took no part in learning are drawn so and the others kept: the volume
 * is then that of slices through the space, which sampling can still measure (Goix draws five columns as well, but learns anew
 * from these alone).
 */
export function drawReference(table: Table, features: FittedFeature[], rows: Int32Array, seed: number): Table {
  const random = createRandom(seed, 7_919);
  const from = Int32Array.from({ length: referenceRows }, () => rows[random.below(rows.length)]!);
  const redrawn = features.map(() => new Uint8Array(referenceRows));
  for (let at = 0; at < referenceRows; at++) {
    const order = features.length > redrawnColumns ? random.permutation(features.length) : features.map((_, place) => place);
    order.slice(0, redrawnColumns).forEach((place) => (redrawn[place]![at] = 1));
  }
  const columns = features.map((feature, place): ColumnData => {
    const column = findColumn(table, feature.name)!;
    const isDrawn = redrawn[place]!;
    if (feature.type === 'number') {
      const { min, max } = feature;
      return { name: feature.name, type: 'number', values: Float64Array.from(from, (row, at) => (isDrawn[at] ? min + random.uniform() * (max - min) : (column.values[row] as number))) };
    }
    const valueAt = (row: number) => (column.values[row] == null || Number.isNaN(column.values[row]) ? null : String(column.values[row]));
    const { categories } = feature;
    return { name: feature.name, type: feature.type, values: Array.from(from, (row, at) => (isDrawn[at] ? categories[random.below(categories.length)]! : valueAt(row))) };
  });
  return { rows: referenceRows, columns };
}
