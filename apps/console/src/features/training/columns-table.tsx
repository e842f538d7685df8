import { formatCount } from '../../design/format.ts';
import { Table } from '../../design/table.tsx';
import type { Problem } from '../../graphql/refusal.ts';
import { isUsable, reasonToLeaveOut, typesFor, type ColumnChoice, type ColumnChoices, type FeatureType, type TrainingColumn } from './column-choice.ts';

interface ColumnsTableProps {
  columns: readonly TrainingColumn[];
  choices: ColumnChoices;
  target: string;
  problemsOf(column: string): readonly Problem[];
  onChoice(column: string, choice: ColumnChoice): void;
}

export const featureTypeNames: Record<FeatureType, string> = { number: 'Number', category: 'Category', binary: 'Two values', date: 'Date', image: 'Picture' };

/** Which columns to learn from, and as what. */
export function ColumnsTable({ columns, choices, target, problemsOf, onChoice }: ColumnsTableProps) {
  return (
    <Table
      caption="Columns to learn from"
      rows={columns}
      keyOf={(column) => column.name}
      isMarked={(column) => column.name === target}
      columns={[
        {
          header: 'Use',
          cell: (column) =>
            column.name === target ? (
              <span className="text-xs font-medium text-accent-700">Target</span>
            ) : (
              <input
                type="checkbox"
                aria-label={`Use ${column.name}`}
                className="size-4 accent-accent-600"
                disabled={!isUsable(column)}
                checked={choices[column.name]?.isUsed ?? false}
                onChange={(event) => {
                  const choice = choices[column.name];
                  if (choice) onChoice(column.name, { ...choice, isUsed: event.target.checked });
                }}
              />
            ),
        },
        {
          header: 'Column',
          cell: (column) => (
            <>
              <span className="font-medium text-steel-900">{column.name}</span>
              {problemsOf(column.name).map((problem) => (
                <p key={problem.message} role="alert" className="text-[13px] text-bad-700">
                  {problem.message} <span className="text-steel-600">{problem.remedy}</span>
                </p>
              ))}
            </>
          ),
        },
        {
          header: 'Learn it as',
          cell: (column) =>
            column.name === target ? (
              <span className="text-[13px] text-steel-500">see above</span>
            ) : isUsable(column) ? (
              <select
                aria-label={`Type of ${column.name}`}
                className="control w-36 py-1.5"
                value={choices[column.name]?.type}
                onChange={(event) => {
                  const choice = choices[column.name];
                  if (choice) onChoice(column.name, { ...choice, type: event.target.value as FeatureType });
                }}
              >
                {typesFor(column).map((type) => (
                  <option key={type} value={type}>
                    {featureTypeNames[type]}
                  </option>
                ))}
              </select>
            ) : (
              <span className="text-steel-500">{column.type.toLowerCase()}</span>
            ),
        },
        { header: 'Distinct', align: 'right', cell: (column) => formatCount(column.distinct) },
        { header: 'Missing', align: 'right', cell: (column) => formatCount(column.missing) },
        { header: 'Note', className: 'text-[13px] text-steel-500', cell: (column) => reasonToLeaveOut(column) },
      ]}
    />
  );
}
