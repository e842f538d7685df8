import type { TrainingSpec } from '@millrace/configuration';
import { datePartOf, dateParts, readIsoDate } from '@millrace/kernel';
import { type ColumnData, type DateSource, findColumn, type Problem, type Table } from './table.ts';

/**
 * Gives each input of dates a column of numbers for every part that differs among its rows, and for the day, which stands
 * for the trend. All families then learn from numbers. The dates themselves stay as words, for a split that asks them.
 */
export function expandDates(table: Table, spec: TrainingSpec): { type: 'expanded'; table: Table; spec: TrainingSpec } | { type: 'invalid'; problems: Problem[] } {
  if (!table.columns.some(({ type }) => type === 'date')) return { type: 'expanded', table, spec };
  const problems: Problem[] = [];
  const added: ColumnData[] = [];
  const inputFeatures = spec.inputFeatures.flatMap((input, index): TrainingSpec['inputFeatures'] => {
    if (input.type !== 'date') return [input];
    const column = findColumn(table, input.name);
    if (column?.type !== 'date') throw new Error(`No dates in ${input.name}; check the specification against the columns first`);
    const parts = dateParts.map((part) => partColumn(column, { column: input.name, part })).filter(({ values, of }) => of.part === 'day' || differ(values));
    const taken = parts.find(({ name }) => findColumn(table, name));
    if (taken) problems.push({ field: `inputFeatures[${index}].name`, message: `“${taken.name}” is a column of its own.`, remedy: 'Rename that column, or leave the dates out.' });
    added.push(...parts);
    return parts.map(({ name }) => ({ name, type: 'number' }));
  });
  if (problems.length > 0) return { type: 'invalid', problems };
  const kept = table.columns.map((column): ColumnData => (column.type === 'date' ? { ...column, type: 'category' } : column));
  return { type: 'expanded', table: { rows: table.rows, columns: [...kept, ...added] }, spec: { ...spec, inputFeatures } };
}

/** One part of each date as a number; NaN where there is no date. */
export function partColumn({ values }: { values: readonly (string | null)[] }, of: DateSource) {
  const moments = values.map((text) => (text === null ? null : readIsoDate(text)));
  return { name: `${of.column} · ${of.part}`, type: 'number' as const, values: Float64Array.from(moments, (moment) => (moment === null ? NaN : datePartOf(moment, of.part))), of };
}

function differ(values: Float64Array): boolean {
  const first = values.find((value) => !Number.isNaN(value));
  return values.some((value) => !Number.isNaN(value) && value !== first);
}
