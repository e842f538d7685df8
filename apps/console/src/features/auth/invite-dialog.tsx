import { useState, type FormEvent } from 'react';
import { useViewer } from '../../app/session-context.tsx';
import { CodeBlock } from '../../design/code-block.tsx';
import { Dialog } from '../../design/dialog.tsx';
import { SelectField, TextField } from '../../design/field.tsx';
import { FormButtons } from '../../design/form-buttons.tsx';
import { formatMoment } from '../../design/format.ts';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { ShownOnce } from '../../design/shown-once.tsx';
import { InviteMemberDocument, type Role } from '../../gql/graphql.ts';
import { otherProblems, problemOf } from '../../graphql/refusal.ts';
import { useVerb } from '../../graphql/use-verb.ts';
import { linkWith } from './link-token.ts';
import { choiceOf, rolesToGive } from './roles.ts';

export function InviteDialog({ isOpen, onClose }: { isOpen: boolean; onClose(): void }) {
  const roles = rolesToGive(useViewer()?.role ?? null);
  const [email, setEmail] = useState('');
  const [chosen, setChosen] = useState<Role | null>(null);
  const [made, setMade] = useState<{ token: string; email: string; expiresAt: string } | null>(null);
  const invite = useVerb(InviteMemberDocument, { refetchQueries: ['Invitations'] });
  const role = chosen ?? roles[0] ?? 'VIEWER';

  function close() {
    setEmail('');
    setChosen(null);
    setMade(null);
    invite.reset();
    onClose();
  }

  async function submit(event: FormEvent) {
    event.preventDefault();
    const invited = await invite.run({ input: { email: email.trim(), role } });
    if (invited) setMade({ token: invited.token, ...invited.invitation });
  }

  if (made) {
    return (
      <Dialog title={`Invitation of ${made.email}`} isOpen={isOpen} onClose={close}>
        <InvitationLink {...made} onDone={close} />
      </Dialog>
    );
  }

  return (
    <Dialog title="Invite somebody" isOpen={isOpen} onClose={close}>
      <form onSubmit={(event) => void submit(event)} className="space-y-4">
        <RefusalNotice refusal={invite.refusal} problems={otherProblems(invite.refusal, (field) => field === 'email' || field === 'role')} />
        <TextField
          label="Email"
          type="email"
          required
          autoFocus
          value={email}
          onValue={setEmail}
          hint="They sign in with it. Nobody else can use the invitation for another address."
          problem={problemOf(invite.refusal, 'email')}
        />
        <SelectField
          label="Role"
          value={role}
          onValue={(value) => setChosen(value as Role)}
          choices={roles.map(choiceOf)}
          problem={problemOf(invite.refusal, 'role')}
        />
        <FormButtons verb="Make the invitation" isPending={invite.isPending} onCancel={close} />
      </form>
    </Dialog>
  );
}

interface InvitationLinkProps {
  token: string;
  email: string;
  expiresAt?: string;
  onDone(): void;
}

/** The link of an invitation, which is shown once; also of the owner of a new tenant. */
export function InvitationLink({ token, email, expiresAt, onDone }: InvitationLinkProps) {
  return (
    <ShownOnce
      what="the link"
      advice={
        <>
          Hand it to {email} in a way that you trust. It is good once{expiresAt ? `, until ${formatMoment(expiresAt)}` : ''}.
        </>
      }
      onDone={onDone}
    >
      <CodeBlock label="Invitation link" text={linkWith('/invitation', token)} isWrapped />
    </ShownOnce>
  );
}
