import { useQuery } from '@apollo/client/react';
import { SelectField, TextField, type FieldProblem } from '../../design/field.tsx';
import { formatCount } from '../../design/format.ts';
import { TrainingLimitsDocument, type RunDevice, type SubmitRunInput } from '../../gql/graphql.ts';

/** How a run is to be treated: as the form holds it, in text. */
export interface RunTerms {
  device: RunDevice;
  priority: string;
  memoryMb: string;
  minutes: string;
}

export const usualTerms: RunTerms = { device: 'AUTO', priority: '', memoryMb: '', minutes: '' };

export const termPaths = ['device', 'priority', 'limits.memoryMb', 'limits.minutes'];

/** What is left empty is not sent: then it is as the plan has it. */
export function termsInput({ device, priority, memoryMb, minutes }: RunTerms): Pick<SubmitRunInput, 'device' | 'priority' | 'limits'> {
  const limits = { ...(memoryMb === '' ? {} : { memoryMb: Number(memoryMb) }), ...(minutes === '' ? {} : { minutes: Number(minutes) }) };
  return { device, ...(priority === '' ? {} : { priority: Number(priority) }), ...(Object.keys(limits).length ? { limits } : {}) };
}

interface RunTermsFieldsProps {
  terms: RunTerms;
  problemAt(path: string): FieldProblem | null | undefined;
  onTerms(terms: RunTerms): void;
}

export function RunTermsFields({ terms, problemAt, onTerms }: RunTermsFieldsProps) {
  const { data } = useQuery(TrainingLimitsDocument);
  const most = (value: number | undefined) => (value === undefined ? undefined : `At most, and if left empty: ${formatCount(value)}.`);
  return (
    <div className="grid gap-4 sm:grid-cols-2 xl:grid-cols-4">
      <SelectField
        label="Device"
        value={terms.device}
        hint={terms.device === 'GPU' ? 'It waits for a worker that has one.' : undefined}
        problem={problemAt('device')}
        choices={[{ value: 'AUTO', label: 'Any' }, { value: 'CPU', label: 'CPU only' }, { value: 'GPU', label: 'GPU only' }]}
        onValue={(device) => onTerms({ ...terms, device: device as RunDevice })}
      />
      <TextField
        label="Priority"
        isOptional
        type="number"
        min={-100}
        max={100}
        hint="Among your own runs; higher goes first."
        value={terms.priority}
        problem={problemAt('priority')}
        onValue={(priority) => onTerms({ ...terms, priority })}
      />
      <TextField
        label="Memory in MB"
        isOptional
        type="number"
        min={512}
        max={data?.trainingLimits.runMemoryMb}
        hint={most(data?.trainingLimits.runMemoryMb)}
        value={terms.memoryMb}
        problem={problemAt('limits.memoryMb')}
        onValue={(memoryMb) => onTerms({ ...terms, memoryMb })}
      />
      <TextField
        label="Minutes"
        isOptional
        type="number"
        min={1}
        max={data?.trainingLimits.runMinutes}
        hint={most(data?.trainingLimits.runMinutes)}
        value={terms.minutes}
        problem={problemAt('limits.minutes')}
        onValue={(minutes) => onTerms({ ...terms, minutes })}
      />
    </div>
  );
}
