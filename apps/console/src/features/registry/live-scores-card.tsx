import { useQuery } from '@apollo/client/react';
import { Card } from '../../design/card.tsx';
import { formatCount, formatNumber, words } from '../../design/format.ts';
import { Empty } from '../../design/notice.tsx';
import { Table } from '../../design/table.tsx';
import { EndpointLiveScoresDocument, type EndpointLiveScoresQuery } from '../../gql/graphql.ts';
import { Loaded } from '../../graphql/loaded.tsx';
import { ScoreChart } from './score-chart.tsx';

type Endpoint = NonNullable<EndpointLiveScoresQuery['endpoint']>;
type Score = Endpoint['liveScores'][number];

/** Truths come in by and by. */
const lookEveryMs = 15_000;

/** How each version's answers of the last 30 days compared with the truth that feedback has told. */
export function LiveScoresCard({ name }: { name: string }) {
  const query = useQuery(EndpointLiveScoresDocument, { variables: { name }, pollInterval: lookEveryMs });
  return <Loaded what="the live scores" query={query}>{({ endpoint }) => endpoint && <LiveScores endpoint={endpoint} />}</Loaded>;
}

function LiveScores({ endpoint: { serving, liveScores } }: { endpoint: Endpoint }) {
  const foremost = liveScores[0]?.metrics[0]?.name ?? '';
  return (
    <Card title="Live scores" description="How the answers of the last 30 days compared with the truth that was sent to /v1/feedback.">
      {liveScores.length === 0 ? (
        serving.recordDays == null ? (
          <Empty title="No predictions are recorded">Say below for how many days answers are kept; feedback on them is scored here, version by version.</Empty>
        ) : (
          <Empty title="No truth is known yet">Send it with the id of a prediction to /v1/feedback, when it is known.</Empty>
        )
      ) : (
        <div className="space-y-5">
          <ScoreChart
            label={`${words(foremost)} of each version over time`}
            lines={liveScores.map(({ version, curve, metrics }) => ({
              label: `Version ${version.number}, ${words(foremost).toLowerCase()}`,
              points: curve.flatMap(({ from, labelledRows, value }) => (value == null ? [] : [{ from, labelledRows, value }])),
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
              ...(liveScores[0]?.metrics ?? []).map(({ name }, index) => ({
                header: words(name),
                align: 'right' as const,
                hint: 'With the interval that holds it in 95 of 100 cases, and what the version had at training',
                isExtra: index > 1,
                cell: ({ metrics }: Score) => <Figure metric={metrics[index]} />,
              })),
            ]}
          />
        </div>
      )}
    </Card>
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
