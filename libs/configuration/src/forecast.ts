import { z } from 'zod';
import { type ColumnSummary, unknownColumn } from './column-summary.ts';
import type { SpecProblem } from './spec-problem.ts';

const columnName = z.string().min(1).max(256);
const wish = <const Values extends readonly [string, ...string[]]>(values: Values, title: string) =>
  z.enum(values).optional().meta({ title, description: 'Default: chosen by the data (AICc).' });

const exponentialSmoothingSchema = z
  .strictObject({
    family: z.literal('exponential_smoothing'),
    error: z.enum(['additive', 'multiplicative']).default('additive').meta({
      title: 'Error',
      description: 'multiplicative: errors grow with the level, and values of low times count more.',
    }),
    trend: wish(['none', 'additive', 'damped'], 'Trend'),
    season: wish(['none', 'additive', 'multiplicative'], 'Season'),
  })
  .meta({ title: 'Exponential smoothing', description: 'Level, trend and season, each a weighted mean in which new values count more.' });

const lagLinearSchema = z
  .strictObject({
    family: z.literal('lag_linear'),
    lags: z.int().min(1).max(400).optional().meta({ title: 'Lags', description: 'How many changes it looks back. Default: two seasons, four weeks of days, at most 60.' }),
  })
  .meta({ title: 'Lag regression', description: 'Each change as a weighted sum of the changes before it, by ridge regression.' });

const lagTreesSchema = z
  .strictObject({
    family: z.literal('lag_trees'),
    numIterations: z.int().min(1).max(5000).default(300).meta({ title: 'Iterations', description: 'Trees at most; the newest part of the history, held back, says how many are kept.' }),
    learningRate: z.number().gt(0).max(1).default(0.08).meta({ title: 'Learning rate', description: 'How much each tree adds.' }),
    numLeaves: z.int().min(2).max(255).default(12).meta({ title: 'Leaves', description: 'Leaves of a tree at most.' }),
  })
  .meta({ title: 'Lag trees', description: 'Boosted trees on lags, rolling figures, the calendar and columns known in advance: one model for all series and steps.' });

const networkSettings = {
  units: z.int().min(2).max(256).default(24).meta({ title: 'Units', description: 'Numbers of the state that the past is made into.' }),
  context: z.int().min(2).max(512).optional().meta({ title: 'Context', description: 'How many values it looks back on, raised to a power of two. Default: two and a half seasons, 16 to 128.' }),
  epochs: z.int().min(1).max(2000).default(40).meta({ title: 'Epochs', description: 'At most, for each part of the back-tests.' }),
  patience: z.int().min(1).max(2000).default(6).meta({ title: 'Patience', description: 'Epochs without a lower loss on the newest values, which are held back, before it stops.' }),
  learningRate: z.number().gt(0).max(1).default(0.005).meta({ title: 'Learning rate' }),
};
const gruSchema = z
  .strictObject({ family: z.literal('gru'), ...networkSettings })
  .meta({ title: 'Recurrent network', description: 'Gated recurrent units over the last values: one network for all series and steps. For many series, or long ones.' });
const tcnSchema = z
  .strictObject({ family: z.literal('tcn'), ...networkSettings })
  .meta({ title: 'Convolutional network', description: 'Dilated causal convolutions over the last values: one network for all series and steps. For many series, or long ones.' });

const driftSchema = z.strictObject({ family: z.literal('drift') }).meta({ title: 'Drift', description: 'Goes on along the line from the first value to the last.' });

const combinationSchema = z
  .strictObject({ family: z.literal('combination') })
  .meta({ title: 'Combination', description: 'The mean of the other candidates, the naive ones aside.' });

const forecastModelSchema = z
  .discriminatedUnion('family', [exponentialSmoothingSchema, lagLinearSchema, lagTreesSchema, gruSchema, tcnSchema, driftSchema, combinationSchema])
  .meta({ title: 'Forecasting model' });

/** One candidate of a forecast and what is asked of it. */
export type ForecastModelSettings = z.output<typeof forecastModelSchema>;

/** The block of a training configuration that makes its run a forecast. */
export const forecastSchema = z
  .strictObject({
    timeColumn: columnName.meta({ title: 'Time', description: 'The column of dates that tells when each value was.' }),
    seriesColumn: columnName.optional().meta({ title: 'Series', description: 'The column that tells several series apart. Default: all rows are one series.' }),
    horizon: z.int().min(1).max(1000).meta({ title: 'Horizon', description: 'How many steps to forecast.' }),
    seasonLength: z.int().min(1).max(400).optional().meta({
      title: 'Season length',
      description: 'Steps after which the pattern repeats; 1 for none. Default: by the distance of the times (a year of months or weeks, a week of days, a day of hours).',
    }),
    intervalCoverage: z.number().min(0.5).max(0.99).default(0.9).meta({ title: 'Interval coverage', description: 'The share of values that are to lie within the interval.' }),
    models: z
      .array(forecastModelSchema)
      .min(1)
      .max(10)
      .prefault([{ family: 'exponential_smoothing' }, { family: 'lag_linear' }, { family: 'combination' }])
      .meta({ title: 'Models', description: 'The candidates. The naive and the seasonal naive forecast are always tried beside them.' }),
  })
  .meta({
    title: 'Forecast',
    description: 'Forecasts the target over time. The candidates stand here; the models, the split and the trainer of rows do not count.',
  });

export type ForecastSettings = z.output<typeof forecastSchema>;

