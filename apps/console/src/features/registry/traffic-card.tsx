import { useQuery } from '@apollo/client/react';
import { useCan } from '../../app/session-context.tsx';
import { Badge } from '../../design/badge.tsx';
import { Button } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { formatCount, formatMoment, formatNumber, formatShare } from '../../design/format.ts';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { Table } from '../../design/table.tsx';
import { EndpointTrafficDocument, PromoteRolloutDocument, RollBackEndpointDocument, type EndpointTrafficQuery } from '../../gql/graphql.ts';
import { Loaded } from '../../graphql/loaded.tsx';
import { useVerb } from '../../graphql/use-verb.ts';
import { RolloutWebhook } from './rollout-webhook.tsx';
import { ruleInWords } from './rule-in-words.ts';
import { StartRolloutForm } from './start-rollout-form.tsx';

type Endpoint = NonNullable<EndpointTrafficQuery['endpoint']>;
type Share = Endpoint['traffic'][number];
type Rollout = Endpoint['rollouts'][number];

/** Traffic and steps change by themselves. */
const lookEveryMs = 5_000;
const refetchQueries = ['EndpointTraffic', 'Endpoint'];

const variantWords = { STABLE: 'stable', CANARY: 'new', SHADOW: 'shadow' } as const;
const barColours = { STABLE: 'bg-accent-600', CANARY: 'bg-warn-700', SHADOW: 'bg-steel-300' } as const;
const statusTones = { RUNNING: 'accent', SUCCEEDED: 'good', ROLLED_BACK: 'bad', CANCELLED: 'neutral' } as const;

/** Which versions answer what share of an endpoint's requests, how each fares, and the rollout that moves one to the next. */
export function TrafficCard({ name }: { name: string }) {
  const query = useQuery(EndpointTrafficDocument, { variables: { name }, pollInterval: lookEveryMs });
  return <Loaded what="the traffic" query={query}>{({ endpoint }) => endpoint && <Traffic name={name} endpoint={endpoint} />}</Loaded>;
}

function Traffic({ name, endpoint }: { name: string; endpoint: Endpoint }) {
  const mayChange = useCan('endpoint:write');
  const promote = useVerb(PromoteRolloutDocument, { refetchQueries });
  const rollBack = useVerb(RollBackEndpointDocument, { refetchQueries });
  const running = endpoint.rollouts.find(({ status }) => status === 'RUNNING') ?? null;
  const answering = endpoint.traffic.filter(({ percent }) => percent > 0);
  const input = { endpointName: name };
  return (
    <Card
      title="Traffic"
      description="Which versions answered in the last hour, and how they fared."
      actions={
        mayChange && (
          <div className="flex gap-2">
            {running && (
              <Button isPending={promote.isPending} onClick={() => void promote.run({ input })}>
                Finish now
              </Button>
            )}
            <Button kind="danger" isPending={rollBack.isPending} onClick={() => void rollBack.run({ input })}>
              Roll back
            </Button>
          </div>
        )
      }
    >
      <div className="space-y-5">
        <RefusalNotice refusal={promote.refusal ?? rollBack.refusal} />
        <div className="flex h-7 overflow-hidden rounded-md" role="img" aria-label={answering.map(({ version, percent }) => `version ${version.number}: ${percent} %`).join(', ')}>
          {answering.map(({ version, variant, percent }) => (
            <div key={`${version.id} ${variant}`} style={{ width: `${percent}%` }} className={`${barColours[variant]} flex items-center justify-center text-xs font-medium text-white`}>
              {percent >= 8 && `v${version.number} · ${percent} %`}
            </div>
          ))}
        </div>
        {running && <Steps rollout={running} />}
        <Table
          caption="Versions that were asked"
          rows={endpoint.traffic}
          keyOf={({ version, variant }: Share) => `${version.id} ${variant}`}
          columns={[
            { header: 'Version', cell: ({ version, variant }) => <>{version.number} <span className="text-steel-500">{variantWords[variant]}</span></> },
            { header: 'Share', align: 'right', cell: ({ variant, percent, mirrorPercent }) => (variant === 'SHADOW' ? `shown ${mirrorPercent} %` : `${percent} %`) },
            { header: 'Requests', align: 'right', cell: ({ requests }) => formatCount(requests) },
            { header: 'Errors', align: 'right', hint: 'No answer to rows that fitted: not loaded, or no finite number', cell: ({ errorRate }) => formatShare(errorRate) },
            { header: 'Refused', align: 'right', hint: 'Rows that did not fit the version', cell: ({ refusedRate }) => formatShare(refusedRate) },
            { header: 'Differing', align: 'right', hint: 'Of a shadow: answers unlike those that were given', cell: ({ variant, differingRate }) => (variant === 'SHADOW' ? formatShare(differingRate) : '–') },
            { header: 'p50 (ms)', align: 'right', isExtra: true, cell: ({ latencyP50Ms }) => formatNumber(latencyP50Ms) },
            { header: 'p95 (ms)', align: 'right', cell: ({ latencyP95Ms }) => formatNumber(latencyP95Ms) },
          ]}
        />
        {mayChange && !running && <StartRolloutForm name={name} endpoint={endpoint} refetchQueries={refetchQueries} />}
        <RolloutWebhook name={name} receiver={endpoint.webhookReceiver} mayChange={mayChange} />
        {endpoint.rollouts.length > 0 && <Rollouts rollouts={endpoint.rollouts} />}
      </div>
    </Card>
  );
}

