import { useQuery } from '@apollo/client/react';
import { useState, type FormEvent } from 'react';
import { useCan, useInferenceUrl } from '../../app/session-context.tsx';
import { Badge, type Tone } from '../../design/badge.tsx';
import { Button } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { CodeBlock } from '../../design/code-block.tsx';
import { Dialog } from '../../design/dialog.tsx';
import { CheckField, SelectField, TextField } from '../../design/field.tsx';
import { formatCount, formatMoment, words } from '../../design/format.ts';
import { Empty, Notice } from '../../design/notice.tsx';
import { Page } from '../../design/page.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { Table } from '../../design/table.tsx';
import {
  ApiKeysDocument,
  CreateApiKeyDocument,
  EndpointsDocument,
  RevokeApiKeyDocument,
  RotateApiKeyDocument,
  UpdateApiKeyDocument,
  type ApiKeyFieldsFragment,
  type ApiKeyScope,
  type ApiKeyState,
} from '../../gql/graphql.ts';
import { Loaded, ShowMore } from '../../graphql/loaded.tsx';
import { otherProblems, problemOf, type Refusal } from '../../graphql/refusal.ts';
import { useVerb } from '../../graphql/use-verb.ts';
import { Confirmation } from './confirmation.tsx';

const scopes: { scope: ApiKeyScope; hint: string }[] = [
  { scope: 'PREDICT', hint: 'Call endpoints.' },
  { scope: 'FEEDBACK', hint: 'Send truths that rollouts are judged by; no calling.' },
  { scope: 'READ', hint: 'Read data sets, runs, models and usage.' },
  { scope: 'TRAIN', hint: 'Upload data and start runs; includes reading.' },
  { scope: 'ADMIN', hint: 'Everything, including publishing and keys.' },
];

/** What is open beside the list. */
type Doing = { type: 'nothing' } | { type: 'creating' } | { type: 'changing' | 'rotating' | 'revoking'; apiKey: ApiKeyFieldsFragment };

export function ApiKeysPage() {
  const query = useQuery(ApiKeysDocument);
  const [doing, setDoing] = useState<Doing>({ type: 'nothing' });
  const block = useVerb(UpdateApiKeyDocument, { refetchQueries: ['ApiKeys'] });
  const mayWrite = useCan('key:write');
  const create = mayWrite && (
    <Button kind="primary" onClick={() => setDoing({ type: 'creating' })}>
      Create API key
    </Button>
  );
  const done = () => setDoing({ type: 'nothing' });

  return (
    <Page title="API keys" lead="Machines and partners call your endpoints with a key. Give each of them its own." actions={create}>
      <RefusalNotice refusal={block.refusal} />
      <Card isFlush>
        <Loaded what="the API keys" query={query}>
          {({ apiKeys }) =>
            apiKeys.edges.length === 0 ? (
              <Empty title="No API keys yet" action={create}>
                A key lets a program call your published models. It is shown once, when you create it.
              </Empty>
            ) : (
              <>
                <Table
                  caption="API keys"
                  rows={apiKeys.edges.map(({ node }) => node)}
                  keyOf={(key) => key.id}
                  columns={[
                    {
                      header: 'Name',
                      cell: (key) => (
                        <>
                          <span className="font-medium text-steel-900">{key.alias}</span>
                          <code className="block font-mono text-xs text-steel-500">…{key.lastFour}</code>
                        </>
                      ),
                    },
                    {
                      header: 'May',
                      cell: (key) => (
                        <>
                          {key.scopes.map(words).join(', ')}
                          <span className="block text-xs text-steel-500">{key.models.length === 0 ? 'all endpoints' : key.models.join(', ')}</span>
                        </>
                      ),
                    },
                    { header: 'Limits', cell: (key) => <Limits apiKey={key} /> },
                    {
                      header: 'This month',
                      isExtra: true,
                      align: 'right',
                      cell: ({ usageThisMonth: { predictions, rows } }) => (
                        <>
                          {formatCount(predictions)} requests
                          <span className="block text-xs text-steel-500">{formatCount(rows)} rows</span>
                        </>
                      ),
                    },
                    { header: 'Last used', cell: (key) => (key.lastUsedAt ? formatMoment(key.lastUsedAt) : 'Never') },
                    { header: 'State', cell: (key) => <KeyState apiKey={key} /> },
                    {
                      header: <span className="sr-only">Actions</span>,
                      align: 'right',
                      cell: (key) =>
                        mayWrite && key.state !== 'REVOKED' ? (
                          <div className="flex flex-wrap justify-end gap-1.5">
                            <Button className="py-1 text-[13px]" aria-label={`Change ${key.alias}`} onClick={() => setDoing({ type: 'changing', apiKey: key })}>
                              Change
                            </Button>
                            <Button className="py-1 text-[13px]" aria-label={`Rotate ${key.alias}`} onClick={() => setDoing({ type: 'rotating', apiKey: key })}>
                              Rotate
                            </Button>
                            <Button
                              className="py-1 text-[13px]"
                              isPending={block.isPending}
                              aria-label={`${key.blocked ? 'Unblock' : 'Block'} ${key.alias}`}
                              onClick={() => void block.run({ input: { id: key.id, blocked: !key.blocked } })}
                            >
                              {key.blocked ? 'Unblock' : 'Block'}
                            </Button>
                            <Button
                              kind="danger"
                              className="py-1 text-[13px]"
                              aria-label={`Revoke ${key.alias}`}
                              onClick={() => setDoing({ type: 'revoking', apiKey: key })}
                            >
                              Revoke
                            </Button>
                          </div>
                        ) : null,
                    },
                  ]}
                />
                <ShowMore pageInfo={apiKeys.pageInfo} onMore={(after) => query.fetchMore({ variables: { after } })} />
              </>
            )
          }
        </Loaded>
      </Card>
      <CreateKeyDialog isOpen={doing.type === 'creating'} onClose={done} />
      {doing.type === 'changing' && <ChangeKeyDialog apiKey={doing.apiKey} onClose={done} />}
      {doing.type === 'rotating' && <RotateKeyDialog apiKey={doing.apiKey} onClose={done} />}
      <RevokeKeyDialog apiKey={doing.type === 'revoking' ? doing.apiKey : null} onClose={done} />
    </Page>
  );
}

