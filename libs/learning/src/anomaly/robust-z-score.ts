import { categoryCodes, type FittedFeature } from '../pipeline.ts';
import { findColumn, type Table } from '../table.ts';
import { byInput } from './by-input.ts';
import type { AnomalyScores, FittedScorer, RobustColumn } from './detector.ts';
import { normalQuantile } from './normal-quantile.ts';

type RobustScorer = Extract<FittedScorer, { family: 'robust_z_score' }>;

/** What makes the median deviation of normal values their standard deviation: 1 / Φ⁻¹(3/4). */
export const medianDeviationFactor = 1.482602218505602;
/** The same for the mean deviation: √(π/2). */
const meanDeviationFactor = 1.2533141373155;

/**
 * Median and median absolute deviation of each column (Hampel 1974; Iglewicz & Hoaglin 1993). Where more than half of the
 * values are equal, the mean absolute deviation takes its place; a constant is measured in its own unit.
 *
 * A category has no distance. Its value scores what a number scores that is as rare: the two-sided normal quantile of the
 * share of rows whose value is at most as frequent.
 * @param rows to learn from, row numbers of the table
 */
export function fitRobustZScore(table: Table, features: FittedFeature[], rows: Int32Array, combine: RobustScorer['combine']): RobustScorer {
  const columns = features.map((feature): RobustColumn => {
    if (feature.type === 'number') return robustNumber(Float64Array.from(rows, (row) => findColumn(table, feature.name)!.values[row] as number));
    const counts = new Float64Array(feature.categories.length + 1);
    for (const code of categoryCodes(feature, table, rows)) counts[code]! += 1;
    return { type: 'category', scores: rarityScores(counts) };
  });
  return { family: 'robust_z_score', combine, columns };
}

function robustNumber(values: Float64Array): RobustColumn {
  const known = values.filter((value) => !Number.isNaN(value)).sort();
  const centre = medianOf(known);
  const deviations = known.map((value) => Math.abs(value - centre)).sort();
  const meanDeviation = deviations.reduce((sum, value) => sum + value, 0) / deviations.length;
  return { type: 'number', centre, scale: medianDeviationFactor * medianOf(deviations) || meanDeviationFactor * meanDeviation || 1 };
}

/** @param sorted ascending, at least one */
function medianOf(sorted: Float64Array): number {
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : sorted[middle - 1]! / 2 + sorted[middle]! / 2;
}

/** @param counts of each value, the last of rows without one: counted once more, since a new one may be like none */
function rarityScores(counts: Float64Array): Float64Array {
  const smoothed = counts.map((count, place) => count + Number(place === counts.length - 1));
  const total = smoothed.reduce((sum, count) => sum + count, 0);
  return smoothed.map((own) => {
    const asRare = smoothed.reduce((sum, count) => sum + (count <= own ? count : 0), 0) / total;
    return normalQuantile(1 - asRare / 2);
  });
}

/** A number that is missing says nothing: 0. */
export function scoreByRobustZ({ combine, columns }: RobustScorer, features: FittedFeature[], table: Table, rows: Int32Array): AnomalyScores {
  const width = features.length;
  const contributions = new Float64Array(rows.length * width);
  features.forEach((feature, place) => {
    const column = columns[place]!;
    if (feature.type === 'number' && column.type === 'number') {
      const values = findColumn(table, feature.name)!.values as Float64Array;
      rows.forEach((row, at) => {
        const value = values[row]!;
        contributions[at * width + place] = Number.isNaN(value) ? 0 : Math.abs(value - column.centre) / column.scale;
      });
    } else if (feature.type !== 'number' && column.type === 'category') {
      categoryCodes(feature, table, rows).forEach((code, at) => (contributions[at * width + place] = column.scores[code]!));
    }
  });
  const scores = Float64Array.from(rows, (_, at) => {
    const own = contributions.subarray(at * width, (at + 1) * width);
    if (combine === 'largest') return own.reduce((most, value) => Math.max(most, value), 0);
    return Math.sqrt(own.reduce((sum, value) => sum + value * value, 0) / width);
  });
  if (combine === 'combined') {
    // Of a root of a sum of squares each column's part, so that the parts add up to it.
    for (let at = 0; at < contributions.length; at++) {
      const score = scores[Math.floor(at / width)]!;
      contributions[at] = score > 0 ? contributions[at]! ** 2 / (width * score) : 0;
    }
  }
  return { scores, contributions: byInput(contributions, features, combine === 'largest' ? 'largest' : 'sum') };
}
