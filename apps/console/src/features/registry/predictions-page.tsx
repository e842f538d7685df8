import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useCan } from '../../app/session-context.tsx';
import { Badge, type Tone } from '../../design/badge.tsx';
import { Button } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { Filters } from '../../design/filters.tsx';
import { formatMoment, formatSeconds } from '../../design/format.ts';
import { Empty } from '../../design/notice.tsx';
import { Page } from '../../design/page.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { Table } from '../../design/table.tsx';
import { AsyncPredictionsDocument, CancelAsyncPredictionDocument, type AsyncPredictionFieldsFragment, type PredictionStatus } from '../../gql/graphql.ts';
import { Loaded, ShowMore } from '../../graphql/loaded.tsx';
import { usePagedQuery } from '../../graphql/use-paged-query.ts';
import { useVerb } from '../../graphql/use-verb.ts';
import { PredictionDialog } from './prediction-dialog.tsx';

const filters: { label: string; status: PredictionStatus[] | null }[] = [
  { label: 'All', status: null },
  { label: 'Open', status: ['STARTING', 'PROCESSING'] },
  { label: 'Succeeded', status: ['SUCCEEDED'] },
  { label: 'Failed', status: ['FAILED'] },
  { label: 'Canceled', status: ['CANCELED'] },
];

const states: Record<PredictionStatus, { label: string; tone: Tone }> = {
  STARTING: { label: 'Waits', tone: 'neutral' },
  PROCESSING: { label: 'Being made', tone: 'accent' },
  SUCCEEDED: { label: 'Succeeded', tone: 'good' },
  FAILED: { label: 'Failed', tone: 'bad' },
  CANCELED: { label: 'Canceled', tone: 'warn' },
};

const isOpen = (status: PredictionStatus): boolean => status === 'STARTING' || status === 'PROCESSING';

/** Predictions that programs have asked for and do not wait for: where each stands, live. */
export function PredictionsPage() {
  const [filter, setFilter] = useState(0);
  const status = filters[filter]?.status ?? null;
  const { query, showMore } = usePagedQuery(AsyncPredictionsDocument, { status });
  const [shown, setShown] = useState<AsyncPredictionFieldsFragment | null>(null);
  const cancel = useVerb(CancelAsyncPredictionDocument);
  const mayPredict = useCan('endpoint:predict');
  return (
    <Page title="Predictions made later" lead="Accepted by POST /v1/predictions, newest first, for as long as they are kept. The state is live.">
      <Filters label="Filter by state" choices={filters} chosen={filter} onChosen={setFilter} />
      <RefusalNotice refusal={cancel.refusal} />
      <Card isFlush>
        <Loaded what="the predictions" query={query}>
          {({ asyncPredictions }) =>
            asyncPredictions.edges.length === 0 ? (
              <Empty title={status ? 'No predictions in this state' : 'No predictions made later'}>
                {status ? 'Choose another state above.' : 'For what takes longer than a caller waits, programs send POST /v1/predictions and are told of the end by a webhook.'}
              </Empty>
            ) : (
              <>
                <Table
                  caption="Predictions made later"
                  rows={asyncPredictions.edges.map(({ node }) => node)}
                  keyOf={({ id }) => id}
                  columns={[
                    {
                      header: 'Endpoint',
                      cell: ({ endpointName, versionNumber }) => (
                        <>
                          <Link to="/endpoints/$name" params={{ name: endpointName }} className="link">
                            {endpointName}
                          </Link>
                          {versionNumber !== null && <span className="block text-xs text-steel-500">version {versionNumber}</span>}
                        </>
                      ),
                    },
                    { header: 'Asked by', cell: ({ actorLabel }) => actorLabel },
                    { header: 'State', cell: (prediction) => <State {...prediction} /> },
                    { header: 'Accepted', cell: ({ createdAt }) => formatMoment(createdAt) },
                    { header: 'Waited', align: 'right', isExtra: true, cell: ({ createdAt, startedAt }) => secondsBetween(createdAt, startedAt) },
                    { header: 'Made in', align: 'right', hint: 'Of those that succeeded: the prediction alone.', cell: ({ predictMs }) => formatSeconds(predictMs === null ? null : predictMs / 1000) },
                    { header: 'Webhook', isExtra: true, cell: ({ webhookReceiver }) => webhookReceiver ?? '–' },
                    {
                      header: <span className="sr-only">Actions</span>,
                      align: 'right',
                      cell: (prediction) => (
                        <div className="flex flex-wrap justify-end gap-1.5">
                          {mayPredict && isOpen(prediction.status) && (
                            <Button
                              kind="danger"
                              className="py-1 text-[13px]"
                              isPending={cancel.isPending}
                              aria-label={`Cancel ${prediction.id}`}
                              onClick={() => void cancel.run({ input: { id: prediction.id } })}
                            >
                              Cancel
                            </Button>
                          )}
                          <Button className="py-1 text-[13px]" aria-label={`Show ${prediction.id}`} onClick={() => setShown(prediction)}>
                            Show
                          </Button>
                        </div>
                      ),
                    },
                  ]}
                />
                <ShowMore pageInfo={asyncPredictions.pageInfo} onMore={showMore} />
              </>
            )
          }
        </Loaded>
      </Card>
      {shown && <PredictionDialog prediction={shown} onClose={() => setShown(null)} />}
    </Page>
  );
}

function State({ status, errorCode, attempts }: Pick<AsyncPredictionFieldsFragment, 'status' | 'errorCode' | 'attempts'>) {
  const { label, tone } = states[status];
  return (
    <>
      <Badge tone={tone} isLive={status === 'PROCESSING'}>
        {label}
      </Badge>
      {errorCode !== null && <code className="block pt-1 font-mono text-xs text-steel-500">{errorCode}</code>}
      {attempts > 1 && <span className="block pt-1 text-xs text-steel-500">begun {attempts} times</span>}
    </>
  );
}

function secondsBetween(from: string, to: string | null): string {
  return to === null ? '–' : formatSeconds((new Date(to).getTime() - new Date(from).getTime()) / 1000);
}
