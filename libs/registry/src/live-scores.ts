import { type ModelVersion, Prisma, type TenantTx } from '@millrace/database';
import type { Signature } from '@millrace/packaging';
import { scoreOf } from './champion-gate.ts';
import { type ClassCount, estimate, liveMetricsOf, type LiveMetric, type MeanSums, type MetricEstimate, type NumberSums, scoreClasses, scoreMean, scoreNumbers } from './live-metrics.ts';
import { areaOfBins, type BinCount } from './live-probabilities.ts';
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
  /** whether the areas under curves are wanted, for which many more counts are read; so unless it is false */
  withCurves?: boolean;
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
  /** of a remaining life: those of them that had not ended, and were last looked at before their horizon */
  undecidedRows: number;
  metrics: (MetricEstimate & { /** what the version had on its test rows */ atTraining: number | null })[];
  /** over time, in even steps; steps without a known truth are left out */
  curve: LiveScorePoint[];
}

type Version = Pick<ModelVersion, 'id' | 'metrics'> & { signature: unknown };
interface Slice {
  versionId: string;
  from: Date;
  rows: number;
  trustedRows: number;
}
/** What is known of the rows of a step, whatever the kind of model. */
interface Known {
  classes: readonly (Slice & ClassCount)[];
  /** not by step: they are many, and no curve is of what is reckoned from them */
  bins: readonly (Slice & BinCount)[];
  means: readonly (Slice & MeanSums)[];
  numbers: readonly (Slice & NumberSums & { centre: number })[];
}

/** Of each version with a known truth, oldest first. */
export async function readLiveScores(tx: TenantTx, query: LiveScoreQuery): Promise<LiveScore[]> {
  const { tenantId, endpointId, since } = query;
  const { task } = await tx.endpoint.findUniqueOrThrow({ where: { tenantId_id: { tenantId, id: endpointId } }, select: { model: { select: { task: true } } } }).then(({ model }) => model);
  const start = new Date(Math.floor(since.getTime() / (scoreSlotSeconds * 1000)) * scoreSlotSeconds * 1000);
  const now = Date.now();
  const step = Math.max(1, Math.ceil((now - start.getTime()) / 1000 / mostPoints / scoreSlotSeconds)) * scoreSlotSeconds;
  const known = await readKnown(tx, query, start, step);
  const ids = [...new Set(Object.values(known).flatMap((rows: readonly Slice[]) => rows.map(({ versionId }) => versionId)))];
  const versions: Version[] = ids.length ? await tx.modelVersion.findMany({ where: { tenantId, id: { in: ids } }, select: { id: true, metrics: true, signature: true }, orderBy: { number: 'asc' } }) : [];
  const wanted = liveMetricsOf(task, versions.at(-1)?.signature);
  return versions.map((version) => {
    const mine = only(known, ({ versionId }) => versionId === version.id);
    const positive = positivePlace(version);
    const times = [...new Set(labelled(mine).map(({ from }) => from.getTime()))].sort((a, b) => a - b);
    const sum = (rows: readonly Slice[], of: 'rows' | 'trustedRows'): number => rows.reduce((total, row) => total + row[of], 0);
    return {
      versionId: version.id,
      labelledRows: sum(labelled(mine), 'rows'),
      trustedRows: sum(labelled(mine), 'trustedRows'),
      undecidedRows: togetherMeans('undecided', mine.means).total,
      metrics: score(mine, wanted, positive).map((each) => ({ ...each, atTraining: scoreOf(version, each.metric) })),
      curve: times.map((time) => {
        const inStep = only(mine, ({ from }) => from.getTime() === time);
        return { from: new Date(time), to: new Date(Math.min(time + step * 1000, now)), labelledRows: sum(labelled(inStep), 'rows'), value: score(inStep, wanted, positive)[0]!.value };
      }),
    };
  });
}

