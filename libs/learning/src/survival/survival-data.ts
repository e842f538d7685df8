import { minObserved, splitColumnOf, splitTypeOf, type TrainingSpec } from '@millrace/configuration';
import type { PreparedData } from '../prepared-data.ts';
import { splitByOf } from '../split-keys.ts';
import { splitRows } from '../split.ts';
import { categoryAt, findColumn, type Problem, type Table } from '../table.ts';

/** Rows with their times read and divided. Of `data`, the truth is the logarithm of the time. */
export interface SurvivalData {
  type: 'prepared';
  data: PreparedData;
  /** By row of the table; meaningless where the time or the event is missing. */
  times: Float64Array;
  observed: Uint8Array;
}

/**
 * Reads times and events. Rows without either are left aside. Rows are always held back for validation: candidates are
 * compared on them, and trees learn from them when to stop and how far times spread. A random split gives each part its
 * share of the ends.
 */
export function prepareSurvival(table: Table, spec: TrainingSpec): SurvivalData | { type: 'invalid'; problems: Problem[] } {
  const { eventColumn, observedValue } = spec.survival!;
  const target = spec.outputFeatures[0]!.name;
  const column = findColumn(table, target)!;
  const events = findColumn(table, eventColumn)!;
  const splitName = splitColumnOf(spec);
  const splitColumn = splitName === null ? null : findColumn(table, splitName)!;
  const rows = Int32Array.from({ length: table.rows }, (_, row) => row).filter(
    (row) => [column, events, splitColumn].every((own) => own === null || categoryAt(own, row) !== null));
  const times = Float64Array.from({ length: table.rows }, (_, row) => column.values[row] as number);
  const observed = Uint8Array.from({ length: table.rows }, (_, row) => Number(categoryAt(events, row) === observedValue));

  const invalid = (field: string, message: string, remedy: string) => ({ type: 'invalid' as const, problems: [{ field, message, remedy }] });
  const atOnce = rows.find((row) => !(times[row]! > 0 && Number.isFinite(times[row])));
  if (atOnce !== undefined) {
    return invalid('outputFeatures[0].name', `"${target}" is ${times[atOnce]} in row ${atOnce + 1}; a time is above 0.`, 'Leave out such rows, or count them as half a unit.');
  }
  const ends = rows.filter((row) => observed[row] === 1);
  if (ends.length < minObserved) {
    return invalid('survival.observedValue', `Only ${ends.length} rows have "${observedValue}" in "${eventColumn}" and a time; at least ${minObserved} are needed.`, 'Add rows that ended, or correct the value.');
  }
  if (ends.every((row) => times[row] === times[ends[0]!])) {
    return invalid('outputFeatures[0].name', 'All ends came at the same time: there is nothing to learn.', 'Choose another target.');
  }
  const type = splitTypeOf(spec);
  const strata = type === 'random' || type === 'fold' ? Int32Array.from(rows, (row) => observed[row]!) : null;
  const { trainFraction, validationFraction, seed } = spec.split;
  const split = splitRows({ rows, strata, trainFraction, validationFraction, seed, by: splitColumn ? splitByOf(splitColumn, rows, spec) : undefined });
  for (const [part, own] of [['training', split.train], ['validation', split.validation], ['test', split.test]] as const) {
    if (own.some((row) => observed[row] === 1)) continue;
    return invalid(splitColumn ? 'split.column' : 'split.trainFraction', `No ${part} row saw an end.`, 'Split otherwise, or add rows that ended.');
  }
  const truth = times.map((time) => Math.log(time));
  const data: PreparedData = { type: 'prepared', table, target: { task: 'regression', name: target }, truth, split, apart: null, dropped: table.rows - rows.length };
  return { type: 'prepared', data, times, observed };
}
