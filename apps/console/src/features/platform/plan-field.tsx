import { useQuery } from '@apollo/client/react';
import { SelectField, type FieldProblem } from '../../design/field.tsx';
import { PlansDocument } from '../../gql/graphql.ts';

interface PlanFieldProps {
  /** Empty for the default limits. */
  value: string;
  onValue(value: string): void;
  problem?: FieldProblem | null;
}

export function PlanField({ value, onValue, problem }: PlanFieldProps) {
  const { data } = useQuery(PlansDocument);
  const names = data?.plans.map(({ name }) => name) ?? [];
  return (
    <SelectField
      label="Plan"
      value={value}
      onValue={onValue}
      problem={problem}
      choices={[{ value: '', label: 'None: the default limits' }, ...[...new Set([...names, ...(value === '' ? [] : [value])])].map((name) => ({ value: name, label: name }))]}
    />
  );
}
