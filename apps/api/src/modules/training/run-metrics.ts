import type { RunMetric, TenantTx } from '@millrace/database';

export type MetricRow = Pick<RunMetric, 'trial' | 'epoch' | 'values' | 'at'>;

/** Enough for any curve on any screen. */
const mostEpochsPerTrial = 2000;

/**
 * The metrics of a run in order, thinned evenly where a trial has very many epochs; its first and last always stay.
 * @param input.trial only this trial; null for all
 */
export async function listMetrics(tx: TenantTx, input: { tenantId: string; runId: string; trial: number | null }): Promise<MetricRow[]> {
  const { tenantId, runId, trial } = input;
  return tx.$queryRaw<MetricRow[]>`
    SELECT trial, epoch, "values", at FROM (
      SELECT trial, epoch, "values", at,
        row_number() OVER (PARTITION BY trial ORDER BY epoch) AS position,
        count(*) OVER (PARTITION BY trial) AS total
      FROM run_metrics
      WHERE tenant_id = ${tenantId} AND run_id = ${runId} AND (${trial}::int IS NULL OR trial = ${trial}::int)
    ) numbered
    WHERE position = total OR (position - 1) % greatest(1, ceil(total::float8 / ${mostEpochsPerTrial})::bigint) = 0
    ORDER BY trial, epoch`;
}

/** Where a reader of metrics stands: everything up to this row has been seen. */
export type MetricPosition = Pick<RunMetric, 'at' | 'trial' | 'epoch'>;

/** The position after these rows: the latest reported, which need not be the highest epoch when a run was tried again. */
export function positionAfter(rows: readonly MetricRow[], before: MetricPosition | null): MetricPosition | null {
  let latest = before;
  for (const row of rows) if (!latest || compare(row, latest) > 0) latest = row;
  return latest;
}

/** What was reported after a position, at most 2000 rows; the rest comes with the next question. */
export async function listMetricsAfter(tx: TenantTx, run: { tenantId: string; runId: string }, { at, trial, epoch }: MetricPosition): Promise<MetricRow[]> {
  return tx.runMetric.findMany({
    where: { ...run, OR: [{ at: { gt: at } }, { at, trial: { gt: trial } }, { at, trial, epoch: { gt: epoch } }] },
    select: { trial: true, epoch: true, values: true, at: true },
    orderBy: [{ at: 'asc' }, { trial: 'asc' }, { epoch: 'asc' }],
    take: mostEpochsPerTrial,
  });
}

function compare(a: MetricPosition, b: MetricPosition): number {
  return a.at.getTime() - b.at.getTime() || a.trial - b.trial || a.epoch - b.epoch;
}
