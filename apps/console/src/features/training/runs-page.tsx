import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useCan } from '../../app/session-context.tsx';
import { buttonClass } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { Filters } from '../../design/filters.tsx';
import { formatCount, formatMoment, formatSeconds } from '../../design/format.ts';
import { Empty } from '../../design/notice.tsx';
import { Page } from '../../design/page.tsx';
import { Progress } from '../../design/progress.tsx';
import { Table } from '../../design/table.tsx';
import { RunsDocument, type RunStatus } from '../../gql/graphql.ts';
import { Loaded, ShowMore } from '../../graphql/loaded.tsx';
import { usePagedQuery } from '../../graphql/use-paged-query.ts';
import { deviceNames, isFinal, RunState, shareDone, whereabouts } from './run-state.tsx';

const filters: { label: string; status: RunStatus[] | null }[] = [
  { label: 'All', status: null },
  { label: 'Active', status: ['QUEUED', 'RUNNING', 'PAUSED'] },
  { label: 'Queued', status: ['QUEUED'] },
  { label: 'Succeeded', status: ['SUCCEEDED'] },
  { label: 'Failed', status: ['FAILED'] },
  { label: 'Cancelled', status: ['CANCELLED'] },
];

export function RunsPage() {
  const [filter, setFilter] = useState(0);
  const status = filters[filter]?.status ?? null;
  const { query, showMore } = usePagedQuery(RunsDocument, { status });
  const mayTrain = useCan('run:submit');
  const start = mayTrain && (
    <Link to="/runs/new" search={{}} className={buttonClass('primary')}>
      Start a run
    </Link>
  );
  return (
    <Page title="Training runs" lead="Newest first. The state is live." actions={start}>
      <Filters label="Filter by state" choices={filters} chosen={filter} onChosen={setFilter} />
      <Card isFlush>
        <Loaded what="the runs" query={query}>
          {({ runs }) =>
            runs.edges.length === 0 ? (
              <Empty title={status ? 'No runs in this state' : 'No runs yet'} action={status ? null : start}>
                {status ? 'Choose another state above.' : 'A run learns from a data set, compares models, and registers the best one.'}
              </Empty>
            ) : (
              <>
                <Table
                  caption="Training runs"
                  rows={runs.edges.map(({ node }) => node)}
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
                    { header: 'Data', cell: ({ datasetVersion }) => `${datasetVersion.dataset.name}, version ${datasetVersion.number}` },
                    { header: 'State', cell: (run) => <RunState status={run.status} /> },
                    {
                      header: 'Now',
                      className: 'min-w-52',
                      cell: (run) =>
                        run.status === 'RUNNING' ? (
                          <Progress label={whereabouts(run)} value={shareDone(run)} />
                        ) : (
                          <span className="text-[13px] text-steel-500">{isFinal(run.status) ? run.failure?.message : whereabouts(run)}</span>
                        ),
                    },
                    { header: 'Device', isExtra: true, cell: ({ device }) => deviceNames[device] },
                    { header: 'Priority', align: 'right', isExtra: true, cell: ({ priority }) => formatCount(priority) },
                    { header: 'Compute', align: 'right', isExtra: true, cell: (run) => (run.startedAt ? formatSeconds(run.computeSeconds) : '–') },
                    { header: 'Submitted', align: 'right', cell: (run) => formatMoment(run.createdAt) },
                  ]}
                />
                <ShowMore pageInfo={runs.pageInfo} onMore={showMore} />
              </>
            )
          }
        </Loaded>
      </Card>
    </Page>
  );
}
