/** A forecast that was made: everything that answering needs, as plain data. */
export interface FittedForecast {
  family: string;
  /** name of the column that is forecast */
  target: string;
  /** the column that tells the series apart, and their names in code-unit order; null for a single one */
  series: { column: string; names: string[] } | null;
  horizon: number;
  /** [series, horizon], row by row: after the last observation */
  point: Float64Array;
  lower: Float64Array;
  upper: Float64Array;
  /** ISO 8601: step 1 is one `frequency` after it */
  lastObservation: string;
  /** ISO 8601, such as `P1M` */
  frequency: string;
  /** the share of values that are to lie between `lower` and `upper` */
  intervalCoverage: number;
  /** standard deviation of the values learned from, for a sense of what is a small difference */
  scale: number;
}

/** What is forecast for a step, from 1, of a series (null: the only one). Throws a RangeError for what was not forecast. */
export function answerForecast(forecast: FittedForecast, step: number, series: string | null): { value: number; interval: { lower: number; upper: number } } {
  const place = forecast.series ? forecast.series.names.indexOf(series ?? '') : 0;
  if (place < 0 || !Number.isInteger(step) || step < 1 || step > forecast.horizon) throw new RangeError(`Step ${step} of series ${series} was not forecast`);
  const at = place * forecast.horizon + step - 1;
  return { value: forecast.point[at]!, interval: { lower: forecast.lower[at]!, upper: forecast.upper[at]! } };
}
