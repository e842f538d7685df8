import { useState } from 'react';
import { Dialog } from '../../design/dialog.tsx';
import { RotateApiKeyDocument, type ApiKeyFieldsFragment } from '../../gql/graphql.ts';
import { useVerb } from '../../graphql/use-verb.ts';
import { NewKey } from './new-key.tsx';
import { RotationDialog } from './rotation-dialog.tsx';

/** Gives a key a new text, and shows it once. */
export function RotateKeyDialog({ apiKey, onClose }: { apiKey: ApiKeyFieldsFragment; onClose(): void }) {
  const [key, setKey] = useState<string | null>(null);
  const { run, isPending, refusal } = useVerb(RotateApiKeyDocument, { refetchQueries: ['ApiKeys'] });

  async function rotate(overlapSeconds: number) {
    const rotated = await run({ input: { id: apiKey.id, overlapSeconds } });
    if (rotated) setKey(rotated.key);
  }

  if (key !== null) {
    return (
      <Dialog title={`New text of ${apiKey.alias}`} isOpen onClose={onClose}>
        <NewKey text={key} endpoint={apiKey.models[0]} onDone={onClose} />
      </Dialog>
    );
  }

  return (
    <RotationDialog
      title={`Rotate ${apiKey.alias}`}
      outcome="The key gets a new text. All else of it, its usage and limits too, stays."
      overlapLabel="The former text goes on working"
      verb="Rotate key"
      isPending={isPending}
      refusal={refusal}
      onRotate={rotate}
      onClose={onClose}
    />
  );
}
