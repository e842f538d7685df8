import type { TrainingSpec } from '@millrace/configuration';
import { encodeRows, encodedWidth, fitFeatures, type FittedFeature } from '../pipeline.ts';
import type { ColumnData, Problem, Table } from '../table.ts';
import type { ForecastTable, SeriesSet } from './series.ts';

/** Columns that are known in advance, placed on the steps of each series. */
export interface Covariates {
  features: FittedFeature[];
  /** numbers of an encoded step */
  width: number;
  /** by series: [values and horizon, width], encoded row by row; a step without a row counts as missing */
  cells: Float64Array[];
  /** by series: the rows of the steps to come; -1 where the data have none */
  ahead: Int32Array[];
  /** the columns, with one row more in which everything is missing */
  table: Table;
}

/**
 * Learns the preprocessing of covariates from the rows up to the last value, and encodes every step of every series and of
 * the horizon. Where a time has several rows, the one with a target counts, else the first.
 */
export function placeCovariates(
  table: ForecastTable, inputs: TrainingSpec['inputFeatures'], { series, calendar }: SeriesSet, horizon: number,
): { type: 'placed'; covariates: Covariates } | { type: 'invalid'; problems: Problem[] } {
  const columns = (table.covariates ?? []).map(withMissingRow);
  const rows = table.times.length;
  const extended: Table = { rows: rows + 1, columns };
  const blank = { features: [], width: 0, cells: series.map(() => new Float64Array()), ahead: series.map(() => new Int32Array()), table: extended };
  if (inputs.length === 0) return { type: 'placed', covariates: blank };
  const places = rowsBySeries(table);
  const bySeries = series.map(({ name, values, start }) => {
    const own = Int32Array.from({ length: values.length + horizon }, () => -1);
    for (const [time, row] of places.get(name) ?? []) {
      const step = calendar.stepOf(time);
      const at = step === null ? -1 : step - start;
      if (at >= 0 && at < own.length) own[at] = row;
    }
    return own;
  });
  const learned = Int32Array.from(series.flatMap(({ values }, at) => [...bySeries[at]!.subarray(0, values.length)].filter((row) => row >= 0)));
  for (const [index, { name, type }] of inputs.entries()) {
    const column = columns.find((own) => own.name === name);
    if (type === 'number' && column?.type === 'number' && column.values.some((value) => Math.abs(value) === Infinity)) {
      return { type: 'invalid', problems: [{ field: `inputFeatures[${index}].name`, message: `"${name}" holds an infinite number.`, remedy: 'Correct the value or leave the cell empty.' }] };
    }
  }
  const fitted = fitFeatures(extended, inputs, learned);
  if (fitted.type === 'invalid') return fitted;
  const { features } = fitted;
  return {
    type: 'placed',
    covariates: {
      features,
      width: encodedWidth(features),
      cells: bySeries.map((own) => encodeRows(features, extended, own.map((row) => (row < 0 ? rows : row)))),
      ahead: bySeries.map((own) => own.slice(own.length - horizon)),
      table: extended,
    },
  };
}

/** By series and time: the row. */
function rowsBySeries(table: ForecastTable): Map<string, Map<number, number>> {
  const places = new Map<string, Map<number, number>>();
  table.times.forEach((text, row) => {
    const name = table.series ? table.series[row] : '';
    if (text === null || name == null) return;
    const own = places.get(name) ?? new Map<number, number>();
    places.set(name, own);
    const time = Date.parse(text);
    if (!own.has(time) || !Number.isNaN(table.values[row]!)) own.set(time, row);
  });
  return places;
}

function withMissingRow(column: ColumnData): ColumnData {
  if (column.type !== 'number') return { ...column, values: [...column.values, null] };
  const values = new Float64Array(column.values.length + 1).fill(NaN);
  values.set(column.values);
  return { ...column, values };
}
