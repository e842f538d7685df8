import { useState, type FormEvent } from 'react';
import { Dialog } from '../../design/dialog.tsx';
import { CheckField, SelectField, TextField } from '../../design/field.tsx';
import { FormButtons } from '../../design/form-buttons.tsx';
import { words } from '../../design/format.ts';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { CreateApiKeyDocument, type ApiKeyScope } from '../../gql/graphql.ts';
import { otherProblems, problemOf } from '../../graphql/refusal.ts';
import { useVerb } from '../../graphql/use-verb.ts';
import { inputOf, isShown, type KeyLimits, lifetimes, LimitFields, momentIn, toggled, useEndpointNames } from './key-limit-fields.tsx';
import { NewKey } from './new-key.tsx';

const scopes: { scope: ApiKeyScope; hint: string }[] = [
  { scope: 'PREDICT', hint: 'Call endpoints.' },
  { scope: 'FEEDBACK', hint: 'Send truths that rollouts are judged by; no calling.' },
  { scope: 'READ', hint: 'Read data sets, runs, models and usage.' },
  { scope: 'TRAIN', hint: 'Upload data and start runs; includes reading.' },
  { scope: 'ADMIN', hint: 'Everything, including publishing and keys.' },
];

interface KeyForm extends KeyLimits {
  scopes: ApiKeyScope[];
  days: string;
}

const blankForm: KeyForm = { alias: '', scopes: ['PREDICT'], models: [], days: '', addresses: '', rpmLimit: '', maxParallelRequests: '', maxBudget: '', softBudget: '', budgetDuration: '' };

/** Makes a key, and shows it once. */
export function CreateKeyDialog({ isOpen, onClose }: { isOpen: boolean; onClose(): void }) {
  const [form, setForm] = useState(blankForm);
  const [key, setKey] = useState<string | null>(null);
  const create = useVerb(CreateApiKeyDocument, { refetchQueries: ['ApiKeys'] });
  const names = useEndpointNames(isOpen);

  function close() {
    setForm(blankForm);
    setKey(null);
    create.reset();
    onClose();
  }

  async function submit(event: FormEvent) {
    event.preventDefault();
    const expiresAt = form.days === '' ? null : momentIn(form.days);
    const created = await create.run({ input: { ...inputOf(form), scopes: form.scopes, expiresAt } });
    if (created) setKey(created.key);
  }

  if (key !== null) {
    return (
      <Dialog title="Your new API key" isOpen={isOpen} onClose={close}>
        <NewKey text={key} endpoint={form.models[0] ?? names[0]} onDone={close} />
      </Dialog>
    );
  }

  return (
    <Dialog title="Create API key" isOpen={isOpen} onClose={close}>
      <form onSubmit={(event) => void submit(event)} className="space-y-4">
        <RefusalNotice refusal={create.refusal} problems={otherProblems(create.refusal, isShown)} />
        <TextField
          label="Name"
          hint="Who or what will use it, such as “line 4 gateway”."
          required
          value={form.alias}
          onValue={(alias) => setForm({ ...form, alias })}
          problem={problemOf(create.refusal, 'alias')}
        />
        <fieldset className="space-y-2">
          <legend className="mb-1.5 text-[13px] font-medium text-steel-700">What it may do</legend>
          {scopes.map(({ scope, hint }) => (
            <CheckField
              key={scope}
              label={words(scope)}
              hint={hint}
              isChecked={form.scopes.includes(scope)}
              onChecked={(isChecked) => setForm({ ...form, scopes: toggled(form.scopes, scope, isChecked) })}
            />
          ))}
        </fieldset>
        <LimitFields form={form} endpointNames={names} refusal={create.refusal} onForm={(limits) => setForm({ ...form, ...limits })} />
        <SelectField
          label="Expires"
          value={form.days}
          onValue={(days) => setForm({ ...form, days })}
          problem={problemOf(create.refusal, 'expiresAt')}
          choices={lifetimes}
        />
        <FormButtons verb="Create key" isPending={create.isPending} isDisabled={form.scopes.length === 0} onCancel={close} />
      </form>
    </Dialog>
  );
}
