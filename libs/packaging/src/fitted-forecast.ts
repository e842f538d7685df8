import { DomainError } from '@millrace/kernel';

/**
 * A forecast that was made, as the training engine hands it over: only plain data. It is a table: what is said for each
 * series and step is known when the package is built.
 */
export interface FittedForecast {
  family: string;
  target: string;
  /** the column that tells the series apart, and their names; null for a single one */
  series: { column: string; names: string[] } | null;
  horizon: number;
  /** [series, horizon], row-major: after the last observation */
  point: Float64Array;
  lower: Float64Array;
  upper: Float64Array;
  /** ISO 8601: step 1 is one `frequency` after it */
  lastObservation: string;
  /** ISO 8601 duration, such as `P1M` */
  frequency: string;
  /** the share of values that are to lie between `lower` and `upper` */
  intervalCoverage: number;
  scale: number;
}

/** The input by which a step is asked for; 1 is the first after the last observation. */
export const stepInput = 'step';

/** Refuses a forecast whose parts do not fit: a bug of the trainer, so this throws (`INVALID`) and names the part. */
export function assertForecast(forecast: FittedForecast): void {
  const { series, horizon, point, lower, upper } = forecast;
  ensure(forecast.target.length > 0 && forecast.target !== series?.column, 'target', 'needs a name of its own');
  ensure(Number.isInteger(horizon) && horizon > 0, 'horizon', 'must be a whole number above 0');
  ensure(series === null || (series.names.length > 0 && new Set(series.names).size === series.names.length), 'series', 'needs names that differ');
  ensure(series?.column !== stepInput, 'series.column', `must not be "${stepInput}"`);
  const survives = (text: string) => !text.includes('\0') && Buffer.from(text).toString() === text;
  ensure(series === null || series.names.every(survives), 'series', 'hold text that is not valid Unicode or contains U+0000');
  const cells = (series?.names.length ?? 1) * horizon;
  for (const [field, values] of Object.entries({ point, lower, upper })) {
    ensure(values.length === cells && values.every(Number.isFinite), field, `needs ${cells} finite numbers`);
  }
  ensure(point.every((value, at) => lower[at]! <= value && value <= upper[at]!), 'point', 'lies outside of its interval');
}

function ensure(holds: boolean, field: string, complaint: string): asserts holds {
  if (holds) return;
  throw new DomainError('INVALID', `The forecast cannot be packaged: ${field} ${complaint}.`, {
    field,
    remedy: 'Train again; if it comes back, report the training configuration.',
  });
}
