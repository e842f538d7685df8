import type { ModelVersion, TenantTx } from '@millrace/database';
import type { Signature } from '@millrace/packaging';
import { scoreOf } from './champion-gate.ts';
import { type ClassCount, liveMetricsOf, type LiveMetric, type MetricEstimate, type NumberSums, scoreClasses, scoreNumbers } from './live-metrics.ts';
import type { Variant } from './traffic.ts';
import { truthKindOf } from './truths.ts';

/** Answers are counted by the minute in which they were given. */
export const scoreSlotSeconds = 60;
/** A curve has so many points at most. */
const mostPoints = 60;

export interface LiveScoreQuery {
  tenantId: string;
  endpointId: string;
  /** of answers that were given from then on, by whole minutes */
  since: Date;
  /** only of this version */
  versionId?: string;
  /** only of answers that it gave in this part; all if left out */
  variant?: Variant;
  /** only by truths whose senders rules rely on; by all if left out */
  isTrustedOnly?: boolean;
}

export interface LiveScorePoint {
  from: Date;
  /** where the next part begins, or now */
  to: Date;
  labelledRows: number;
  /** of the foremost metric */
  value: number | null;
}

/** How a version's answers compared with the truth, as far as it is known. */
export interface LiveScore {
  versionId: string;
  labelledRows: number;
  /** those of them whose truth rules count */
  trustedRows: number;
  metrics: (MetricEstimate & { /** what the version had on its test rows */ atTraining: number | null })[];
  /** over time, in even steps; steps without a known truth are left out */
  curve: LiveScorePoint[];
}

type Version = Pick<ModelVersion, 'id' | 'metrics'> & { signature: unknown };
interface Slice {
  versionId: string;
  from: Date;
  trustedRows: number;
}

/** Of each version with a known truth, oldest first. */
export async function readLiveScores(tx: TenantTx, { tenantId, endpointId, since, versionId, variant, isTrustedOnly = false }: LiveScoreQuery): Promise<LiveScore[]> {
  const { task } = await tx.endpoint.findUniqueOrThrow({ where: { tenantId_id: { tenantId, id: endpointId } }, select: { model: { select: { task: true } } } }).then(({ model }) => model);
  const [foremost] = liveMetricsOf(task);
  if (!foremost) return [];
  const start = new Date(Math.floor(since.getTime() / (scoreSlotSeconds * 1000)) * scoreSlotSeconds * 1000);
  const now = Date.now();
  const span = (now - start.getTime()) / 1000;
  const step = Math.max(1, Math.ceil(span / mostPoints / scoreSlotSeconds)) * scoreSlotSeconds;
  const [onlyVersion, onlyVariant] = [versionId ?? null, variant ?? null];
  const classes = await tx.$queryRaw<(Slice & ClassCount)[]>`
    SELECT version_id AS "versionId", date_bin(make_interval(secs => ${step}::int), slot, ${start}::timestamptz) AS "from", truth, answer, sum(rows)::float8 AS rows,
      coalesce(sum(rows) FILTER (WHERE trusted), 0)::float8 AS "trustedRows"
    FROM truth_counts WHERE tenant_id = ${tenantId} AND endpoint_id = ${endpointId} AND slot >= ${start}
      AND version_id = coalesce(${onlyVersion}::text, version_id) AND variant = coalesce(${onlyVariant}::traffic_variant, variant) AND (trusted OR NOT ${isTrustedOnly})
    GROUP BY 1, 2, 3, 4 HAVING sum(rows) > 0 ORDER BY 1, 2`;
  const numbers = await tx.$queryRaw<(Slice & NumberSums & { truth: number; centre: number })[]>`
    SELECT version_id AS "versionId", date_bin(make_interval(secs => ${step}::int), slot, ${start}::timestamptz) AS "from", sum(rows)::float8 AS rows, coalesce(sum(rows) FILTER (WHERE trusted), 0)::float8 AS "trustedRows",
      sum(absolute)::float8 AS absolute, sum(squared)::float8 AS squared, sum(fourth)::float8 AS fourth,
      sum(truth)::float8 AS truth, (sum(truth) / sum(rows))::float8 AS centre, (sum(truth_squared) - sum(truth) ^ 2 / sum(rows))::float8 AS "truthSpread"
    FROM error_sums WHERE tenant_id = ${tenantId} AND endpoint_id = ${endpointId} AND slot >= ${start}
      AND version_id = coalesce(${onlyVersion}::text, version_id) AND variant = coalesce(${onlyVariant}::traffic_variant, variant) AND (trusted OR NOT ${isTrustedOnly})
    GROUP BY 1, 2 HAVING sum(rows) > 0 ORDER BY 1, 2`;
  const ids = [...new Set([...classes, ...numbers].map((row) => row.versionId))];
  const versions: Version[] = ids.length ? await tx.modelVersion.findMany({ where: { tenantId, id: { in: ids } }, select: { id: true, metrics: true, signature: true }, orderBy: { number: 'asc' } }) : [];
  return versions.map((version) => {
    const mine = <Row extends Slice>(rows: readonly Row[]): Row[] => rows.filter((row) => row.versionId === version.id);
    const [counted, summed] = [mine(classes), mine(numbers)];
    const positive = positivePlace(version);
    const score = (of: readonly ClassCount[], sums: readonly (NumberSums & { centre: number })[]) => (sums.length ? scoreNumbers(together(sums)) : scoreClasses(of, positive));
    const times = [...new Set([...counted, ...summed].map(({ from }) => from.getTime()))].sort((a, b) => a - b);
    return {
      versionId: version.id,
      labelledRows: [...counted, ...summed].reduce((sum, { rows }) => sum + rows, 0),
      trustedRows: [...counted, ...summed].reduce((sum, { trustedRows }) => sum + trustedRows, 0),
      metrics: score(counted, summed).map((each) => ({ ...each, atTraining: scoreOf(version, each.metric) })),
      curve: times.map((time) => {
        const [inStep, sumsInStep] = [counted.filter(({ from }) => from.getTime() === time), summed.filter(({ from }) => from.getTime() === time)];
        return {
          from: new Date(time),
          to: new Date(Math.min(time + step * 1000, now)),
          labelledRows: [...inStep, ...sumsInStep].reduce((sum, { rows }) => sum + rows, 0),
          value: score(inStep, sumsInStep).find(({ metric }) => metric === foremost)?.value ?? null,
        };
      }),
    };
  });
}

