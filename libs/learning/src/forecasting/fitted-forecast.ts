import { encodeRows, type FittedFeature } from '../pipeline.ts';
import type { Table } from '../table.ts';
import { type ForecastPart, scorePart } from './forecast-part.ts';

/** A forecast that was made: everything that answering needs, as plain data. */
export interface FittedForecast {
  family: string;
  /** name of the column that is forecast */
  target: string;
  /** the column that tells the series apart, and their names in code-unit order; null for a single one */
  series: { column: string; names: string[] } | null;
  horizon: number;
  /** columns known in advance, which the answer depends on and whoever asks has to send; empty for a mere table */
  covariates: FittedFeature[];
  /** the answer is their mean, each held above the floor */
  parts: ForecastPart[];
  /** [series]: nothing is forecast below it */
  floor: Float64Array;
  /** [series, horizon], row by row: how far the interval reaches below and above the answer */
  below: Float64Array;
  above: Float64Array;
  /** ISO 8601: step 1 is one `frequency` after it */
  lastObservation: string;
  /** ISO 8601, such as `P1M` */
  frequency: string;
  /** the share of values that are to lie between `lower` and `upper` */
  intervalCoverage: number;
  /** standard deviation of the values learned from, for a sense of what is a small difference */
  scale: number;
}

export interface ForecastAnswer {
  value: number;
  interval: { lower: number; upper: number };
}

/**
 * What is forecast for a step, from 1, of a series (null: the only one), where the covariates are as in one row of a table
 * (null: there are none). Throws a RangeError for what was not forecast.
 */
export function answerForecast(forecast: FittedForecast, step: number, series: string | null, known: { table: Table; row: number } | null = null): ForecastAnswer {
  const { horizon, covariates } = forecast;
  const place = forecast.series ? forecast.series.names.indexOf(series ?? '') : 0;
  if (place < 0 || !Number.isInteger(step) || step < 1 || step > horizon) throw new RangeError(`Step ${step} of series ${series} was not forecast`);
  if (covariates.length > 0 && !known) throw new RangeError('The forecast depends on columns that were not given');
  const encoded = known ? encodeRows(covariates, known.table, Int32Array.of(known.row)) : new Float64Array();
  return answerCell(forecast, place, step - 1, encoded);
}

/** As `answerForecast`, for the place of a series and of a step and encoded covariates. */
export function answerCell({ parts, floor, below, above, horizon }: FittedForecast, series: number, step: number, encoded: Float64Array): ForecastAnswer {
  const cell = series * horizon + step;
  const lowest = floor[series]!;
  let sum = 0;
  for (const part of parts) sum += Math.max(lowest, scorePart(part, series, cell, encoded));
  const value = sum / parts.length;
  return { value, interval: { lower: Math.max(lowest, value - below[cell]!), upper: value + above[cell]! } };
}
