import { useQuery } from '@apollo/client/react';
import { Link } from '@tanstack/react-router';
import { useCan, useViewer } from '../../app/session-context.tsx';
import { buttonClass } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { Figure } from '../../design/facts.tsx';
import { formatCount, formatMoment } from '../../design/format.ts';
import { Empty } from '../../design/notice.tsx';
import { Page } from '../../design/page.tsx';
import { Table } from '../../design/table.tsx';
import { OverviewDocument, OverviewUsageDocument, type OverviewQuery } from '../../gql/graphql.ts';
import { Loaded } from '../../graphql/loaded.tsx';
import { periodOfDays } from '../quota/period.ts';
import { RunState, whereabouts } from '../training/run-state.tsx';

export function OverviewPage() {
  const viewer = useViewer();
  const query = useQuery(OverviewDocument, { pollInterval: 10_000 });
  const usage = useQuery(OverviewUsageDocument, { variables: periodOfDays(30) });
  return (
    <Page title="Overview" lead={viewer ? `What stands at ${viewer.tenant.name}, and what to do next.` : undefined}>
      <Loaded what="the overview" query={query}>
        {(data) => (
          <>
            <NextSteps data={data} predictions={usage.data?.usage.predictions ?? 0} />
            <div className="grid grid-cols-2 gap-4 xl:grid-cols-4">
              {figuresOf(data, usage.data?.usage.predictions).map(({ label, value, to, note }) => (
                <Link
                  key={label}
                  to={to}
                  className="rounded-lg border border-steel-200 bg-white px-5 py-4 shadow-card transition-colors hover:border-accent-400"
                >
                  <Figure label={label} value={value} note={note} />
                </Link>
              ))}
            </div>
            <Card
              title="Latest training runs"
              isFlush
              actions={
                <Link to="/runs" className="link text-[13px]">
                  All runs
                </Link>
              }
            >
              {data.runs.edges.length === 0 ? (
                <Empty title="No runs yet">The runs of your tenant appear here, newest first, with their live state.</Empty>
              ) : (
                <Table
                  caption="Latest training runs"
                  rows={data.runs.edges.slice(0, 5).map(({ node }) => node)}
                  keyOf={(run) => run.id}
                  columns={[
                    {
                      header: 'Model',
                      cell: (run) => (
                        <Link to="/runs/$id" params={{ id: run.id }} className="link">
                          {run.modelName}
                        </Link>
                      ),
                    },
                    { header: 'State', cell: (run) => <RunState status={run.status} /> },
                    { header: 'Now', className: 'text-steel-500', cell: (run) => run.failure?.message ?? (whereabouts(run) || `Finished ${formatMoment(run.finishedAt)}`) },
                    { header: 'Submitted', align: 'right', cell: (run) => formatMoment(run.createdAt) },
                  ]}
                />
              )}
            </Card>
          </>
        )}
      </Loaded>
    </Page>
  );
}

function figuresOf(data: OverviewQuery, predictions: number | undefined) {
  const count = (list: { edges: readonly unknown[]; pageInfo: { hasNextPage: boolean } }) =>
    `${list.edges.length}${list.pageInfo.hasNextPage ? '+' : ''}`;
  return [
    { label: 'Data sets', value: count(data.datasets), to: '/datasets', note: null },
    { label: 'Models', value: count(data.models), to: '/models', note: null },
    { label: 'Endpoints', value: count(data.endpoints), to: '/endpoints', note: null },
    { label: 'Predictions', value: predictions === undefined ? '–' : formatCount(predictions), to: '/usage', note: 'in the last 30 days' },
  ] as const;
}

/** The main job in four steps: what is done is ticked, the first that is not is what to do now. */
function NextSteps({ data, predictions }: { data: OverviewQuery; predictions: number }) {
  const hasReadyModel = data.models.edges.some(({ node }) => node.latestVersion?.status === 'READY');
  // The way on is shown to whoever may go it.
  const may = { upload: useCan('dataset:write'), train: useCan('run:submit'), publish: useCan('endpoint:write'), predict: useCan('endpoint:predict') };
  const onlyEndpoint = data.endpoints.edges[0]?.node.name;
  const steps = [
    {
      title: 'Upload data',
      text: 'A table as CSV or TSV: one row for each case, one column to predict.',
      isDone: data.datasets.edges.length > 0,
      action: may.upload && (
        <Link to="/datasets" className={buttonClass('primary')}>
          Upload a data set
        </Link>
      ),
    },
    {
      title: 'Train',
      text: 'Choose the column to predict and the models to compare.',
      isDone: hasReadyModel,
      action: may.train && (
        <Link to="/runs/new" className={buttonClass('primary')}>
          Start a run
        </Link>
      ),
    },
    {
      title: 'Publish',
      text: 'Put a version behind an endpoint. You can go back to the one before at any time.',
      isDone: data.endpoints.edges.length > 0,
      action: may.publish && (
        <Link to="/models" className={buttonClass('primary')}>
          Choose a version
        </Link>
      ),
    },
    {
      title: 'Call it',
      text: 'Try it in a form, then from your own programs with an API key.',
      isDone: predictions > 0,
      action: may.predict && onlyEndpoint ? (
        <Link to="/endpoints/$name" params={{ name: onlyEndpoint }} className={buttonClass('primary')}>
          Try the model
        </Link>
      ) : null,
    },
  ];
  const current = steps.findIndex((step) => !step.isDone);
  return (
    <Card title={current === -1 ? 'Your first model is in service' : 'From a data file to a prediction'}>
      <ol className="grid gap-6 md:grid-cols-2 xl:grid-cols-4">
        {steps.map((step, index) => (
          <li key={step.title} className="flex gap-3">
            <StepMark number={index + 1} isDone={step.isDone} isCurrent={index === current} />
            <div className="min-w-0">
              <p className="font-semibold text-steel-900">
                {step.title}
                {step.isDone && <span className="sr-only"> (done)</span>}
              </p>
              <p className="mt-0.5 text-[13px] leading-snug text-steel-500">{step.text}</p>
              {index === current && step.action && <div className="mt-3">{step.action}</div>}
            </div>
          </li>
        ))}
      </ol>
    </Card>
  );
}

function StepMark({ number, isDone, isCurrent }: { number: number; isDone: boolean; isCurrent: boolean }) {
  const look = isDone ? 'bg-accent-600 text-white' : isCurrent ? 'border-2 border-accent-600 text-accent-700' : 'bg-steel-100 text-steel-500';
  return (
    <span aria-hidden="true" className={`flex size-7 shrink-0 items-center justify-center rounded-full text-[13px] font-semibold ${look}`}>
      {isDone ? (
        <svg viewBox="0 0 12 12" className="size-3.5" fill="none" stroke="currentColor" strokeWidth="2" strokeLinecap="round">
          <path d="M2.5 6.5 5 9l4.5-5.5" />
        </svg>
      ) : (
        number
      )}
    </span>
  );
}