function Limits({ apiKey: { rpmLimit, maxParallelRequests, maxBudget, spend, budgetDuration, addresses } }: { apiKey: ApiKeyFieldsFragment }) {
  const limits = [
    ...(rpmLimit === null ? [] : [`${formatCount(rpmLimit)} a minute`]),
    ...(maxParallelRequests === null ? [] : [`${formatCount(maxParallelRequests)} at a time`]),
    ...(maxBudget === null ? [] : [`${formatCount(spend)} of ${formatCount(maxBudget)} cost units${budgetDuration === null ? '' : ` for ${budgetDuration}`}`]),
    ...(addresses.length === 0 ? [] : [`from ${addresses.join(', ')}`]),
  ];
  return <span className="text-[13px]">{limits.length === 0 ? 'None of its own' : limits.join('; ')}</span>;
}

const tones: Record<ApiKeyState, Tone> = { ACTIVE: 'good', BLOCKED: 'warn', EXPIRED: 'warn', REVOKED: 'bad' };

function KeyState({ apiKey: { state, expiresAt, previousUntil } }: { apiKey: ApiKeyFieldsFragment }) {
  return (
    <>
      <Badge tone={tones[state]}>{state === 'ACTIVE' && expiresAt ? `Until ${formatMoment(expiresAt)}` : words(state)}</Badge>
      {previousUntil && new Date(previousUntil) > new Date() && (
        <span className="block pt-1 text-xs text-steel-500">former text until {formatMoment(previousUntil)}</span>
      )}
    </>
  );
}

/** What can be chosen at first and changed later. */
interface KeyLimits {
  alias: string;
  models: string[];
  addresses: string;
  rpmLimit: string;
  maxParallelRequests: string;
  maxBudget: string;
  softBudget: string;
  budgetDuration: string;
}

interface KeyForm extends KeyLimits {
  scopes: ApiKeyScope[];
  days: string;
}

const blankForm: KeyForm = { alias: '', scopes: ['PREDICT'], models: [], days: '', addresses: '', rpmLimit: '', maxParallelRequests: '', maxBudget: '', softBudget: '', budgetDuration: '' };

