import type { Covariates } from './covariates.ts';
import { answerCell, type FittedForecast } from './fitted-forecast.ts';
import type { SeriesSet } from './series.ts';

/** What a person looks at: some of the series, each over its last values and the horizon. All lists of a series are of one length. */
export interface ForecastChart {
  series: {
    name: string;
    /** ISO 8601 */
    times: string[];
    actual: (number | null)[];
    /** the forecast of the last back-test, for values that are known by now */
    backTest: (number | null)[];
    point: (number | null)[];
    lower: (number | null)[];
    upper: (number | null)[];
  }[];
}

const mostSeries = 6;
const mostValues = 240;

/** `last`: by series, what was forecast one horizon before its end. Steps whose covariates the data do not have stay empty. */
export function chartOf({ series, calendar, end, seasonLength }: SeriesSet, { cells, width, ahead: rows }: Covariates, forecast: FittedForecast, last: readonly Float64Array[]): ForecastChart {
  const { horizon } = forecast;
  return {
    series: series.slice(0, mostSeries).map(({ name, values }, at) => {
      const shown = Math.min(values.length, mostValues, Math.max(4 * seasonLength, 5 * horizon, 60));
      const history = Array.from(values.subarray(values.length - shown));
      const blank = (count: number) => new Array<null>(count).fill(null);
      const answers = Array.from({ length: horizon }, (_, step) => {
        if (forecast.covariates.length === 0) return answerCell(forecast, at, step, new Float64Array());
        const from = (values.length + step) * width;
        return rows[at]![step]! >= 0 ? answerCell(forecast, at, step, cells[at]!.subarray(from, from + width)) : null;
      });
      const tested = last[at]!.subarray(Math.max(0, horizon - shown));
      return {
        name,
        times: Array.from({ length: shown + horizon }, (_, index) => new Date(calendar.timeOf(end - shown + 1 + index)).toISOString()),
        actual: [...history, ...blank(horizon)],
        backTest: [...blank(shown - tested.length), ...tested, ...blank(horizon)],
        point: [...blank(shown), ...answers.map((answer) => answer && answer.value)],
        lower: [...blank(shown), ...answers.map((answer) => answer && answer.interval.lower)],
        upper: [...blank(shown), ...answers.map((answer) => answer && answer.interval.upper)],
      };
    }),
  };
}
