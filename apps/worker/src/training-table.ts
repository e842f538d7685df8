import type { Table as StoredTable } from '@millrace/datasets';
import type { ColumnData, Table } from '@millrace/learning';

/** Columns as training takes them: a picture, of which there is one at most, lies beside the others. */
export function asTable({ rows, columns }: StoredTable<ColumnData['type'] | 'image'>): Table {
  const pictures = columns.find((column) => column.type === 'image');
  const others = columns.filter((column) => column.type !== 'image');
  return { rows, columns: others, ...(pictures ? { pictures } : {}) };
}
