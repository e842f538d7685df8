import { useState, type FormEvent } from 'react';
import { Dialog } from '../../design/dialog.tsx';
import { TextField } from '../../design/field.tsx';
import { FormButtons } from '../../design/form-buttons.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { CreateTenantDocument } from '../../gql/graphql.ts';
import { otherProblems, problemOf } from '../../graphql/refusal.ts';
import { useVerb } from '../../graphql/use-verb.ts';
import { InvitationLink } from '../auth/invite-dialog.tsx';
import { PlanField } from './plan-field.tsx';

const fields = ['name', 'ownerEmail', 'planName'];

export function CreateTenantDialog({ isOpen, onClose }: { isOpen: boolean; onClose(): void }) {
  const [name, setName] = useState('');
  const [ownerEmail, setOwnerEmail] = useState('');
  const [planName, setPlanName] = useState('');
  const [token, setToken] = useState<string | null>(null);
  const create = useVerb(CreateTenantDocument, { refetchQueries: ['Tenants'] });

  function close() {
    setName('');
    setOwnerEmail('');
    setPlanName('');
    setToken(null);
    create.reset();
    onClose();
  }

  async function submit(event: FormEvent) {
    event.preventDefault();
    const created = await create.run({
      input: { name: name.trim(), ownerEmail: ownerEmail.trim(), planName: planName === '' ? null : planName },
    });
    if (created) setToken(created.token);
  }

  if (token !== null) {
    return (
      <Dialog title={`${name.trim()} is created`} isOpen={isOpen} onClose={close}>
        <InvitationLink token={token} email={ownerEmail.trim()} onDone={close} />
      </Dialog>
    );
  }

  return (
    <Dialog title="Create tenant" isOpen={isOpen} onClose={close}>
      <form onSubmit={(event) => void submit(event)} className="space-y-4">
        <RefusalNotice refusal={create.refusal} problems={otherProblems(create.refusal, (field) => fields.includes(field))} />
        <TextField label="Name" required autoFocus value={name} onValue={setName} hint="As the team calls itself." problem={problemOf(create.refusal, 'name')} />
        <TextField
          label="Email of the owner"
          type="email"
          required
          value={ownerEmail}
          onValue={setOwnerEmail}
          hint="They come in by a link, which you get in the next step."
          problem={problemOf(create.refusal, 'ownerEmail')}
        />
        <PlanField value={planName} onValue={setPlanName} problem={problemOf(create.refusal, 'planName')} />
        <FormButtons verb="Create" isPending={create.isPending} onCancel={close} />
      </form>
    </Dialog>
  );
}
