import type { Random } from '../random.ts';
import type { ColumnData, Table } from '../table.ts';

/** How many of the cells of a made-up row come from another row. */
const swapped = 0.25;

/**
 * Rows put together of real ones: each begins as one of `rows`, in their order, and again from the first, and takes a quarter of its
 * cells from others of them, so that a model can be asked what nobody has the truth of (after Buciluǎ et al. 2006).
 */
export function madeUpRows(columns: readonly ColumnData[], rows: Int32Array, count: number, random: Random): Table {
  const made = columns.map((column): ColumnData => {
    const sources = Int32Array.from({ length: count }, (_, at) => rows[random.uniform() < swapped ? random.below(rows.length) : at % rows.length]!);
    return column.type === 'number' ? { ...column, values: Float64Array.from(sources, (row) => column.values[row]!) } : { ...column, values: Array.from(sources, (row) => column.values[row]!) };
  });
  return { rows: count, columns: made };
}
