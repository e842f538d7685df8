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

/** What was reported after an epoch, at most 2000 rows; the rest comes with the next question. */
export async function listMetricsAfter(
  tx: TenantTx,
  input: { tenantId: string; runId: string; trial: number; epoch: number },
): Promise<MetricRow[]> {
  const { tenantId, runId, trial, epoch } = input;
  return tx.runMetric.findMany({
    where: { tenantId, runId, OR: [{ trial: { gt: trial } }, { trial, epoch: { gt: epoch } }] },
    select: { trial: true, epoch: true, values: true, at: true },
    orderBy: [{ trial: 'asc' }, { epoch: 'asc' }],
    take: mostEpochsPerTrial,
  });
}
