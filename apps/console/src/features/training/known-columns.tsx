import { Card } from '../../design/card.tsx';
import { CheckField } from '../../design/field.tsx';
import type { problemOf } from '../../graphql/refusal.ts';
import { canBeTarget, type FeatureType, proposeTargetType, type TrainingColumn } from './column-choice.ts';

interface KnownColumnsProps {
  columns: readonly TrainingColumn[];
  chosen: readonly string[];
  /** what the server says about the chosen ones */
  problem: ReturnType<typeof problemOf>;
  onChosen: (names: string[]) => void;
}

/** Columns that can be known in advance: numbers and categories that have no other part in the forecast. */
export function knowableColumns(columns: readonly TrainingColumn[], taken: readonly string[]): TrainingColumn[] {
  return columns.filter((column) => canBeTarget(column) && !taken.includes(column.name));
}

/** The input features to send, in the order of the file. */
export function coveredFeatures(columns: readonly TrainingColumn[], chosen: readonly string[]): { name: string; type: FeatureType }[] {
  return columns.filter(({ name }) => chosen.includes(name)).map((column) => ({ name: column.name, type: proposeTargetType(column) }));
}

/** Asks which columns will be known for the steps to come. None is proposed: a wrong one makes a forecast that only looks good. */
export function KnownColumns({ columns, chosen, problem, onChosen }: KnownColumnsProps) {
  if (columns.length === 0) return null;
  return (
    <Card
      title="Known in advance"
      description="Choose only what will be known for the steps to come, such as holidays or planned production: whoever asks for a forecast sends it with the step. Rows after the last target value may have it already."
    >
      {problem && (
        <p role="alert" className="mb-3 text-[13px] text-bad-700">
          {problem.message} {problem.remedy}
        </p>
      )}
      <div className="grid gap-4 sm:grid-cols-2 lg:grid-cols-3">
        {columns.map(({ name }) => (
          <CheckField
            key={name}
            label={name}
            isChecked={chosen.includes(name)}
            onChecked={(isOn) => onChosen(isOn ? [...chosen, name] : chosen.filter((other) => other !== name))}
          />
        ))}
      </div>
    </Card>
  );
}
