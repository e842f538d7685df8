import type { FittedPipeline, Row, Table } from '@millrace/learning';

/** Answers on which the engines are compared. */
export const agreementRows = 200;

/** Rows to compare the engines on: test rows first, then others, of both from all over the table; without those that serving would refuse as incomplete. */
export function sampleRows(table: Table, features: FittedPipeline['features'], testRows: Int32Array, most = agreementRows): Row[] {
  const rows: Row[] = [];
  const columns = features.map((feature) => {
    const name = (feature.type === 'number' && feature.of?.column) || feature.name;
    return { feature, column: table.columns.find((column) => column.name === name)! };
  });
  const take = (index: number): void => {
    const row: Row = {};
    for (const { feature, column } of columns) {
      const value = column.values[index]!;
      const missing = value === null || Number.isNaN(value);
      if (missing && !feature.missingAllowed) return;
      row[column.name] = missing ? null : column.type === 'number' && feature.type === 'number' ? value : String(value);
    }
    rows.push(row);
  };
  for (const place of spread(testRows.length, most)) if (rows.length < most) take(testRows[place]!);
  const taken = new Set(testRows);
  for (const index of spread(table.rows, most)) if (rows.length < most && !taken.has(index)) take(index);
  return rows;
}

/** All places up to a count, in an order in which the first `some` are spread evenly over them. */
export function* spread(count: number, some: number): Generator<number> {
  const step = Math.max(1, Math.floor(count / some));
  for (let from = 0; from < step; from++) for (let place = from; place < count; place += step) yield place;
}
