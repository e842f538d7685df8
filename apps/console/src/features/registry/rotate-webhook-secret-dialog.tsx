import { useState } from 'react';
import { CodeBlock } from '../../design/code-block.tsx';
import { Dialog } from '../../design/dialog.tsx';
import { ShownOnce } from '../../design/shown-once.tsx';
import { RotateWebhookSecretDocument } from '../../gql/graphql.ts';
import { useVerb } from '../../graphql/use-verb.ts';
import { RotationDialog } from '../auth/rotation-dialog.tsx';

/** Makes the secret that webhooks are signed with, and shows it once. */
export function RotateWebhookSecretDialog({ isFirst, onClose }: { isFirst: boolean; onClose(): void }) {
  const [secret, setSecret] = useState<string | null>(null);
  // What the dialog says is of the moment at which it was opened.
  const [wasFirst] = useState(isFirst);
  const { run, isPending, refusal } = useVerb(RotateWebhookSecretDocument, { refetchQueries: ['WebhookSecrets'] });

  async function rotate(overlapSeconds: number) {
    const rotated = await run({ input: { overlapSeconds } });
    if (rotated) setSecret(rotated.secret);
  }

  if (secret !== null) {
    return (
      <Dialog title="Your new signing secret" isOpen onClose={onClose}>
        <ShownOnce advice="Give it to whoever runs the receivers, by a safe way." onDone={onClose}>
          <CodeBlock label="Signing secret" text={secret} isWrapped />
        </ShownOnce>
      </Dialog>
    );
  }

  return (
    <RotationDialog
      title={wasFirst ? 'Create signing secret' : 'Rotate signing secret'}
      outcome={wasFirst ? 'It signs every webhook of your tenant from now on.' : 'A new one signs every webhook of your tenant from now on.'}
      overlapLabel={wasFirst ? null : 'The former secret goes on signing as well'}
      verb={wasFirst ? 'Create secret' : 'Rotate secret'}
      isPending={isPending}
      refusal={refusal}
      onRotate={rotate}
      onClose={onClose}
    />
  );
}
