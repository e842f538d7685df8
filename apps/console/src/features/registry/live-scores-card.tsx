import { useQuery } from '@apollo/client/react';
import { useState } from 'react';
import { Card } from '../../design/card.tsx';
import { Filters } from '../../design/filters.tsx';
import { formatCount, formatMoment, formatNumber } from '../../design/format.ts';
import { Empty, Notice } from '../../design/notice.tsx';
import { Table } from '../../design/table.tsx';
import { EndpointLiveScoresDocument, type EndpointLiveScoresQuery } from '../../gql/graphql.ts';
import { Loaded } from '../../graphql/loaded.tsx';
import { FeedbackSenders } from './feedback-senders.tsx';
import { ScoreChart } from './score-chart.tsx';
import { scoreName } from './score-name.ts';

type Endpoint = NonNullable<EndpointLiveScoresQuery['endpoint']>;
type Score = Endpoint['liveScores'][number];

/** Truths come in by and by. */
const lookEveryMs = 15_000;

/** How each version's answers of the last 30 days compared with the truth that feedback has told. */
export function LiveScoresCard({ name }: { name: string }) {
  const [trust, setTrust] = useState(0);
  const query = useQuery(EndpointLiveScoresDocument, { variables: { name, trustedOnly: trust === 1 }, pollInterval: lookEveryMs });
  const filters = <Filters label="Whose truths are counted" choices={[{ label: 'All truths' }, { label: 'Trusted only' }]} chosen={trust} onChosen={setTrust} />;
  return (
    <Card title="Live scores" description="How the answers of the last 30 days compared with the truth that was sent to /v1/feedback." actions={filters}>
      <Loaded what="the live scores" query={query}>
        {({ endpoint }) =>
          endpoint && (
            <div className="space-y-5">
              {endpoint.recordingStoppedAt !== null && (
                <Notice tone="warn" title={`Answers have not been kept since ${formatMoment(endpoint.recordingStoppedAt)}`}>
                  The tenant’s storage is full. Predictions go on; delete what you need no more, or ask your operator for more.
                </Notice>
              )}
              <LiveScores endpoint={endpoint} isTrustedOnly={trust === 1} />
              {endpoint.feedbackSenders.length > 0 && <FeedbackSenders senders={endpoint.feedbackSenders} />}
            </div>
          )
        }
      </Loaded>
    </Card>
  );
}

function LiveScores({ endpoint: { serving, liveScores }, isTrustedOnly }: { endpoint: Endpoint; isTrustedOnly: boolean }) {
  const foremost = liveScores[0]?.metrics[0]?.name ?? '';
  return (
    <>
      {liveScores.length === 0 ? (
        isTrustedOnly ? (
          <Empty title="No trusted truth is known yet">Rollouts count what is sent with a key that has the scope FEEDBACK, or by an engineer or an administrator.</Empty>
        ) : serving.recordDays == null ? (
          <Empty title="No predictions are recorded">Say below for how many days answers are kept; feedback on them is scored here, version by version.</Empty>
        ) : (
          <Empty title="No truth is known yet">Send it with the id of a prediction to /v1/feedback, when it is known.</Empty>
        )
      ) : (
        <div className="space-y-5">
          <ScoreChart
            label={`${scoreName(foremost)} of each version over time`}
            lines={liveScores.map(({ version, curve, metrics }) => ({
              label: `Version ${version.number}, ${scoreName(foremost)}`,
              points: curve.flatMap(({ from, to, labelledRows, value }) => (value == null ? [] : [{ from, to, labelledRows, value }])),
              atTraining: metrics[0]?.atTraining ?? null,
            }))}
          />
          <Table
            caption="Live scores by version"
            rows={liveScores}
            keyOf={({ version }: Score) => version.id}
            columns={[
              { header: 'Version', cell: ({ version }) => version.number },
              { header: 'Known rows', align: 'right', hint: 'Rows whose truth is known', cell: ({ labelledRows }) => formatCount(labelledRows) },
              { header: 'Trusted', align: 'right', hint: 'Those of them whose truth rollouts count', cell: ({ trustedRows }) => formatCount(trustedRows) },
              ...(liveScores.some(({ undecidedRows }) => undecidedRows > 0)
                ? [{ header: 'Undecided', align: 'right' as const, hint: 'Those that had not ended, and were last looked at before their horizon', cell: ({ undecidedRows }: Score) => formatCount(undecidedRows) }]
                : []),
              ...(liveScores[0]?.metrics ?? []).map(({ name }, index) => ({
                header: scoreName(name),
                align: 'right' as const,
                hint: 'With the interval that holds it in 95 of 100 cases, and what the version had at training',
                isExtra: index > 1,
                cell: ({ metrics }: Score) => <Figure metric={metrics[index]} />,
              })),
            ]}
          />
        </div>
      )}
    </>
  );
}

function Figure({ metric }: { metric: Score['metrics'][number] | undefined }) {
  if (!metric) return '–';
  const { value, lower, upper, atTraining } = metric;
  return (
    <span className="block leading-tight">
      {formatNumber(value)}
      {lower != null && upper != null && <span className="block text-xs text-steel-500">{formatNumber(lower)} to {formatNumber(upper)}</span>}
      {atTraining != null && <span className="block text-xs text-steel-500">trained {formatNumber(atTraining)}</span>}
    </span>
  );
}
