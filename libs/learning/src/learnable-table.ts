import { checkSpecAgainstColumns, type TrainingSpec } from '@millrace/configuration';
import { expandDates } from './date-columns.ts';
import { findInfinities } from './prepared-data.ts';
import { summariseTable } from './summarise-table.ts';
import type { Table } from './table.ts';

/** A table and the configuration that fits it, with dates taken apart into numbers; or everything that stands in the way of learning. */
export function learnableTable({ table, spec }: { table: Table; spec: TrainingSpec }): ReturnType<typeof expandDates> {
  const problems = [...checkSpecAgainstColumns(spec, summariseTable(table)), ...findInfinities(table, spec)];
  return problems.length > 0 ? { type: 'invalid', problems } : expandDates(table, spec);
}
