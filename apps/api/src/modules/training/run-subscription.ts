import { requirePermission } from '@millrace/auth';
import { DomainError, isId } from '@millrace/kernel';
import { isFinal } from '@millrace/training';
import type { RequestContext } from '../../request-context.ts';
import { builder } from '../../schema-builder.ts';
import { listMetrics, listMetricsAfter, type MetricPosition, type MetricRow, positionAfter } from './run-metrics.ts';
import { runMetricType } from './run-types.ts';

interface RunProgress {
  runId: string;
  metrics: MetricRow[];
}

const runProgressType = builder.objectRef<RunProgress>('RunProgress').implement({
  description: 'News of a run.',
  fields: (t) => ({
    run: t.prismaField({
      type: 'Run',
      description: 'The run as it is now.',
      resolve: (query, { runId: id }, _args, { db, tenantId }) =>
        db.run.findUniqueOrThrow({ ...query, where: { tenantId_id: { tenantId, id } } }),
    }),
    metrics: t.expose('metrics', {
      type: [runMetricType],
      description: 'Those since the last value sent; in the first value, all there are (as Run.metrics has them).',
    }),
  }),
});

/** What the last value showed. */
interface Seen {
  fingerprint: string;
  position: MetricPosition | null;
}

interface News {
  fingerprint: string;
  metrics: MetricRow[];
  final: boolean;
}

async function* followRun(context: RequestContext, runId: string): AsyncGenerator<RunProgress, void, void> {
  const { services, tenantId } = context;
  let seen = null as Seen | null;
  for await (const _ of services.runFeed.watch(tenantId, runId, context.ended)) {
    // The credential may have been revoked, or the role taken away, since the last event.
    const reader = await context.renewed();
    requirePermission(reader.signedIn, 'run:read');
    const news: News | null = await readNews(reader, runId, seen).finally(() => reader.endReads());
    if (!news) throw new DomainError('NOT_FOUND', 'There is no such run.', { field: 'id', remedy: 'Check the id; list your runs.' });
    if (seen?.fingerprint !== news.fingerprint || news.metrics.length) {
      seen = { fingerprint: news.fingerprint, position: positionAfter(news.metrics, seen?.position ?? null) };
      yield { runId, metrics: news.metrics };
    }
    if (news.final) return;
  }
}

async function readNews({ db, tenantId }: RequestContext, runId: string, seen: Seen | null): Promise<News | null> {
  const run = await db.run.findUnique({
    where: { tenantId_id: { tenantId, id: runId } },
    select: {
      status: true, progress: true, attempt: true, backend: true, cancelRequestedAt: true, pauseRequestedAt: true,
      _count: { select: { events: true, trials: true } },
    },
  });
  if (!run) return null;
  const metrics = seen?.position
    ? await listMetricsAfter(db, { tenantId, runId }, seen.position)
    : await listMetrics(db, { tenantId, runId, trial: null });
  return { fingerprint: JSON.stringify(run), metrics, final: isFinal(run.status) };
}

builder.subscriptionField('runProgress', (t) =>
  t.field({
    type: runProgressType,
    authScopes: { permission: 'run:read' },
    args: { id: t.arg.id({ required: true, description: 'run_…' }) },
    description: 'A run, live: the first value at once, then one whenever there is news. Completes when the run is final.',
    subscribe: (_root, { id }, context) => {
      if (!isId('run', id)) throw new DomainError('NOT_FOUND', 'There is no such run.', { field: 'id', remedy: 'Check the id; list your runs.' });
      return followRun(context, id);
    },
    resolve: (progress) => progress,
  }),
);
