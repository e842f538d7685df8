import { CheckField } from '../../design/field.tsx';
import type { LeakFieldsFragment } from '../../gql/graphql.ts';

interface LeakNoticeProps {
  leaks: readonly LeakFieldsFragment[];
  /** names of the input features */
  features: readonly string[];
  acknowledged: readonly string[];
  onAcknowledged(columns: string[]): void;
}

/** The leaks that the chosen input features make: all of a leak's columns are among them. */
function leaksAmong(leaks: readonly LeakFieldsFragment[], features: readonly string[]): LeakFieldsFragment[] {
  return leaks.filter(({ columns }) => columns.every((column) => features.includes(column)));
}

/** Input features that give the target away, and the way to say that this is meant. */
export function LeakNotice({ leaks, features, acknowledged, onAcknowledged }: LeakNoticeProps) {
  const open = leaksAmong(leaks, features);
  if (open.length === 0) return null;
  const columns = [...new Set(open.flatMap((leak) => leak.columns))];
  return (
    <section aria-label="Leaks" className="rounded-md border border-bad-200 bg-bad-50 px-4 py-3">
      <h3 className="font-medium text-bad-700">Some of these columns give the target away</h3>
      <p className="mt-0.5 text-[13.5px] text-steel-700">
        A model that reads them is right here and useless in practice. Leave them out; the run is refused unless you say that they are known when predictions are made.
      </p>
      <ul className="mt-2 space-y-1 text-[13.5px] text-steel-800">
        {open.map(({ columns: concerned, message }) => (
          <li key={concerned.join(' ')}>{message}</li>
        ))}
      </ul>
      <div className="mt-3 space-y-2 border-t border-bad-200 pt-3">
        {columns.map((column) => (
          <CheckField
            key={column}
            label={`Use ${column} all the same: its value is known when predictions are made`}
            isChecked={acknowledged.includes(column)}
            onChecked={(isChecked) => onAcknowledged(isChecked ? [...acknowledged, column] : acknowledged.filter((name) => name !== column))}
          />
        ))}
      </div>
    </section>
  );
}
