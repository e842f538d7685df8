import { useQuery } from '@apollo/client/react';
import { type Bar, Bars, Histogram } from '../../design/bars.tsx';
import { Card } from '../../design/card.tsx';
import { formatCount } from '../../design/format.ts';
import { Empty } from '../../design/notice.tsx';
import { UsageChartsDocument } from '../../gql/graphql.ts';
import { DownloadLink } from '../../graphql/download-link.tsx';
import { Loaded } from '../../graphql/loaded.tsx';
import { dailyBins } from './daily-bins.ts';
import { periodOfDays } from './period.ts';

const day = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeZone: 'UTC' });
/** More are in the file. */
const mostBars = 12;

/** Rows predicted, by day, caller and endpoint, and the file of it for billing. */
export function UsageCharts({ days }: { days: number }) {
  const period = periodOfDays(days);
  const query = useQuery(UsageChartsDocument, { variables: period });
  const download = (format: 'csv' | 'json') => (
    <DownloadLink key={format} href={`/usage/export?${new URLSearchParams({ format, ...period, by: 'day,actor,endpoint,model_version' }).toString()}`} filename={`usage.${format}`}>
      {format.toUpperCase()}
    </DownloadLink>
  );
  return (
    <Card title="Rows predicted" description="By day (UTC), by who called, and by endpoint. The files tell all of them apart, for billing." actions={<div className="flex gap-2">{download('csv')}{download('json')}</div>}>
      <Loaded what="the charts" query={query}>
        {({ days: byDay, callers, endpoints }) => {
          const bins = dailyBins(period, byDay);
          if (bins.every(({ count }) => count === 0)) return <Empty title="Nothing was predicted">In this period nobody has called an endpoint.</Empty>;
          return (
            <div className="space-y-6">
              <Histogram label="Rows predicted each day" bins={bins} format={(time) => day.format(new Date(time))} />
              <div className="grid gap-8 md:grid-cols-2">
                <Ranked title="By key and person" label="Rows by caller" lines={callers.map(({ actor, actorLabel, rows }) => ({ name: actorLabel ?? actor ?? '', rows: Number(rows) }))} />
                <Ranked title="By endpoint" label="Rows by endpoint" lines={endpoints.map(({ endpoint, rows }) => ({ name: endpoint ?? '', rows: Number(rows) }))} />
              </div>
            </div>
          );
        }}
      </Loaded>
    </Card>
  );
}

function Ranked({ title, label, lines }: { title: string; label: string; lines: { name: string; rows: number }[] }) {
  // Keys may share a name; training has no rows.
  const ranked = lines.filter(({ rows }) => rows > 0).sort((a, b) => b.rows - a.rows);
  const shown = ranked.slice(0, mostBars);
  const seen = new Map<string, number>();
  const bars: Bar[] = shown.map(({ name, rows }) => {
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return { label: count > 1 ? `${name} (${count})` : name, value: rows, text: formatCount(rows) };
  });
  return (
    <div>
      <h3 className="mb-3 text-[13px] font-medium text-steel-700">{title}</h3>
      <Bars label={label} bars={bars} max={Math.max(...bars.map(({ value }) => value), 1)} />
      {ranked.length > shown.length && <p className="mt-2 text-xs text-steel-500">and {formatCount(ranked.length - shown.length)} more</p>}
    </div>
  );
}
