import { useState, type FormEvent } from 'react';
import { Dialog } from '../../design/dialog.tsx';
import { SelectField, TextField } from '../../design/field.tsx';
import { FormButtons } from '../../design/form-buttons.tsx';
import { formatMoment } from '../../design/format.ts';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { UpdateApiKeyDocument, type ApiKeyFieldsFragment } from '../../gql/graphql.ts';
import { otherProblems, problemOf } from '../../graphql/refusal.ts';
import { useVerb } from '../../graphql/use-verb.ts';
import { inputOf, isShown, type KeyLimits, lifetimes, LimitFields, momentIn, useEndpointNames } from './key-limit-fields.tsx';

/** Changes what of a key can be changed. */
export function ChangeKeyDialog({ apiKey, onClose }: { apiKey: ApiKeyFieldsFragment; onClose(): void }) {
  const [form, setForm] = useState<KeyLimits>(() => ({
    alias: apiKey.alias,
    models: [...apiKey.models],
    addresses: apiKey.addresses.join(', '),
    rpmLimit: apiKey.rpmLimit?.toString() ?? '',
    maxParallelRequests: apiKey.maxParallelRequests?.toString() ?? '',
    maxBudget: apiKey.maxBudget?.toString() ?? '',
    softBudget: apiKey.softBudget?.toString() ?? '',
    budgetDuration: apiKey.budgetDuration ?? '',
  }));
  const [days, setDays] = useState('keep');
  const update = useVerb(UpdateApiKeyDocument, { refetchQueries: ['ApiKeys'] });
  const names = useEndpointNames(true);

  async function submit(event: FormEvent) {
    event.preventDefault();
    const expiry = days === 'keep' ? {} : { expiresAt: days === '' ? null : momentIn(days) };
    if (await update.run({ input: { id: apiKey.id, ...inputOf(form), ...expiry } })) onClose();
  }

  return (
    <Dialog title={`Change ${apiKey.alias}`} isOpen onClose={onClose}>
      <form onSubmit={(event) => void submit(event)} className="space-y-4">
        <RefusalNotice refusal={update.refusal} problems={otherProblems(update.refusal, isShown)} />
        <TextField label="Name" required value={form.alias} onValue={(alias) => setForm({ ...form, alias })} problem={problemOf(update.refusal, 'alias')} />
        <LimitFields form={form} endpointNames={names} refusal={update.refusal} onForm={setForm} />
        <SelectField
          label="Expires"
          value={days}
          onValue={setDays}
          problem={problemOf(update.refusal, 'expiresAt')}
          choices={[{ value: 'keep', label: apiKey.expiresAt ? `As it is: ${formatMoment(apiKey.expiresAt)}` : 'As it is: never' }, ...lifetimes]}
        />
        <p className="text-[13px] text-steel-500">What it may do does not change: create another key for that.</p>
        <FormButtons verb="Save" isPending={update.isPending} onCancel={onClose} />
      </form>
    </Dialog>
  );
}
