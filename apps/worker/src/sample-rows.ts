import type { FittedPipeline, Row, Table } from '@millrace/learning';

/** Answers on which the engines are compared. */
export const agreementRows = 200;

/** Rows to compare the engines on: test rows first, then others; without those that serving would refuse as incomplete. */
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
  for (const index of testRows) if (rows.length < most) take(index);
  const taken = new Set(testRows);
  for (let index = 0; index < table.rows && rows.length < most; index++) if (!taken.has(index)) take(index);
  return rows;
}
