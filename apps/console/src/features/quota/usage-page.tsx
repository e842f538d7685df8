import { useQuery } from '@apollo/client/react';
import { useState } from 'react';
import { Card } from '../../design/card.tsx';
import { Figure } from '../../design/facts.tsx';
import { formatBytes, formatCount, formatSeconds, words } from '../../design/format.ts';
import { Empty } from '../../design/notice.tsx';
import { Page } from '../../design/page.tsx';
import { Progress } from '../../design/progress.tsx';
import { UsageDocument } from '../../gql/graphql.ts';
import { Loaded } from '../../graphql/loaded.tsx';
import { periodOfDays } from './period.ts';
import { UsageCharts } from './usage-charts.tsx';
import { UsageLimitsCard } from './usage-limits-card.tsx';

const spans = [7, 30, 90];

export function UsagePage() {
  const [days, setDays] = useState(30);
  const query = useQuery(UsageDocument, { variables: periodOfDays(days) });
  return (
    <Page title="Usage and quota" lead="What your tenant has used, and how much is left of what it may use.">
      <Card
        title={`The last ${days} days`}
        actions={
          <div role="group" aria-label="Period" className="flex rounded-md border border-steel-300 p-0.5">
            {spans.map((span) => (
              <button
                key={span}
                type="button"
                aria-pressed={span === days}
                onClick={() => setDays(span)}
                className="rounded px-2.5 py-1 text-[13px] text-steel-600 aria-pressed:bg-accent-600 aria-pressed:font-medium aria-pressed:text-white"
              >
                {span} days
              </button>
            ))}
          </div>
        }
      >
        <Loaded what="the usage" query={query}>
          {({ usage }) => (
            <div className="grid gap-6 sm:grid-cols-3">
              <Figure label="Predictions" value={formatCount(usage.predictions)} note="answered requests" />
              <Figure label="Rows" value={formatCount(usage.rows)} note="predicted in these requests" />
              <Figure label="Training time" value={formatSeconds(usage.computeSeconds)} note={usage.gpuSeconds > 0 ? `${formatSeconds(usage.gpuSeconds)} of it on a GPU` : 'compute of training runs'} />
            </div>
          )}
        </Loaded>
      </Card>
      <UsageCharts days={days} />
      <UsageLimitsCard />
      <Card title="Quota" description="Reserved before work starts, so that a limit is never passed.">
        <Loaded what="the quota" query={query}>
          {({ quota }) =>
            quota.length === 0 ? (
              <Empty title="No limits are set">Your tenant may use as much as the server has.</Empty>
            ) : (
              <div className="grid gap-6 md:grid-cols-2">
                {quota.map(({ resource, limit, used }) => {
                  const show = /BYTES/i.test(resource) ? formatBytes : formatCount;
                  return (
                    <Progress
                      key={resource}
                      label={words(resource.replace(/_BYTES$/i, ''))}
                      value={Number(limit) > 0 ? Number(used) / Number(limit) : 1}
                      text={`${show(used)} of ${show(limit)}`}
                    />
                  );
                })}
              </div>
            )
          }
        </Loaded>
      </Card>
      <Card title="One table" description="How large a version of a data set may be. Your operator can raise it.">
        <Loaded what="the limits of a table" query={query}>
          {({ tableLimits: { rows, columns, fileMb } }) => (
            <div className="grid gap-6 sm:grid-cols-3">
              <Figure label="Rows" value={formatCount(rows)} note="at most, with what is appended" />
              <Figure label="Columns" value={formatCount(columns)} note="at most" />
              <Figure label="File" value={fileMb === null ? 'no own limit' : formatBytes(fileMb * 1e6)} note={fileMb === null ? 'what the server takes' : 'of one upload'} />
            </div>
          )}
        </Loaded>
      </Card>
    </Page>
  );
}
