import { type EnsureFit, ensureFitOf } from './ensure-fit.ts';
import { encodedWidth, type FittedFeature } from './fitted-columns.ts';
import type { DenseEstimator } from './fitted-estimator.ts';
import type { DecisionTree } from './fitted-trees.ts';
import { isUnfit } from './unfit-text.ts';

const ensure: EnsureFit = ensureFitOf('forecast');

/**
 * A forecast that was made, as the training engine hands it over: only plain data. What is said for each series and step is
 * known when the package is built, but for what depends on the covariates.
 */
export interface FittedForecast {
  family: string;
  target: string;
  /** the column that tells the series apart, and their names; null for a single one */
  series: { column: string; names: string[] } | null;
  horizon: number;
  /** columns that come with the question; encoded as the features of a pipeline are */
  covariates: FittedFeature[];
  /** the answer is their mean, each held above the floor */
  parts: ForecastPart[];
  /** [series] */
  floor: Float64Array;
  /** [series, horizon], row-major: how far the interval reaches below and above the answer; never below the floor */
  below: Float64Array;
  above: Float64Array;
  /** ISO 8601: step 1 is one `frequency` after it */
  lastObservation: string;
  /** ISO 8601 duration, such as `P1M` */
  frequency: string;
  /** the share of values that are to lie between `lower` and `upper` */
  intervalCoverage: number;
  scale: number;
}

/** Of a cell, which is a series and a step: `base + unit · head`, or e to that power. */
export interface ForecastPart {
  /** [series, horizon] */
  base: Float64Array;
  /** [series, horizon] */
  unit: Float64Array;
  /** [series]: 1 where the answer is e to the power of the sum */
  logarithmic: Int32Array;
  /** null: the answer is the base */
  head: ForecastHead | null;
}

export type ForecastHead =
  /** the weighted sum of the encoded covariates; weights [series, covariates] */
  | { type: 'linear'; weights: Float64Array }
  /** the sum of trees, rounded to float32, over the cell's row of `rows` [cells, width] and the encoded covariates */
  | { type: 'trees'; width: number; rows: Float64Array; trees: DecisionTree[] }
  /** a network in float32 that ends in one linear unit, over the same */
  | { type: 'network'; width: number; rows: Float32Array; layers: DenseEstimator['layers'] };

/** The input by which a step is asked for; 1 is the first after the last observation. */
export const stepInput = 'step';

/** Refuses a forecast whose parts do not fit: a bug of the trainer, so this throws (`INVALID`) and names the part. */
export function assertForecast(forecast: FittedForecast): void {
  const { series, horizon, covariates, parts, floor, below, above } = forecast;
  const names = [stepInput, ...(series ? [series.column] : []), ...covariates.map(({ name }) => name)];
  ensure(forecast.target.length > 0 && !names.includes(forecast.target), 'target', 'needs a name of its own');
  ensure(Number.isInteger(horizon) && horizon > 0, 'horizon', 'must be a whole number above 0');
  ensure(series === null || (series.names.length > 0 && new Set(series.names).size === series.names.length), 'series', 'needs names that differ');
  ensure(new Set(names).size === names.length, 'inputs', `need names that differ, also from "${stepInput}"`);
  const texts = [...(series?.names ?? []), ...covariates.flatMap((own) => (own.type === 'number' ? [] : own.categories))];
  ensure(!texts.some(isUnfit), 'series', 'hold text that is not valid Unicode or contains U+0000');
  const rows = series?.names.length ?? 1;
  const cells = rows * horizon;
  for (const [field, values] of Object.entries({ below, above })) {
    ensure(values.length === cells && values.every((value) => Number.isFinite(value) && value >= 0), field, `needs ${cells} finite numbers from 0 on`);
  }
  ensure(floor.length === rows && floor.every(Number.isFinite), 'floor', `needs ${rows} finite numbers`);
  ensure(parts.length > 0, 'parts', 'must not be empty');
  const width = encodedWidth(covariates);
  ensure(parts.some(({ head }) => head) === covariates.length > 0, 'covariates', 'must be read by a part, and be there where one reads them');
  parts.forEach((part, index) => assertPart(part, `parts[${index}]`, rows, cells, width));
}

function assertPart({ base, unit, logarithmic, head }: ForecastPart, field: string, series: number, cells: number, width: number): void {
  for (const values of [base, unit]) ensure(values.length === cells && values.every(Number.isFinite), field, `needs ${cells} finite numbers`);
  ensure(logarithmic.length === series, field, `needs to tell of ${series} series whether they are logarithms`);
  if (head === null) return;
  if (head.type === 'linear') {
    ensure(head.weights.length === series * width && head.weights.every(Number.isFinite), field, `needs ${series * width} finite weights`);
    return;
  }
  ensure(head.rows.length === cells * head.width, field, `needs ${cells} rows of ${head.width} numbers`);
  const inputs = head.width + width;
  if (head.type === 'trees') {
    const fits = head.trees.length > 0 && head.trees.every((tree) => tree.feature.every((asked) => asked < inputs) && tree.values.every(Number.isFinite));
    ensure(fits, field, 'has a tree that does not fit its rows');
    return;
  }
  ensure(head.rows.every(Number.isFinite), field, 'has a row with a number that is not finite');
  let units = inputs;
  for (const layer of head.layers) {
    const fits = layer.inputs === units && layer.kernel.length === layer.inputs * layer.units && layer.bias.length === layer.units;
    ensure(fits && layer.kernel.every(Number.isFinite) && layer.bias.every(Number.isFinite), field, 'has a layer that does not fit');
    units = layer.units;
  }
  ensure(units === 1, field, 'must end in one unit');
}
