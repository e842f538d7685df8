import { useQuery } from '@apollo/client/react';
import { useState } from 'react';
import { useCan } from '../../app/session-context.tsx';
import { Badge } from '../../design/badge.tsx';
import { Button } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { Filters } from '../../design/filters.tsx';
import { formatMoment } from '../../design/format.ts';
import { Empty, Notice } from '../../design/notice.tsx';
import { Page } from '../../design/page.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { Table } from '../../design/table.tsx';
import {
  FailingWebhookReceiversDocument,
  ResendWebhookDeliveryDocument,
  ResumeWebhookReceiverDocument,
  WebhookDeliveriesDocument,
  WebhookSecretsDocument,
  type WebhookDeliveryStatus,
} from '../../gql/graphql.ts';
import { Loaded, ShowMore } from '../../graphql/loaded.tsx';
import { usePagedQuery } from '../../graphql/use-paged-query.ts';
import { useVerb } from '../../graphql/use-verb.ts';
import { DeliveryState } from './delivery-state.tsx';
import { RotateWebhookSecretDialog } from './rotate-webhook-secret-dialog.tsx';

/** What programs are told of their predictions: with what it is signed, what is on its way, and who does not answer. */
export function WebhooksPage() {
  return (
    <Page title="Webhooks" lead="Whoever asks for a prediction made later may name an address that is told of it, and so may an endpoint one that is told how its rollouts end. What is sent is signed, and sent again until it is received.">
      <FailingReceivers />
      <SecretsCard />
      <DeliveriesCard />
    </Page>
  );
}

function SecretsCard() {
  const query = useQuery(WebhookSecretsDocument);
  const [isRotating, setRotating] = useState(false);
  const mayWrite = useCan('key:write');
  return (
    <Card
      title="Signing secret"
      description="Receivers check by it that a message is yours (Standard Webhooks)."
      actions={mayWrite && <Button onClick={() => setRotating(true)}>{query.data?.webhookSecrets.length ? 'Rotate secret' : 'Create secret'}</Button>}
      isFlush
    >
      <Loaded what="the secrets" query={query}>
        {({ webhookSecrets }) =>
          webhookSecrets.length === 0 ? (
            <Empty title="No secret yet">Predictions with a webhook are refused until there is one.</Empty>
          ) : (
            <Table
              caption="Signing secrets"
              rows={webhookSecrets}
              keyOf={({ id }) => id}
              columns={[
                { header: 'Secret', cell: ({ id }) => <code className="font-mono text-xs">{id}</code> },
                { header: 'Made', cell: ({ createdAt }) => formatMoment(createdAt) },
                {
                  header: 'State',
                  cell: ({ endsAt }) =>
                    endsAt === null ? <Badge tone="good">Signs</Badge> : <Badge tone="warn">{new Date(endsAt) > new Date() ? `Signs as well until ${formatMoment(endsAt)}` : 'Over'}</Badge>,
                },
              ]}
            />
          )
        }
      </Loaded>
      {isRotating && <RotateWebhookSecretDialog isFirst={!query.data?.webhookSecrets.length} onClose={() => setRotating(false)} />}
    </Card>
  );
}

function FailingReceivers() {
  const { data } = useQuery(FailingWebhookReceiversDocument, { pollInterval: 5_000 });
  const resume = useVerb(ResumeWebhookReceiverDocument, { refetchQueries: ['FailingWebhookReceivers', 'WebhookDeliveries'] });
  const mayWrite = useCan('key:write');
  const receivers = data?.failingWebhookReceivers ?? [];
  return (
    <>
      <RefusalNotice refusal={resume.refusal} />
      {receivers.map(({ receiver, failingSince, pausedUntil }) => {
        const isPaused = pausedUntil !== null && new Date(pausedUntil) > new Date();
        return (
          <Notice key={receiver} tone={isPaused ? 'bad' : 'warn'} title={`${receiver} has not answered well since ${formatMoment(failingSince)}`}>
            <div className="flex flex-wrap items-center justify-between gap-3">
              <span>{isPaused ? `It is paused until ${formatMoment(pausedUntil)}. What waits is kept.` : 'What waits is tried again, less and less often.'}</span>
              {mayWrite && (
                <Button className="py-1 text-[13px]" isPending={resume.isPending} aria-label={`Try ${receiver} now`} onClick={() => void resume.run({ input: { receiver } })}>
                  Try now
                </Button>
              )}
            </div>
          </Notice>
        );
      })}
    </>
  );
}

const filters: { label: string; status: WebhookDeliveryStatus | null }[] = [
  { label: 'All', status: null },
  { label: 'Under way', status: 'PENDING' },
  { label: 'Delivered', status: 'DELIVERED' },
  { label: 'Given up', status: 'FAILED' },
];

function DeliveriesCard() {
  const [filter, setFilter] = useState(0);
  const status = filters[filter]?.status ?? null;
  const { query, showMore } = usePagedQuery(WebhookDeliveriesDocument, { status });
  const resend = useVerb(ResendWebhookDeliveryDocument);
  const mayWrite = useCan('key:write');
  return (
    <Card
      title="Deliveries"
      description="Each event on its way to its receiver, newest first. They go with what they tell of."
      actions={<Filters label="Filter deliveries by state" choices={filters} chosen={filter} onChosen={setFilter} />}
      isFlush
    >
      <RefusalNotice refusal={resend.refusal} />
      <Loaded what="the deliveries" query={query}>
        {({ webhookDeliveries }) =>
          webhookDeliveries.edges.length === 0 ? (
            <Empty title={status ? 'No deliveries in this state' : 'No deliveries yet'}>
              {status ? 'Choose another state above.' : 'They begin when a prediction with a webhook is made.'}
            </Empty>
          ) : (
            <>
              <Table
                caption="Deliveries"
                rows={webhookDeliveries.edges.map(({ node }) => node)}
                keyOf={({ id }) => id}
                columns={[
                  { header: 'Event', cell: ({ event }) => <span className="font-medium text-steel-900">{event}</span> },
                  { header: 'Receiver', cell: ({ receiver }) => receiver },
                  { header: 'State', className: 'max-w-80', cell: (delivery) => <DeliveryState delivery={delivery} /> },
                  { header: 'Happened', cell: ({ createdAt }) => formatMoment(createdAt) },
                  { header: 'About', isExtra: true, cell: ({ predictionId, rolloutId }) => <code className="font-mono text-xs">{predictionId ?? rolloutId}</code> },
                  {
                    header: <span className="sr-only">Actions</span>,
                    align: 'right',
                    cell: ({ id, event }) =>
                      mayWrite && (
                        <Button className="py-1 text-[13px]" isPending={resend.isPending} aria-label={`Send ${event} ${id} again`} onClick={() => void resend.run({ input: { id } })}>
                          Send again
                        </Button>
                      ),
                  },
                ]}
              />
              <ShowMore pageInfo={webhookDeliveries.pageInfo} onMore={showMore} />
            </>
          )
        }
      </Loaded>
    </Card>
  );
}