/** Where a rollout stands among its steps. */
function Steps({ rollout }: { rollout: Rollout }) {
  return (
    <div className="flex flex-wrap items-center gap-2 text-[13.5px]">
      <span className="font-medium">Version {rollout.version.number} takes over:</span>
      {rollout.steps.map((percent, index) => (
        <span key={percent} aria-current={index === rollout.step ? 'step' : undefined} className={`rounded-full px-2.5 py-0.5 ${index < rollout.step ? 'bg-good-50 text-good-700' : index === rollout.step ? 'bg-accent-600 text-white' : 'bg-steel-100 text-steel-600'}`}>
          {percent} %
        </span>
      ))}
      <span className="text-steel-500">
        each for {rollout.bakeSeconds} s and {formatCount(rollout.minRequests)} requests at least; at this step since {formatMoment(rollout.stepStartedAt)}{rollout.rollbackOn.length > 0 && `; rolled back on ${rollout.rollbackOn.map(ruleInWords).join(', ')} by more than chance`}
      </span>
      {rollout.waitsFor.length > 0 && (
        <ul aria-label="It waits" className="w-full list-disc pl-5 text-steel-600">
          {rollout.waitsFor.map(({ kind, message }) => (
            <li key={message} className={kind === 'DOUBT' ? 'text-warn-700' : ''}>{message}</li>
          ))}
        </ul>
      )}
    </div>
  );
}

function Rollouts({ rollouts }: { rollouts: readonly Rollout[] }) {
  return (
    <Table
      caption="Rollouts, newest first"
      rows={rollouts}
      keyOf={({ id }) => id}
      columns={[
        { header: 'Rollout of', cell: ({ version }) => `version ${version.number}` },
        { header: 'State', cell: ({ status }) => <Badge tone={statusTones[status]}>{status.toLowerCase().replace('_', ' ')}</Badge> },
        { header: 'Reached', align: 'right', cell: ({ steps, step }) => `${steps[step] ?? 0} %` },
        { header: 'Why', cell: ({ reason }) => reason ?? '–' },
        { header: 'Ended by', isExtra: true, cell: ({ endedBy }) => endedBy ?? '–' },
        { header: 'Started', isExtra: true, cell: ({ createdAt }) => formatMoment(createdAt) },
        { header: 'Ended', isExtra: true, cell: ({ endedAt }) => formatMoment(endedAt) },
      ]}
    />
  );
}
