import { Prisma, type TenantTx } from '@millrace/database';
import { wilson } from './share-intervals.ts';

/** Requests are counted in slots of so many seconds. */
export const trafficSlotSeconds = 5;

/** Upper bounds of the classes of latency, in milliseconds: from 0.25, each a half octave wide; one more class is open. */
const latencyBounds: readonly number[] = Array.from({ length: 32 }, (_, index) => 0.25 * 2 ** (index / 2));

export type Variant = 'STABLE' | 'CANARY' | 'SHADOW';

/** One answer of a version, or its failure to give one. */
export interface ServedRequest {
  tenantId: string;
  endpointId: string;
  versionId: string;
  variant: Variant;
  /** `refused`: the rows do not fit the signature; `error`: the version gave no answer */
  outcome: 'answered' | 'differing' | 'refused' | 'error';
  milliseconds: number;
}

/** How a version fared over some time. Shares are null where there is nothing that they are of. */
export interface VersionTraffic {
  versionId: string;
  variant: Variant;
  requests: number;
  /** those of them whose rows did not fit: nothing that the version does could have answered them */
  refused: number;
  /** requests that it did not refuse and gave no answer to */
  errors: number;
  /** of the requests that were not refused, so that rubbish hides no error */
  errorRate: number | null;
  refusedRate: number | null;
  /** of a shadow: answers unlike those that were given */
  differingRate: number | null;
  latencyP50Ms: number | null;
  latencyP95Ms: number | null;
  latencyP99Ms: number | null;
  /** answers, by the classes of `latencyBounds` */
  latencies: readonly number[];
}

export interface TrafficCounts {
  requests: number;
  errors: number;
  refused: number;
  differing: number;
  /** by the classes of `latencyBounds` */
  latencies: number[];
}

export const noTraffic = (): TrafficCounts => ({ requests: 0, errors: 0, refused: 0, differing: 0, latencies: new Array<number>(latencyBounds.length + 1).fill(0) });

export function countRequest(counts: TrafficCounts, { outcome, milliseconds }: Pick<ServedRequest, 'outcome' | 'milliseconds'>): void {
  counts.requests++;
  if (outcome === 'error') counts.errors++;
  if (outcome === 'refused') counts.refused++;
  if (outcome === 'differing') counts.differing++;
  if (outcome === 'answered' || outcome === 'differing') counts.latencies[latencyClass(milliseconds)]!++;
}

function latencyClass(milliseconds: number): number {
  const at = latencyBounds.findIndex((bound) => milliseconds <= bound);
  return at < 0 ? latencyBounds.length : at;
}

/** Where the class with this upper bound begins: what lies in it took longer than this. */
export function beginningOf(bound: number): number {
  return (latencyBounds[latencyBounds.indexOf(bound) - 1] ?? 0) * (1 + 2 * Number.EPSILON);
}

/** The upper bound of the class that holds the quantile; the last bound for what is beyond. */
function latencyQuantile(latencies: readonly number[], quantile: number): number | null {
  const total = latencies.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  let below = 0;
  for (const [index, count] of latencies.entries()) {
    below += count;
    if (below >= total * quantile) return latencyBounds[Math.min(index, latencyBounds.length - 1)]!;
  }
  return latencyBounds.at(-1)!;
}

/**
 * A quantile by classes, with the ends of its interval (97.5 % each). Whatever the latencies' distribution, a class lies below the quantile when more than
 * 1 - quantile of all answers take longer: of that share those that were given tell by its interval.
 * @param few of fewer answers, those that are missing count as quick ones for the lower end
 * @returns null of no answers; `upper` null where they are too few to tell: of 95 % that takes 73
 */
export function latencyInterval(latencies: readonly number[], quantile: number, few = 0): { value: number; lower: number; upper: number | null } | null {
  const value = latencyQuantile(latencies, quantile);
  if (value === null) return null;
  const total = latencies.reduce((sum, count) => sum + count, 0);
  let longer = total;
  let lower: number | null = null;
  for (const [index, bound] of latencyBounds.entries()) {
    longer -= latencies[index]!;
    if (lower === null && wilson({ hits: longer, total: Math.max(total, few) })[0]! <= 1 - quantile) lower = bound;
    if (wilson({ hits: longer, total })[1]! <= 1 - quantile) return { value, lower: lower ?? bound, upper: bound };
  }
  return { value, lower: lower ?? latencyBounds.at(-1)!, upper: null };
}

export function summariseTraffic(versionId: string, variant: Variant, counts: TrafficCounts): VersionTraffic {
  const share = (count: number, of = counts.requests): number | null => (of === 0 ? null : count / of);
  return {
    versionId,
    variant,
    requests: counts.requests,
    refused: counts.refused,
    errors: counts.errors,
    errorRate: share(counts.errors, counts.requests - counts.refused),
    refusedRate: share(counts.refused),
    differingRate: share(counts.differing),
    latencyP50Ms: latencyQuantile(counts.latencies, 0.5),
    latencyP95Ms: latencyQuantile(counts.latencies, 0.95),
    latencyP99Ms: latencyQuantile(counts.latencies, 0.99),
    latencies: counts.latencies,
  };
}

/** How each version of an endpoint fared since a moment, by whole slots. */
export async function readTraffic(tx: TenantTx, tenantId: string, endpointId: string, since: Date): Promise<VersionTraffic[]> {
  const slot = new Date(Math.floor(since.getTime() / (trafficSlotSeconds * 1000)) * trafficSlotSeconds * 1000);
  const sums = await tx.$queryRaw<(TrafficCounts & { versionId: string; variant: Variant })[]>`
    SELECT version_id AS "versionId", variant::text AS variant, sum(requests)::float8 AS requests, sum(errors)::float8 AS errors, sum(refused)::float8 AS refused,
      sum(differing)::float8 AS differing, ${sumsOfClasses} AS latencies
    FROM traffic_counts WHERE tenant_id = ${tenantId} AND endpoint_id = ${endpointId} AND slot >= ${slot} GROUP BY version_id, variant ORDER BY version_id, variant`;
  return sums.map(({ versionId, variant, ...counts }) => summariseTraffic(versionId, variant, counts));
}

/** Class by class: taken apart into a line for each, the slots of a week would be millions of lines. */
const sumsOfClasses = Prisma.raw(`ARRAY[${noTraffic().latencies.map((_, place) => `coalesce(sum(latency_counts[${place + 1}]), 0)::float8`).join(', ')}]`);
