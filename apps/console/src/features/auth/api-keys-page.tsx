import { useQuery } from '@apollo/client/react';
import { useState, type FormEvent } from 'react';
import { useCan, useInferenceUrl } from '../../app/session-context.tsx';
import { Badge } from '../../design/badge.tsx';
import { Button } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { CodeBlock } from '../../design/code-block.tsx';
import { Dialog } from '../../design/dialog.tsx';
import { CheckField, SelectField, TextField } from '../../design/field.tsx';
import { formatMoment, words } from '../../design/format.ts';
import { Empty, Notice } from '../../design/notice.tsx';
import { Page } from '../../design/page.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { Table } from '../../design/table.tsx';
import {
  ApiKeysDocument,
  CreateApiKeyDocument,
  EndpointsDocument,
  RevokeApiKeyDocument,
  type ApiKeyFieldsFragment,
  type ApiKeyScope,
} from '../../gql/graphql.ts';
import { Loaded, ShowMore } from '../../graphql/loaded.tsx';
import { otherProblems, problemOf } from '../../graphql/refusal.ts';
import { useVerb } from '../../graphql/use-verb.ts';

const scopes: { scope: ApiKeyScope; hint: string }[] = [
  { scope: 'PREDICT', hint: 'Call endpoints.' },
  { scope: 'READ', hint: 'Read data sets, runs, models and usage.' },
  { scope: 'TRAIN', hint: 'Upload data and start runs; includes reading.' },
  { scope: 'ADMIN', hint: 'Everything, including publishing and keys.' },
];

