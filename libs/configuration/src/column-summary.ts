import type { SpecProblem } from './spec-problem.ts';

/** What is known about a column before its values are read, such as a data set's profile holds. */
export interface ColumnSummary {
  name: string;
  /** `number`, `category`, `binary`, or `date`, or another type of the data set, which no model family takes. */
  type: string;
  rows: number;
  missing: number;
  /** Different values, missing ones aside. */
  distinct: number;
  /** The smallest, of numbers, where it is known. */
  min?: number | undefined;
  /** Rows per value where they were counted; lets rare classes be refused early. */
  counts?: { value: string; count: number }[] | undefined;
}

/** Of a column that a configuration names and the data lacks. */
export function unknownColumn(field: string, name: string, columns: ColumnSummary[]): SpecProblem {
  const folded = (text: string) => text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');
  const similar = columns.find((column) => folded(column.name) === folded(name));
  const listed = columns.slice(0, 20).map((column) => column.name).join(', ');
  return {
    field,
    message: `The data has no column "${name}".`,
    remedy: similar ? `Did you mean "${similar.name}"?` : `Columns are: ${listed}${columns.length > 20 ? ', …' : ''}.`,
  };
}
