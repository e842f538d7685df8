import { useState, type FormEvent } from 'react';
import { Dialog } from '../../design/dialog.tsx';
import { SelectField } from '../../design/field.tsx';
import { FormButtons } from '../../design/form-buttons.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { otherProblems, problemOf, type Refusal } from '../../graphql/refusal.ts';

const overlaps = [
  { value: '0', label: 'Not at all: it stops at once' },
  { value: '3600', label: 'For an hour' },
  { value: '86400', label: 'For a day' },
  { value: '604800', label: 'For a week' },
];

interface RotationDialogProps {
  title: string;
  /** what comes of it, in a sentence */
  outcome: string;
  /** the question for how long the former secret is good as well; null where there is none */
  overlapLabel: string | null;
  verb: string;
  isPending: boolean;
  refusal: Refusal | null;
  onRotate(overlapSeconds: number): Promise<void>;
  onClose(): void;
}

/** Asks how long a former secret goes on beside a new one. */
export function RotationDialog({ title, outcome, overlapLabel, verb, isPending, refusal, onRotate, onClose }: RotationDialogProps) {
  const [overlap, setOverlap] = useState('86400');

  function submit(event: FormEvent) {
    event.preventDefault();
    void onRotate(Number(overlap));
  }

  return (
    <Dialog title={title} isOpen onClose={onClose}>
      <form onSubmit={submit} className="space-y-4">
        <RefusalNotice refusal={refusal} problems={otherProblems(refusal, (field) => field === 'overlapSeconds')} />
        <p>{outcome}</p>
        {overlapLabel !== null && <SelectField label={overlapLabel} value={overlap} onValue={setOverlap} choices={overlaps} problem={problemOf(refusal, 'overlapSeconds')} />}
        <FormButtons verb={verb} isPending={isPending} onCancel={onClose} />
      </form>
    </Dialog>
  );
}
