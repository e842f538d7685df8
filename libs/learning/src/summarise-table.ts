import type { ColumnSummary } from '@millrace/configuration';
import { inCodeUnitOrder } from './table.ts';
import type { Table } from './table.ts';

/** Beyond so many different values, which value is which matters to no check. */
const countedValues = 10_000;

/** The summary of each column of a table. Values are counted unless there are very many different ones. */
export function summariseTable(table: Table): ColumnSummary[] {
  const { pictures } = table;
  const images = pictures ? [{ name: pictures.name, type: 'image', rows: table.rows, missing: pictures.values.filter((value) => value === null).length, distinct: table.rows }] : [];
  return [...images, ...table.columns.map((column) => {
    const counts = new Map<string | number, number>();
    let missing = 0;
    for (let row = 0; row < table.rows; row++) {
      const value = column.values[row] ?? NaN;
      if (Number.isNaN(value)) missing += 1;
      else if (counts.size <= countedValues || counts.has(value)) counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    const listed = [...counts].map(([value, count]) => ({ value: String(value), count }));
    return {
      name: column.name,
      type: column.type,
      rows: table.rows,
      missing,
      distinct: counts.size,
      counts: counts.size > countedValues
        ? undefined
        : listed.sort((a, b) => b.count - a.count || inCodeUnitOrder(a.value, b.value)),
    };
  })];
}
