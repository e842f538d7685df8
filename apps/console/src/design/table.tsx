import type { ReactNode } from 'react';

export interface Column<Row> {
  header: ReactNode;
  cell(row: Row): ReactNode;
  align?: 'left' | 'right';
  /** Said on hovering over the header, where its name needs explaining. */
  hint?: string;
  /** Left out on narrow screens. */
  isExtra?: boolean;
  className?: string;
}

interface TableProps<Row> {
  /** For screen readers: what is listed here. */
  caption: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  keyOf(row: Row): string | number;
  isMarked?(row: Row): boolean;
}

export function Table<Row>({ caption, columns, rows, keyOf, isMarked }: TableProps<Row>) {
  return (
    <div className="overflow-x-auto">
      <table className="w-full border-collapse text-left text-[13.5px]">
        <caption className="sr-only">{caption}</caption>
        <thead>
          <tr className="border-b border-steel-200 bg-steel-25 text-xs text-steel-500">
            {columns.map((column, index) => (
              <th
                key={index}
                scope="col"
                title={column.hint}
                className={`px-3 py-2.5 font-medium whitespace-nowrap first:pl-5 last:pr-5 xl:px-5 ${column.align === 'right' ? 'text-right' : ''} ${
                  column.isExtra ? 'hidden xl:table-cell' : ''
                }`}
              >
                {column.header}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr
              key={keyOf(row)}
              className={`border-b border-steel-100 last:border-0 ${isMarked?.(row) ? 'bg-accent-50/60' : 'hover:bg-steel-25'}`}
            >
              {columns.map((column, index) => (
                <td
                  key={index}
                  className={`px-3 py-3 align-middle first:pl-5 last:pr-5 xl:px-5 ${column.align === 'right' ? 'text-right tabular-nums' : ''} ${column.isExtra ? 'hidden xl:table-cell' : ''} ${column.className ?? ''}`}
                >
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