/** The name of the input by which a published forecast is asked: 1 is the first step after the last observation. */
export const stepInput = 'step';
/** Series of one forecast, at most. */
export const maxSeries = 500;
/** Values of a covariate that is a category, at most. */
const maxCovariateCategories = 100;
/** Families that look at columns known in advance. */
const readCovariates: readonly ForecastModelSettings['family'][] = ['lag_linear', 'lag_trees', 'gru', 'tcn'];
/** Metrics by which a forecast may be selected. */
const forecastMetrics = ['mase', 'smape', 'rmse', 'mae'] as const;
export type ForecastMetric = (typeof forecastMetrics)[number];
/** Fewer values than this, beyond the horizon, show no pattern. */
export const minHistory = 10;

interface ForecastSpec {
  forecast?: ForecastSettings | undefined;
  /** covariates: columns that are known in advance, for the steps to come as well */
  inputFeatures: { name: string; type: string }[];
  outputFeatures: { name: string; type: string }[];
  selection: Record<string, unknown>;
}

/** What stands in the way of forecasting these columns: every problem, with field and remedy. */
export function checkForecast(spec: ForecastSpec & { forecast: ForecastSettings }, columns: ColumnSummary[]): SpecProblem[] {
  const { forecast } = spec;
  const target = spec.outputFeatures[0]!;
  const find = (name: string) => columns.find((column) => column.name === name);
  const problems: SpecProblem[] = [];
  const report = (field: string, message: string, remedy: string) => problems.push({ field, message, remedy });
  const unknown = (field: string, name: string) => problems.push(unknownColumn(field, name, columns));

  spec.inputFeatures.forEach(({ name, type }, index) => {
    const field = `inputFeatures[${index}]`;
    const column = find(name);
    if (name === forecast.timeColumn) report(`${field}.name`, `"${name}" is the time column, whose calendar is known anyway.`, 'Remove it from the input features.');
    else if (name === forecast.seriesColumn) report(`${field}.name`, `"${name}" tells the series apart.`, 'Remove it from the input features.');
    else if (type === 'date' || type === 'image') report(`${field}.type`, 'Beside a forecast only numbers and categories are read.', 'Leave the column out: of dates, the calendar of the time column is known anyway.');
    if (name === stepInput) report(`${field}.name`, `A forecast is asked by "${stepInput}", so no column may have that name.`, 'Rename the column.');
    if (column && type !== 'number' && column.distinct > maxCovariateCategories) {
      report(`${field}.type`, `"${name}" has ${column.distinct} different values; at most ${maxCovariateCategories} are read beside a forecast.`, 'Leave the column out, or merge rare values.');
    }
  });
  if (spec.inputFeatures.length > 0 && !forecast.models.some(({ family }) => readCovariates.includes(family))) {
    report('inputFeatures', 'None of the candidates looks at columns that are known in advance.', `Leave the list empty, or add one of: ${readCovariates.join(', ')}.`);
  }
  const values = find(target.name);
  if (target.type !== 'number') report('outputFeatures[0].type', 'A forecast predicts a quantity.', 'Use type "number".');
  if (!values) unknown('outputFeatures[0].name', target.name);
  else if (values.type !== 'number') report('outputFeatures[0].type', `"${target.name}" does not hold numbers but ${values.type} values.`, 'Choose a column of numbers.');
  else if (values.rows - values.missing < forecast.horizon + minHistory) {
    report(
      'forecast.horizon', `${values.rows - values.missing} values are too few to forecast ${forecast.horizon} steps and test it.`,
      `Give at least ${forecast.horizon + minHistory} values, or a shorter horizon.`,
    );
  }
  const time = find(forecast.timeColumn);
  if (!time) unknown('forecast.timeColumn', forecast.timeColumn);
  else if (time.type !== 'date') report('forecast.timeColumn', `"${time.name}" is a ${time.type} column, not one of dates.`, 'Choose a date column, or change its type in the data set.');

  const names = [target.name, forecast.timeColumn, forecast.seriesColumn].filter((name) => name !== undefined);
  if (new Set(names).size < names.length) report('forecast', 'Time, series and target must be three different columns.', 'Choose another column.');
  if (forecast.seriesColumn !== undefined) {
    const series = find(forecast.seriesColumn);
    if (!series) unknown('forecast.seriesColumn', forecast.seriesColumn);
    else if (series.distinct > maxSeries) report('forecast.seriesColumn', `"${series.name}" tells ${series.distinct} series apart; at most ${maxSeries} are forecast at once.`, 'Choose another column, or split the data set.');
    else if (series.type === 'date') report('forecast.seriesColumn', `"${series.name}" holds dates.`, 'Choose a column that names the series.');
    if (forecast.seriesColumn === stepInput) report('forecast.seriesColumn', `A forecast is asked by "${stepInput}", so no column may have that name.`, 'Rename the column.');
  }
  const families = forecast.models.map(({ family }) => family);
  families.forEach((family, index) => {
    if (families.indexOf(family) < index && family === 'combination') report(`forecast.models[${index}].family`, 'There is one combination at most.', 'Remove one of the two.');
  });
  if (families.includes('combination') && families.length < 3) {
    report('forecast.models', 'A combination needs two candidates beside itself.', 'Add another candidate, or leave the combination out.');
  }
  const { metric, ...rest } = spec.selection;
  for (const [name, value] of Object.entries(rest)) {
    if (value !== undefined) report(`selection.${name}`, 'This guides models of rows only.', 'Remove it: a forecast tries all of its candidates.');
  }
  if (metric !== undefined && !forecastMetrics.some((name) => name === metric)) {
    report('selection.metric', `"${String(metric)}" does not measure a forecast.`, `Give one of: ${forecastMetrics.join(', ')}.`);
  }
  return problems;
}