async function readKnown(tx: TenantTx, { tenantId, endpointId, versionId, variant, isTrustedOnly = false, withCurves = true }: LiveScoreQuery, start: Date, step: number): Promise<Known> {
  const [onlyVersion, onlyVariant] = [versionId ?? null, variant ?? null];
  const sliceFrom = (from: Prisma.Sql) => Prisma.sql`
    version_id AS "versionId", ${from} AS "from", sum(rows)::float8 AS rows, coalesce(sum(rows) FILTER (WHERE trusted), 0)::float8 AS "trustedRows"`;
  const slice = sliceFrom(Prisma.sql`date_bin(make_interval(secs => ${step}::int), slot, ${start}::timestamptz)`);
  const asked = Prisma.sql`
    tenant_id = ${tenantId} AND endpoint_id = ${endpointId} AND slot >= ${start} AND version_id = coalesce(${onlyVersion}::text, version_id)
    AND variant = coalesce(${onlyVariant}::traffic_variant, variant) AND (trusted OR NOT ${isTrustedOnly})`;
  return {
    classes: await tx.$queryRaw<Known['classes'][number][]>`SELECT ${slice}, truth, answer FROM truth_counts WHERE ${asked} GROUP BY 1, 2, truth, answer HAVING sum(rows) > 0 ORDER BY 1, 2`,
    bins: !withCurves ? [] : await tx.$queryRaw<Known['bins'][number][]>`
      SELECT ${sliceFrom(Prisma.sql`${start}::timestamptz`)}, of_class AS "ofClass", truth, bin FROM probability_counts WHERE ${asked} GROUP BY 1, 2, of_class, truth, bin HAVING sum(rows) > 0 ORDER BY 1, 2`,
    means: await tx.$queryRaw<Known['means'][number][]>`
      SELECT ${slice}, metric, sum(total)::float8 AS total, sum(squared)::float8 AS squared FROM metric_sums WHERE ${asked} GROUP BY 1, 2, metric HAVING sum(rows) > 0 ORDER BY 1, 2`,
    numbers: await tx.$queryRaw<Known['numbers'][number][]>`
      SELECT ${slice}, sum(absolute)::float8 AS absolute, sum(squared)::float8 AS squared, sum(fourth)::float8 AS fourth,
        (sum(truth) / sum(rows))::float8 AS centre, (sum(truth_squared) - sum(truth) ^ 2 / sum(rows))::float8 AS "truthSpread"
      FROM error_sums WHERE ${asked} GROUP BY 1, 2 HAVING sum(rows) > 0 ORDER BY 1, 2`,
  };
}

function only(known: Known, isMeant: (row: Slice) => boolean): Known {
  return { classes: known.classes.filter(isMeant), bins: known.bins.filter(isMeant), means: known.means.filter(isMeant), numbers: known.numbers.filter(isMeant) };
}

/** Each row with a known truth once: of lists it is in the sums of every metric, of a remaining life in those of what is undecided. */
const labelled = ({ classes, numbers, means }: Known): readonly Slice[] => [...classes, ...numbers, ...means.filter(({ metric }) => metric === 'hitRate' || metric === 'undecided')];

/** One estimate for each metric that is wanted, in their order. */
function score({ classes, bins, means, numbers }: Known, wanted: readonly LiveMetric[], positive: number | null): MetricEstimate[] {
  const area = areaOfBins(bins);
  const known = [
    ...(classes.length ? scoreClasses(classes, positive) : []),
    ...(numbers.length ? scoreNumbers(together(numbers)) : []),
    ...(area ? [estimate('rocAuc', area.value, [area.lower, area.upper])] : []),
    ...[...new Set(means.map(({ metric }) => metric))].flatMap((metric) => (metric === 'undecided' ? [] : [scoreMean(togetherMeans(metric, means))])),
  ];
  return wanted.map((metric) => known.find((each) => each.metric === metric) ?? estimate(metric, null));
}

function togetherMeans<Metric extends MeanSums['metric']>(metric: Metric, means: readonly MeanSums[]): MeanSums & { metric: Metric } {
  const sums = { metric, rows: 0, total: 0, squared: 0 };
  for (const each of means) {
    if (each.metric !== metric) continue;
    sums.rows += each.rows;
    sums.total += each.total;
    sums.squared += each.squared;
  }
  return sums;
}

/** The metrics of a version, and how many rows they are over: those that say something. */
export async function readLiveScore(tx: TenantTx, query: LiveScoreQuery & { versionId: string }): Promise<{ labelledRows: number; valueOf(metric: LiveMetric): number | null }> {
  const [found] = await readLiveScores(tx, query);
  return { labelledRows: found ? found.labelledRows - found.undecidedRows : 0, valueOf: (metric) => found?.metrics.find((each) => each.metric === metric)?.value ?? null };
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