const lifetimes = [
  { value: '', label: 'Never' },
  { value: '30', label: 'In 30 days' },
  { value: '90', label: 'In 90 days' },
  { value: '365', label: 'In a year' },
];

const momentIn = (days: string): string => new Date(Date.now() + Number(days) * 86_400_000).toISOString();
const shownFields = ['alias', 'expiresAt', 'addresses', 'rpmLimit', 'maxParallelRequests', 'maxBudget', 'softBudget'];

const budgetDurations = [
  { value: '', label: 'Once and for all' },
  { value: '1d', label: 'For each day' },
  { value: '7d', label: 'For 7 days' },
  { value: '30d', label: 'For 30 days' },
];

/** `addresses.1` is about the field with the addresses. */
const isShown = (field: string): boolean => shownFields.includes(field.split(/[.[]/, 1)[0]!);

function inputOf({ alias, models, addresses, rpmLimit, maxParallelRequests, maxBudget, softBudget, budgetDuration }: KeyLimits) {
  return {
    alias: alias.trim(),
    models,
    addresses: addresses.split(/[\s,;]+/).filter((address) => address !== ''),
    rpmLimit: rpmLimit === '' ? null : Number(rpmLimit),
    maxParallelRequests: maxParallelRequests === '' ? null : Number(maxParallelRequests),
    maxBudget: maxBudget === '' ? null : Number(maxBudget),
    softBudget: softBudget === '' ? null : Number(softBudget),
    budgetDuration: budgetDuration || null,
  };
}

interface LimitFieldsProps {
  form: KeyLimits;
  endpointNames: readonly string[];
  refusal: Refusal | null;
  onForm(form: KeyLimits): void;
}

function LimitFields({ form, endpointNames, refusal, onForm }: LimitFieldsProps) {
  const names = [...new Set([...endpointNames, ...form.models])];
  const addressProblem = refusal?.problems.find(({ field }) => /^(input\.)?addresses/.test(field)) ?? problemOf(refusal, 'addresses');
  return (
    <>
      {names.length > 0 && (
        <fieldset className="space-y-2">
          <legend className="mb-1.5 text-[13px] font-medium text-steel-700">Which endpoints it may call (none chosen: all)</legend>
          {names.map((name) => (
            <CheckField
              key={name}
              label={name}
              isChecked={form.models.includes(name)}
              onChecked={(isChecked) => onForm({ ...form, models: toggled(form.models, name, isChecked) })}
            />
          ))}
        </fieldset>
      )}
      <TextField
        label="Addresses"
        isOptional
        placeholder="192.0.2.7, 198.51.100.0/24"
        hint="Addresses and networks that it may be used from. None: from everywhere."
        value={form.addresses}
        onValue={(addresses) => onForm({ ...form, addresses })}
        problem={addressProblem}
      />
      <div className="grid grid-cols-2 gap-4">
        <TextField
          label="Requests a minute"
          isOptional
          type="number"
          min={1}
          value={form.rpmLimit}
          onValue={(rpmLimit) => onForm({ ...form, rpmLimit })}
          problem={problemOf(refusal, 'rpmLimit')}
        />
        <TextField
          label="Requests at a time"
          isOptional
          type="number"
          min={1}
          value={form.maxParallelRequests}
          onValue={(maxParallelRequests) => onForm({ ...form, maxParallelRequests })}
          problem={problemOf(refusal, 'maxParallelRequests')}
        />
      </div>
      <div className="grid grid-cols-3 gap-4">
        <TextField
          label="Budget"
          isOptional
          type="number"
          min={0}
          hint="Cost units: one a row."
          value={form.maxBudget}
          onValue={(maxBudget) => onForm({ ...form, maxBudget })}
          problem={problemOf(refusal, 'maxBudget')}
        />
        <TextField
          label="Notice from"
          isOptional
          type="number"
          min={0}
          value={form.softBudget}
          onValue={(softBudget) => onForm({ ...form, softBudget })}
          problem={problemOf(refusal, 'softBudget')}
        />
        <SelectField label="It lasts" choices={budgetDurations} value={form.budgetDuration} onValue={(budgetDuration) => onForm({ ...form, budgetDuration })} />
      </div>
    </>
  );
}

/** Of the endpoints that there are, for a form. */
function useEndpointNames(isOpen: boolean): string[] {
  const { data } = useQuery(EndpointsDocument, { skip: !isOpen });
  return data?.endpoints.edges.map(({ node }) => node.name) ?? [];
}

interface NewKeyProps {
  text: string;
  endpoint: string | undefined;
  onDone(): void;
}

/** The text of a key, which is shown once. */
function NewKey({ text, endpoint, onDone }: NewKeyProps) {
  const inferenceUrl = useInferenceUrl();
  return (
    <div className="space-y-4">
      <Notice tone="warn" title="Copy it now: it will not be shown again">
        Keep it in a secret store, not in source code.
      </Notice>
      <CodeBlock label="API key" text={text} isWrapped />
      <CodeBlock
        label="Check the key"
        isWrapped
        text={`curl ${inferenceUrl}/v2${endpoint ? `/models/${encodeURIComponent(endpoint)}` : ''} \\\n  -H "X-API-Key: ${text}"`}
      />
      <div className="flex justify-end">
        <Button kind="primary" onClick={onDone}>
          I have copied it
        </Button>
      </div>
    </div>
  );
}

function CreateKeyDialog({ isOpen, onClose }: { isOpen: boolean; onClose(): void }) {
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
        <div className="flex justify-end gap-2">
          <Button onClick={close}>Cancel</Button>
          <Button type="submit" kind="primary" isPending={create.isPending} disabled={form.scopes.length === 0}>
            Create key
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function ChangeKeyDialog({ apiKey, onClose }: { apiKey: ApiKeyFieldsFragment; onClose(): void }) {
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
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" kind="primary" isPending={update.isPending}>
            Save
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

const overlaps = [
  { value: '0', label: 'Not at all: it stops at once' },
  { value: '3600', label: 'For an hour' },
  { value: '86400', label: 'For a day' },
  { value: '604800', label: 'For a week' },
];

function RotateKeyDialog({ apiKey, onClose }: { apiKey: ApiKeyFieldsFragment; onClose(): void }) {
  const [overlap, setOverlap] = useState('86400');
  const [key, setKey] = useState<string | null>(null);
  const rotate = useVerb(RotateApiKeyDocument, { refetchQueries: ['ApiKeys'] });

  async function submit(event: FormEvent) {
    event.preventDefault();
    const rotated = await rotate.run({ input: { id: apiKey.id, overlapSeconds: Number(overlap) } });
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
    <Dialog title={`Rotate ${apiKey.alias}`} isOpen onClose={onClose}>
      <form onSubmit={(event) => void submit(event)} className="space-y-4">
        <RefusalNotice refusal={rotate.refusal} problems={otherProblems(rotate.refusal, (field) => field === 'overlapSeconds')} />
        <p>The key gets a new text. All else of it, its usage and limits too, stays.</p>
        <SelectField
          label="The former text goes on working"
          value={overlap}
          onValue={setOverlap}
          choices={overlaps}
          problem={problemOf(rotate.refusal, 'overlapSeconds')}
        />
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" kind="primary" isPending={rotate.isPending}>
            Rotate key
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function RevokeKeyDialog({ apiKey, onClose }: { apiKey: ApiKeyFieldsFragment | null; onClose(): void }) {
  const revoke = useVerb(RevokeApiKeyDocument, { refetchQueries: ['ApiKeys'] });
  function close() {
    revoke.reset();
    onClose();
  }
  return (
    <Confirmation
      title={`Revoke ${apiKey?.alias ?? ''}?`}
      verb="Revoke key"
      isOpen={apiKey !== null}
      isPending={revoke.isPending}
      refusal={revoke.refusal}
      onClose={close}
      onConfirm={async () => {
        if (apiKey && (await revoke.run({ input: { id: apiKey.id } }))) close();
      }}
    >
      Programs that use this key are refused within a second. This cannot be undone; create a new key instead.
    </Confirmation>
  );
}

function toggled<Value>(values: readonly Value[], value: Value, isIn: boolean): Value[] {
  return isIn ? [...values, value] : values.filter((other) => other !== value);
}
