import { Bars, Histogram } from '../../design/bars.tsx';
import { Dialog } from '../../design/dialog.tsx';
import { Facts } from '../../design/facts.tsx';
import { formatCount, formatNumber, formatShare } from '../../design/format.ts';
import type { ColumnFieldsFragment } from '../../gql/graphql.ts';
import { WarningList } from './warning-list.tsx';

interface ColumnDrawerProps {
  column: ColumnFieldsFragment | null;
  rowCount: number;
  onClose(): void;
}

const quantileNames = [
  ['p1', '1 %'],
  ['p5', '5 %'],
  ['p25', '25 %'],
  ['p50', 'Median'],
  ['p75', '75 %'],
  ['p95', '95 %'],
  ['p99', '99 %'],
] as const;

/** All that is known of one column. */
export function ColumnDrawer({ column, rowCount, onClose }: ColumnDrawerProps) {
  return (
    <Dialog title={column ? `Column ${column.name}` : 'Column'} isOpen={column !== null} onClose={onClose} isWide>
      {column && <Details column={column} rowCount={rowCount} />}
    </Dialog>
  );
}

function Details({ column, rowCount }: { column: ColumnFieldsFragment; rowCount: number }) {
  const quantiles = column.quantiles as Record<string, number> | null;
  const highest = Math.max(...column.topValues.map(({ count }) => count), 1);
  const share = (count: number): string => formatShare(rowCount > 0 ? count / rowCount : 0);
  return (
    <div className="space-y-5">
      <WarningList label={`Warnings about ${column.name}`} warnings={column.warnings} />
      <Facts
        facts={[
          ['Type', column.type.toLowerCase()],
          ['Distinct', formatCount(column.distinct)],
          ['Missing', `${formatCount(column.missing)} (${share(column.missing)})`],
          ...(column.type === 'NUMBER' && column.mean !== null
            ? ([
                ['Mean', formatNumber(column.mean)],
                ['Standard deviation', formatNumber(column.std)],
                ['Range', `${formatNumber(column.min)} to ${formatNumber(column.max)}`],
              ] as [string, string][])
            : []),
          ...(column.earliest === null ? [] : ([['Range', `${column.earliest} to ${column.latest}`]] as [string, string][])),
        ]}
      />
      {column.histogram.length > 0 && (
        <section>
          <h3 className="mb-2 text-sm font-semibold text-steel-900">How the values are spread</h3>
          <Histogram label={`Histogram of ${column.name}, in full`} bins={column.histogram} format={formatNumber} />
        </section>
      )}
      {quantiles && (
        <section>
          <h3 className="mb-2 text-sm font-semibold text-steel-900">Quantiles</h3>
          <dl className="grid grid-cols-[repeat(auto-fill,minmax(88px,1fr))] gap-3 text-[13px]">
            {quantileNames.map(([key, name]) => (
              <div key={key}>
                <dt className="text-steel-500">{name}</dt>
                <dd className="text-steel-900 tabular-nums">{formatNumber(quantiles[key] ?? null)}</dd>
              </div>
            ))}
          </dl>
        </section>
      )}
      {column.topValues.length > 0 && (
        <section>
          <h3 className="mb-2 text-sm font-semibold text-steel-900">Most frequent values</h3>
          <Bars
            label={`Most frequent values of ${column.name}, in full`}
            max={highest}
            bars={column.topValues.map(({ value, count }) => ({ label: value, value: count, text: `${formatCount(count)} (${share(count)})` }))}
          />
        </section>
      )}
    </div>
  );
}
