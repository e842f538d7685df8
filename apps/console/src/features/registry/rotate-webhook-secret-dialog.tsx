import { useState, type FormEvent } from 'react';
import { Button } from '../../design/button.tsx';
import { CodeBlock } from '../../design/code-block.tsx';
import { Dialog } from '../../design/dialog.tsx';
import { SelectField } from '../../design/field.tsx';
import { Notice } from '../../design/notice.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { RotateWebhookSecretDocument } from '../../gql/graphql.ts';
import { otherProblems, problemOf } from '../../graphql/refusal.ts';
import { useVerb } from '../../graphql/use-verb.ts';

const overlaps = [
  { value: '0', label: 'Not at all: it stops at once' },
  { value: '3600', label: 'For an hour' },
  { value: '86400', label: 'For a day' },
  { value: '604800', label: 'For a week' },
];

/** Makes the secret that webhooks are signed with, and shows it once. */
export function RotateWebhookSecretDialog({ isFirst, onClose }: { isFirst: boolean; onClose(): void }) {
  const [overlap, setOverlap] = useState('86400');
  const [secret, setSecret] = useState<string | null>(null);
  // What the dialog says is of the moment at which it was opened.
  const [wasFirst] = useState(isFirst);
  const rotate = useVerb(RotateWebhookSecretDocument, { refetchQueries: ['WebhookSecrets'] });

  async function submit(event: FormEvent) {
    event.preventDefault();
    const rotated = await rotate.run({ input: { overlapSeconds: Number(overlap) } });
    if (rotated) setSecret(rotated.secret);
  }

  if (secret !== null) {
    return (
      <Dialog title="Your new signing secret" isOpen onClose={onClose}>
        <div className="space-y-4">
          <Notice tone="warn" title="Copy it now: it will not be shown again">
            Give it to whoever runs the receivers, by a safe way.
          </Notice>
          <CodeBlock label="Signing secret" text={secret} isWrapped />
          <div className="flex justify-end">
            <Button kind="primary" onClick={onClose}>
              I have copied it
            </Button>
          </div>
        </div>
      </Dialog>
    );
  }

  return (
    <Dialog title={wasFirst ? 'Create signing secret' : 'Rotate signing secret'} isOpen onClose={onClose}>
      <form onSubmit={(event) => void submit(event)} className="space-y-4">
        <RefusalNotice refusal={rotate.refusal} problems={otherProblems(rotate.refusal, (field) => field === 'overlapSeconds')} />
        <p>{wasFirst ? 'It signs every webhook of your tenant from now on.' : 'A new one signs every webhook of your tenant from now on.'}</p>
        {!wasFirst && (
          <SelectField
            label="The former secret goes on signing as well"
            value={overlap}
            onValue={setOverlap}
            choices={overlaps}
            problem={problemOf(rotate.refusal, 'overlapSeconds')}
          />
        )}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" kind="primary" isPending={rotate.isPending}>
            {wasFirst ? 'Create secret' : 'Rotate secret'}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