export function ApiKeysPage() {
  const query = useQuery(ApiKeysDocument);
  const [isCreating, setCreating] = useState(false);
  const [revoking, setRevoking] = useState<ApiKeyFieldsFragment | null>(null);
  const mayWrite = useCan('key:write');
  const create = mayWrite && (
    <Button kind="primary" onClick={() => setCreating(true)}>
      Create API key
    </Button>
  );

  return (
    <Page title="API keys" lead="Machines and partners call your endpoints with a key. Give each of them its own." actions={create}>
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
                    { header: 'Name', cell: (key) => <span className="font-medium text-steel-900">{key.alias}</span> },
                    { header: 'Ends in', cell: (key) => <code className="font-mono text-[13px]">…{key.lastFour}</code> },
                    { header: 'May', cell: (key) => key.scopes.map(words).join(', ') },
                    { header: 'Endpoints', cell: (key) => (key.models.length === 0 ? 'All' : key.models.join(', ')) },
                    { header: 'Last used', cell: (key) => (key.lastUsedAt ? formatMoment(key.lastUsedAt) : 'Never') },
                    { header: 'State', cell: (key) => <KeyState apiKey={key} /> },
                    {
                      header: <span className="sr-only">Actions</span>,
                      align: 'right',
                      cell: (key) =>
                        mayWrite && !key.revokedAt ? (
                          <Button kind="danger" className="py-1 text-[13px]" aria-label={`Revoke ${key.alias}`} onClick={() => setRevoking(key)}>
                            Revoke
                          </Button>
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
      <CreateKeyDialog isOpen={isCreating} onClose={() => setCreating(false)} />
      <RevokeKeyDialog apiKey={revoking} onClose={() => setRevoking(null)} />
    </Page>
  );
}

function KeyState({ apiKey }: { apiKey: ApiKeyFieldsFragment }) {
  if (apiKey.revokedAt) return <Badge tone="bad">Revoked</Badge>;
  if (apiKey.expiresAt && new Date(apiKey.expiresAt) < new Date()) return <Badge tone="warn">Expired</Badge>;
  if (apiKey.expiresAt) return <Badge tone="good">Until {formatMoment(apiKey.expiresAt)}</Badge>;
  return <Badge tone="good">Active</Badge>;
}

interface KeyForm {
  alias: string;
  scopes: ApiKeyScope[];
  models: string[];
  days: string;
}

const blankForm: KeyForm = { alias: '', scopes: ['PREDICT'], models: [], days: '' };

function CreateKeyDialog({ isOpen, onClose }: { isOpen: boolean; onClose(): void }) {
  const [form, setForm] = useState(blankForm);
  const [key, setKey] = useState<string | null>(null);
  const inferenceUrl = useInferenceUrl();
  const create = useVerb(CreateApiKeyDocument, { refetchQueries: ['ApiKeys'] });
  const endpoints = useQuery(EndpointsDocument, { skip: !isOpen });
  const names = endpoints.data?.endpoints.edges.map(({ node }) => node.name) ?? [];

  function close() {
    setForm(blankForm);
    setKey(null);
    create.reset();
    onClose();
  }

  async function submit(event: FormEvent) {
    event.preventDefault();
    const expiresAt = form.days === '' ? null : new Date(Date.now() + Number(form.days) * 86_400_000).toISOString();
    const created = await create.run({ input: { alias: form.alias.trim(), scopes: form.scopes, models: form.models, expiresAt } });
    if (created) setKey(created.key);
  }

  if (key !== null) {
    const endpoint = form.models[0] ?? names[0];
    return (
      <Dialog title="Your new API key" isOpen={isOpen} onClose={close}>
        <div className="space-y-4">
          <Notice tone="warn" title="Copy it now: it will not be shown again">
            Keep it in a secret store, not in source code.
          </Notice>
          <CodeBlock label="API key" text={key} isWrapped />
          <CodeBlock
            label="Check the key"
            isWrapped
            text={`curl ${inferenceUrl}/v2${endpoint ? `/models/${encodeURIComponent(endpoint)}` : ''} \\\n  -H "X-API-Key: ${key}"`}
          />
          <div className="flex justify-end">
            <Button kind="primary" onClick={close}>
              I have copied it
            </Button>
          </div>
        </div>
      </Dialog>
    );
  }

  return (
    <Dialog title="Create API key" isOpen={isOpen} onClose={close}>
      <form onSubmit={(event) => void submit(event)} className="space-y-4">
        <RefusalNotice
          refusal={create.refusal}
          problems={otherProblems(create.refusal, (field) => field === 'alias' || field === 'expiresAt')}
        />
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
        {names.length > 0 && (
          <fieldset className="space-y-2">
            <legend className="mb-1.5 text-[13px] font-medium text-steel-700">Which endpoints it may call (none chosen: all)</legend>
            {names.map((name) => (
              <CheckField
                key={name}
                label={name}
                isChecked={form.models.includes(name)}
                onChecked={(isChecked) => setForm({ ...form, models: toggled(form.models, name, isChecked) })}
              />
            ))}
          </fieldset>
        )}
        <SelectField
          label="Expires"
          value={form.days}
          onValue={(days) => setForm({ ...form, days })}
          problem={problemOf(create.refusal, 'expiresAt')}
          choices={[
            { value: '', label: 'Never' },
            { value: '30', label: 'In 30 days' },
            { value: '90', label: 'In 90 days' },
            { value: '365', label: 'In a year' },
          ]}
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

function RevokeKeyDialog({ apiKey, onClose }: { apiKey: ApiKeyFieldsFragment | null; onClose(): void }) {
  const revoke = useVerb(RevokeApiKeyDocument, { refetchQueries: ['ApiKeys'] });
  function close() {
    revoke.reset();
    onClose();
  }
  async function confirm() {
    if (apiKey && (await revoke.run({ input: { id: apiKey.id } }))) close();
  }
  return (
    <Dialog title={`Revoke ${apiKey?.alias ?? ''}?`} isOpen={apiKey !== null} onClose={close}>
      <div className="space-y-4">
        <RefusalNotice refusal={revoke.refusal} />
        <p>Programs that use this key are refused within a second. This cannot be undone; create a new key instead.</p>
        <div className="flex justify-end gap-2">
          <Button onClick={close}>Keep it</Button>
          <Button kind="danger" isPending={revoke.isPending} onClick={() => void confirm()}>
            Revoke key
          </Button>
        </div>
      </div>
    </Dialog>
  );
}

function toggled<Value>(values: readonly Value[], value: Value, isIn: boolean): Value[] {
  return isIn ? [...values, value] : values.filter((other) => other !== value);
}
