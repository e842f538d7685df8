import { Badge } from '../../design/badge.tsx';
import { Bars, Histogram } from '../../design/bars.tsx';
import { formatCount, formatNumber, formatShare } from '../../design/format.ts';
import type { ColumnFieldsFragment } from '../../gql/graphql.ts';

const flagNotes: Record<string, string> = {
  constant: 'Always the same value: nothing to learn from.',
  empty: 'Has no values.',
  identifier: 'Names the row instead of describing it: leave it out of training.',
};

/** The profile of one column: its type, its gaps, and how its values are spread. */
export function ColumnCard({ column, rowCount, onOpen }: { column: ColumnFieldsFragment; rowCount: number; onOpen(): void }) {
  const warnings = column.warnings.map(({ message }) => message);
  const notes = warnings.length > 0 ? warnings : column.flags.flatMap((flag) => flagNotes[flag] ?? []);
  const highest = Math.max(...column.topValues.map(({ count }) => count), 1);
  return (
    <article aria-label={`Column ${column.name}`} className="flex min-w-0 flex-col rounded-lg border border-steel-200 bg-white p-4 shadow-card">
      <header className="flex items-start justify-between gap-3">
        <h3 className="min-w-0 font-semibold break-words text-steel-900">
          <button type="button" className="text-left hover:underline" aria-haspopup="dialog" onClick={onOpen}>
            {column.name}
          </button>
        </h3>
        <Badge tone={column.type === 'NUMBER' ? 'accent' : 'neutral'}>{column.type.toLowerCase()}</Badge>
      </header>
      <p className="mt-1 text-[13px] text-steel-500">
        {formatCount(column.distinct)} distinct ·{' '}
        {column.missing === 0 ? (
          'none missing'
        ) : (
          <span className="font-medium text-warn-700">
            {formatCount(column.missing)} missing ({formatShare(rowCount > 0 ? column.missing / rowCount : 0)})
          </span>
        )}
      </p>
      <div className="mt-3 flex-1">
        {column.histogram.length > 0 ? (
          <Histogram label={`Histogram of ${column.name}`} bins={column.histogram} format={formatNumber} />
        ) : column.images ? (
          <p className="text-[13px] text-steel-600">
            {formatCount(column.images.png)} PNG and {formatCount(column.images.jpeg)} JPEG files, in {formatCount(column.images.classes.length)} classes
          </p>
        ) : column.earliest !== null ? (
          <p className="text-[13px] text-steel-600">
            {column.earliest} to {column.latest}
          </p>
        ) : (
          <Bars
            label={`Most frequent values of ${column.name}`}
            isSmall
            max={highest}
            bars={column.topValues.slice(0, 5).map(({ value, count }) => ({ label: value, value: count, text: formatCount(count) }))}
          />
        )}
      </div>
      {column.type === 'NUMBER' && (
        <dl className="mt-3 grid grid-cols-2 gap-x-4 gap-y-1 border-t border-steel-100 pt-3 text-xs">
          {[
            ['Mean', column.mean],
            ['Std', column.std],
            ['Min', column.min],
            ['Max', column.max],
          ].map(([name, value]) => (
            <div key={name} className="flex justify-between gap-2">
              <dt className="text-steel-500">{name}</dt>
              <dd className="text-steel-800 tabular-nums">{formatNumber(value as number | null)}</dd>
            </div>
          ))}
        </dl>
      )}
      {notes.length > 0 && (
        <ul className="mt-3 space-y-1 text-xs text-warn-700">
          {notes.map((note) => (
            <li key={note}>{note}</li>
          ))}
        </ul>
      )}
    </article>
  );
}
