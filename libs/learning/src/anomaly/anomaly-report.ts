import type { FittedFeature } from '../pipeline.ts';
import { categoryAt, findColumn, type Table } from '../table.ts';
import { type InputPlaces, inputsOf } from './by-input.ts';
import type { AnomalyScores } from './detector.ts';

/** What a person looks at: how scores lie about the threshold, and which rows are the most unusual. */
export interface AnomalyReport {
  threshold: number;
  histogram: {
    /** one more than there are bars; the last bar also holds every score above its end */
    edges: number[];
    /** rows that are no known anomalies */
    usual: number[];
    anomalous: number[];
  };
  /** the most unusual test rows, most unusual first */
  rows: {
    /** from 1, as the data set counts */
    row: number;
    score: number;
    isAnomaly: boolean;
    /** what the label says of it; null without one */
    wasAnomaly: boolean | null;
    values: { name: string; value: string | number | null; contribution: number | null }[];
  }[];
}

const bars = 40;
const shownRows = 20;
const shownValues = 6;

/** @param scored of the test rows `rows`, in their order */
export function reportOf(table: Table, features: FittedFeature[], rows: Int32Array, { scores, contributions }: AnomalyScores, threshold: number, labels: Int8Array | null): AnomalyReport {
  const sorted = scores.slice().sort();
  const [lowest, highest] = [sorted[0]!, sorted.at(-1)!];
  // A single far score must not press all others into one bar.
  const end = Math.min(highest, Math.max(threshold + (threshold - lowest) / 2, sorted[Math.floor(sorted.length * 0.95)]!));
  const width = (end - lowest) / bars || 1;
  const usual = new Array<number>(bars).fill(0);
  const anomalous = new Array<number>(bars).fill(0);
  scores.forEach((score, at) => {
    const bar = Math.min(bars - 1, Math.max(0, Math.floor((score - lowest) / width)));
    (labels?.[rows[at]!] === 1 ? anomalous : usual)[bar]! += 1;
  });
  const inputs = inputsOf(features);
  const order = Array.from(scores, (_, at) => at).sort((a, b) => scores[b]! - scores[a]! || a - b).slice(0, shownRows);
  return {
    threshold,
    histogram: { edges: Array.from({ length: bars + 1 }, (_, at) => lowest + at * width), usual, anomalous },
    rows: order.map((at) => {
      const row = rows[at]!;
      const label = labels ? labels[row]! : -1;
      const own = contributions?.subarray(at * inputs.length, (at + 1) * inputs.length) ?? null;
      const places = inputs.map((_, place) => place);
      const shown = (own ? places.sort((a, b) => own[b]! - own[a]! || a - b) : places).slice(0, shownValues);
      return {
        row: row + 1,
        score: scores[at]!,
        isAnomaly: scores[at]! > threshold,
        wasAnomaly: label < 0 ? null : label === 1,
        values: shown.map((place) => ({ name: inputs[place]!.name, value: valueAt(table, inputs[place]!, row), contribution: own ? own[place]! : null })),
      };
    }),
  };
}

function valueAt(table: Table, { name }: InputPlaces, row: number): string | number | null {
  const column = findColumn(table, name)!;
  if (column.type !== 'number') return categoryAt(column, row);
  const value = column.values[row]!;
  return Number.isNaN(value) ? null : value;
}
