interface HeatMapProps {
  /** What the rows and columns stand for. */
  rowTitle: string;
  columnTitle: string;
  labels: readonly string[];
  /** `counts[row][column]`, both in the order of `labels`. */
  counts: readonly (readonly number[])[];
}

/** A square table of counts, each cell as dark as its share of the row. */
export function HeatMap({ rowTitle, columnTitle, labels, counts }: HeatMapProps) {
  return (
    <div className="overflow-x-auto">
      <table className="border-separate border-spacing-1 text-[13px]">
        <caption className="sr-only">{`${rowTitle} against ${columnTitle}`}</caption>
        <thead>
          <tr>
            <td />
            <th scope="colgroup" colSpan={labels.length} className="pb-1 text-xs font-medium text-steel-500">
              {columnTitle}
            </th>
          </tr>
          <tr>
            <th scope="col" className="pr-3 text-left text-xs font-medium text-steel-500">
              {rowTitle}
            </th>
            {labels.map((label) => (
              <th key={label} scope="col" title={label} className="max-w-32 min-w-20 truncate px-1 pb-1 text-center font-medium text-steel-700">
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {labels.map((label, row) => {
            const line = counts[row] ?? [];
            const total = line.reduce((sum, count) => sum + count, 0);
            return (
              <tr key={label}>
                <th scope="row" title={label} className="max-w-40 truncate pr-3 text-left font-medium text-steel-700">
                  {label}
                </th>
                {labels.map((other, column) => {
                  const count = line[column] ?? 0;
                  const share = total === 0 ? 0 : count / total;
                  return (
                    <td
                      key={other}
                      title={`${label} taken for ${other}: ${count} of ${total}`}
                      className="h-12 rounded text-center font-medium tabular-nums"
                      style={{
                        backgroundColor: `color-mix(in srgb, var(--color-accent-600) ${Math.round(share * 92)}%, var(--color-steel-50))`,
                        color: share > 0.5 ? '#fff' : 'var(--color-steel-800)',
                      }}
                    >
                      {count}
                    </td>
                  );
                })}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