/** One metric of a version's, and how many rows it is over. */
export async function readLiveScore(tx: TenantTx, query: LiveScoreQuery & { versionId: string }): Promise<{ labelledRows: number; valueOf(metric: LiveMetric): number | null }> {
  const [found] = await readLiveScores(tx, query);
  return { labelledRows: found?.labelledRows ?? 0, valueOf: (metric) => found?.metrics.find((each) => each.metric === metric)?.value ?? null };
}

/** Sums of several steps. The spread of all is that within each and that of their centres. */
function together(sums: readonly (NumberSums & { centre: number })[]): NumberSums {
  const add = (of: (sum: NumberSums & { centre: number }) => number): number => sums.reduce((total, sum) => total + of(sum), 0);
  const rows = add((sum) => sum.rows);
  const centre = add((sum) => sum.centre * sum.rows) / rows;
  return {
    rows, absolute: add((sum) => sum.absolute), squared: add((sum) => sum.squared), fourth: add((sum) => sum.fourth),
    truthSpread: add((sum) => sum.truthSpread + sum.rows * (sum.centre - centre) ** 2),
  };
}

/** The class that precision and recall are about, as at training; null for the mean over all. */
function positivePlace({ signature, metrics }: Version): number | null {
  const kind = truthKindOf(signature as Signature);
  if (kind?.type !== 'classes' || kind.classes.length !== 2) return null;
  if (kind.classes[1] === true) return 1;
  const atTraining = typeof metrics === 'object' && metrics !== null && !Array.isArray(metrics) ? metrics['positiveClass'] : null;
  const { output } = signature as Signature;
  const place = kind.classes.findIndex((name) => name === (atTraining ?? (output.classes ? output.decision?.positiveClass : undefined)));
  return place < 0 ? null : place;
}
