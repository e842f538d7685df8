import type { OriginCells, Panel } from './global-model.ts';
import { naiveScale } from './forecast-metrics.ts';

/** What a step's answer is a deviation from: the mean of the last values, or the value of the last season. */
export type Reference = 'level' | 'season';

/**
 * Series as rows for a model of all of them. A row stands for an origin and a step after it. Values are deviations from the
 * level at the origin, in units of the usual change over a season, so that series of any size, and a series at any size of
 * its own, look alike. What lies before the first value is NaN.
 */
export interface LagFrame {
  /** names of a row's numbers; covariates of the step itself are not among them */
  names: readonly string[];
  /** fewest values that an origin needs */
  shortest: number;
  /** `level`: the mean of the last values */
  cellsAt(series: number, origin: number, reference: Reference): OriginCells & { level: number };
}

export function createLagFrame({ set, covariates, horizon }: Panel): LagFrame {
  const { series, calendar, end, seasonLength: season } = set;
  const span = season > 1 && season <= 24 ? season : season > 1 ? 12 : 8;
  const lags = Math.min(14, Math.max(7, season));
  const dates = calendarColumns(Array.from({ length: end + horizon + 1 }, (_, step) => new Date(calendar.timeOf(step))));
  const { width } = covariates;
  const names = [
    'step',
    ...(series.length > 1 ? ['series'] : []),
    ...Array.from({ length: lags }, (_, at) => `lag ${at + 1}`),
    ...['mean of 3', 'mean of 2 spans', 'mean of 4 spans', 'deviation', 'slope'],
    ...(season > 1 ? ['season before', 'two seasons before', 'three seasons before', 'mean of seasons'] : []),
    ...dates.map(({ name }) => name),
    ...Array.from({ length: width }, (_, at) => `usual covariate ${at}`),
  ];

  function cellsAt(index: number, origin: number, reference: Reference) {
    const { values, start } = series[index]!;
    const meanOf = (from: number, to: number) => meanBetween(values, Math.max(0, from), to);
    const level = meanOf(origin - span, origin);
    const unit = naiveScale(values.subarray(Math.max(0, origin - Math.max(4 * span, 2 * season, 24)), origin), season) || Math.abs(level) || 1;
    const scaled = (value: number | undefined) => (value === undefined ? NaN : (value - level) / unit);
    const deviation = Math.sqrt(values.subarray(Math.max(0, origin - span), origin).reduce((sum, value) => sum + (value - level) ** 2, 0) / span) / unit;
    const atOrigin = [
      ...(series.length > 1 ? [index] : []),
      ...Array.from({ length: lags }, (_, at) => scaled(values[origin - 1 - at])),
      scaled(meanOf(origin - 3, origin)), scaled(meanOf(origin - 2 * span, origin)), scaled(meanOf(origin - 4 * span, origin)), deviation,
      origin >= 2 * span ? (level - meanOf(origin - 2 * span, origin - span)) / unit : NaN,
    ];
    const usual = Array.from({ length: width }, (_, cell) => {
      let sum = 0;
      for (let at = Math.max(0, origin - span); at < origin; at++) sum += covariates.cells[index]![at * width + cell]!;
      return sum / Math.min(span, origin);
    });
    const cells = { level, base: new Float64Array(horizon), unit: new Float64Array(horizon).fill(unit), rows: new Float64Array(horizon * names.length) };
    for (let step = 0; step < horizon; step++) {
      const target = origin + step;
      const cycle = season * Math.ceil((step + 1) / season);
      const seasons = season > 1 ? [0, 1, 2].map((back) => scaled(values[target - cycle - back * season])) : [];
      const known = seasons.filter((value) => !Number.isNaN(value));
      const row = [
        step + 1, ...atOrigin, ...seasons, ...(season > 1 ? [known.reduce((sum, value) => sum + value, 0) / known.length] : []),
        ...dates.map((column) => column.values[start + target]!), ...usual,
      ];
      cells.rows.set(row, step * names.length);
      const seasonal = season > 1 ? values[target - cycle] : undefined;
      cells.base[step] = reference === 'season' && seasonal !== undefined ? seasonal : level;
    }
    return cells;
  }
  return { names, shortest: Math.max(span, season) + 1, cellsAt };
}

/** Parts of the dates, those that differ at all. UTC. */
function calendarColumns(dates: readonly Date[]): { name: string; values: number[] }[] {
  const parts: [string, (date: Date) => number][] = [
    ['month', (date) => date.getUTCMonth() + 1],
    ['day of month', (date) => date.getUTCDate()],
    ['weekday', (date) => (date.getUTCDay() + 6) % 7],
    ['hour', (date) => date.getUTCHours()],
    ['minute', (date) => date.getUTCMinutes()],
  ];
  return parts.map(([name, of]) => ({ name, values: dates.map(of) })).filter(({ values }) => values.some((value) => value !== values[0]));
}

function meanBetween(values: Float64Array, from: number, to: number): number {
  let sum = 0;
  for (let at = from; at < to; at++) sum += values[at]!;
  return sum / Math.max(1, to - from);
}
