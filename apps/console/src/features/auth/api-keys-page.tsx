import { useQuery } from '@apollo/client/react';
import { useState } from 'react';
import { useCan } from '../../app/session-context.tsx';
import { Badge, type Tone } from '../../design/badge.tsx';
import { Button } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { formatCount, formatMoment, words } from '../../design/format.ts';
import { Empty } from '../../design/notice.tsx';
import { Page } from '../../design/page.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { Table } from '../../design/table.tsx';
import { ApiKeysDocument, RevokeApiKeyDocument, UpdateApiKeyDocument, type ApiKeyFieldsFragment, type ApiKeyState } from '../../gql/graphql.ts';
import { Loaded, ShowMore } from '../../graphql/loaded.tsx';
import { useVerb } from '../../graphql/use-verb.ts';
import { ChangeKeyDialog } from './change-key-dialog.tsx';
import { Confirmation } from './confirmation.tsx';
import { CreateKeyDialog } from './create-key-dialog.tsx';
import { RotateKeyDialog } from './rotate-key-dialog.tsx';

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

/** Of `1d`, `7d` and `30d`. */
const everyWords = (duration: string): string => (duration === '1d' ? 'a day' : `every ${parseInt(duration, 10)} days`);

function Limits({ apiKey: { rpmLimit, maxParallelRequests, maxBudget, spend, budgetDuration, addresses } }: { apiKey: ApiKeyFieldsFragment }) {
  const limits = [
    ...(rpmLimit === null ? [] : [`${formatCount(rpmLimit)} a minute`]),
    ...(maxParallelRequests === null ? [] : [`${formatCount(maxParallelRequests)} at a time`]),
    ...(maxBudget === null ? [] : [`${formatCount(spend)} of ${formatCount(maxBudget)} cost units${budgetDuration === null ? '' : ` ${everyWords(budgetDuration)}`}`]),
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
