import type { WarningFieldsFragment } from '../../gql/graphql.ts';

interface WarningListProps {
  label: string;
  warnings: readonly Pick<WarningFieldsFragment, 'code' | 'field' | 'message' | 'remedy'>[];
  /** The columns are named where the list is about several. */
  hasFields?: boolean;
}

/** What a good engineer would look at before training, each with what to do about it. */
export function WarningList({ label, warnings, hasFields = false }: WarningListProps) {
  if (warnings.length === 0) return null;
  return (
    <ul aria-label={label} className="space-y-2 text-[13.5px]">
      {warnings.map(({ code, field, message, remedy }) => (
        <li key={`${code} ${field} ${message}`} className="rounded-md border border-warn-200 bg-warn-50 px-3 py-2">
          <p className="text-warn-700">
            {hasFields && field !== 'file' && <span className="font-medium">{field}: </span>}
            {message}
          </p>
          {remedy && <p className="mt-0.5 text-steel-700">{remedy}</p>}
        </li>
      ))}
    </ul>
  );
}
