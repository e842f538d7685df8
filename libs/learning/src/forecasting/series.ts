import { maxSeries, minHistory } from '@millrace/configuration';
import { type ColumnData, inCodeUnitOrder, type Problem } from '../table.ts';
import { type Calendar, calendarOf, durationText, usualSeason } from './calendar.ts';

/** The columns of a forecast, as they were read. */
export interface ForecastTable {
  /** ISO 8601; null where missing */
  times: (string | null)[];
  /** the name of each row's series; null for a single one */
  series: (string | null)[] | null;
  /** NaN where missing */
  values: Float64Array;
  /** columns known in advance, row by row; rows after the last value may have them for the steps to come */
  covariates?: ColumnData[] | undefined;
}

export interface Series {
  /** '' for a single one */
  name: string;
  /** without gaps, from its own first step to the last step of all */
  values: Float64Array;
  /** the step of the first value */
  start: number;
}

export interface SeriesSet {
  type: 'series';
  series: Series[];
  calendar: Calendar;
  /** the last step of all series, after which the forecast begins */
  end: number;
  seasonLength: number;
  /** what was filled in or left out, in words */
  warnings: string[];
}

/** Of the values of a series: more missing ones than this are not filled in. */
const mostMissing = 0.1;

/**
 * Divides the rows into series of evenly spaced values that end together. Gaps of up to a tenth of a series are filled along a
 * straight line, and a warning says so; a series that has more, or ends before the others, or is too short for the horizon, is
 * left out with a warning. Two values of one time are a problem, and times that are not evenly spaced are.
 */
export function collectSeries(table: ForecastTable, settings: { timeColumn: string; horizon: number; seasonLength?: number | undefined }): SeriesSet | { type: 'invalid'; problems: Problem[] } {
  const { horizon } = settings;
  const warnings: string[] = [];
  const invalid = (field: string, message: string, remedy: string) => ({ type: 'invalid' as const, problems: [{ field, message, remedy }] });
  const rows = usableRows(table, warnings);
  const infinite = rows.find((row) => !Number.isFinite(table.values[row]!));
  if (infinite !== undefined) return invalid('outputFeatures[0].name', `The target is infinite in row ${infinite + 1}.`, 'Correct the value or leave the cell empty.');

  const time = rows.map((row) => Date.parse(table.times[row]!));
  const groups = new Map<string, Map<number, number>>();
  for (const [at, row] of rows.entries()) {
    const name = table.series?.[row] ?? '';
    const group = groups.get(name) ?? new Map<number, number>();
    groups.set(name, group);
    if (group.has(time[at]!)) {
      const whose = table.series ? ` in the series "${name}"` : '';
      return invalid('forecast.timeColumn', `There are two values for ${table.times[row]}${whose}.`, 'Name the column that tells the series apart as the series column, or sum the rows up.');
    }
    group.set(time[at]!, table.values[row]!);
  }
  if (groups.size > maxSeries) return invalid('forecast.seriesColumn', `There are ${groups.size} series; at most ${maxSeries} are forecast at once.`, 'Split the data set.');
  const calendar = calendarOf([...new Set(time)].sort((a, b) => a - b));
  if (!calendar) return invalid('forecast.timeColumn', 'The times tell no distance between two values.', 'Give at least three times that are whole seconds apart.');

  const series: Series[] = [];
  const end = calendar.stepOf(Math.max(...groupEnds(groups)));
  for (const [name, group] of [...groups].sort(([a], [b]) => inCodeUnitOrder(a, b))) {
    const named = table.series ? `Series "${name}"` : 'The series';
    const placed = placeOn(calendar, group);
    if (placed.type === 'between' || end === null) {
      const when = placed.type === 'between' ? new Date(placed.time).toISOString() : 'the last time';
      return invalid('forecast.timeColumn', `${named} has a value at ${when}, which does not fit steps of ${durationText(calendar.frequency)}.`, 'Give evenly spaced times, such as one value a day.');
    }
    const { values, start, filled } = placed;
    const refusal =
      start + values.length - 1 < end ? 'ends before the others' :
      filled > mostMissing * values.length ? `lacks ${filled} of ${values.length} values` :
      values.length < horizon + minHistory ? `has only ${values.length} values` : null;
    if (refusal !== null) warnings.push(`${named} ${refusal} and is left out.`);
    else {
      if (filled > 0) warnings.push(`${named} lacks ${filled} of ${values.length} values; they were filled in along straight lines.`);
      series.push({ name, values, start });
    }
  }
  if (series.length === 0) {
    return invalid('forecast.timeColumn', `No series can be forecast. ${warnings.slice(0, 3).join(' ')}`, `Give at least ${horizon + minHistory} evenly spaced values, nine of ten of them known, or a shorter horizon.`);
  }
  const wished = settings.seasonLength ?? usualSeason(calendar.frequency);
  return { type: 'series', series, calendar, end: end!, seasonLength: wished, warnings };
}

function usableRows(table: ForecastTable, warnings: string[]): number[] {
  const rows: number[] = [];
  let timeless = 0;
  for (let row = 0; row < table.values.length; row++) {
    if (Number.isNaN(table.values[row]!)) continue;
    if (table.times[row] === null || table.series?.[row] === null) timeless += 1;
    else rows.push(row);
  }
  if (timeless > 0) warnings.push(`${timeless} rows have no time or no series and are left out.`);
  return rows;
}

function* groupEnds(groups: Map<string, Map<number, number>>): Generator<number> {
  for (const group of groups.values()) yield [...group.keys()].reduce((last, time) => Math.max(last, time), -Infinity);
}

function placeOn(calendar: Calendar, group: Map<number, number>): { type: 'placed'; values: Float64Array; start: number; filled: number } | { type: 'between'; time: number } {
  const steps: [number, number][] = [];
  for (const [time, value] of group) {
    const step = calendar.stepOf(time);
    if (step === null) return { type: 'between', time };
    steps.push([step, value]);
  }
  steps.sort(([a], [b]) => a - b);
  const start = steps[0]![0];
  const values = new Float64Array(steps.at(-1)![0] - start + 1);
  let [last, before] = [start, steps[0]![1]];
  for (const [step, value] of steps) {
    for (let at = last + 1; at < step; at++) values[at - start] = before + ((value - before) * (at - last)) / (step - last);
    values[step - start] = value;
    [last, before] = [step, value];
  }
  return { type: 'placed', values, start, filled: values.length - steps.length };
}
