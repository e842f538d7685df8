import { combineShares, wilson } from './share-intervals.ts';
import { beginningOf, latencyInterval, type VersionTraffic } from './traffic.ts';

/** What a rollout's traffic in a step can be judged by. */
export const trafficMetrics = ['errorRate', 'refusedRate', 'latencyP95Ms', 'latencyP95Ratio'] as const;
export type TrafficMetric = (typeof trafficMetrics)[number];

/** How a rollout's version, and the one that it replaces, fared in a step. */
export interface StepTraffic {
  candidate: VersionTraffic | undefined;
  stable: VersionTraffic | undefined;
  /** before they have had so many requests a step does not end, nor is more than errors looked at */
  minRequests: number;
}

/** What traffic says of a metric that is better when lower. */
export interface Evidence {
  measured: number;
  /** the lower end of its interval (97.5 %): what is beyond a threshold by this is so by more than chance; 0 where nothing is certain yet */
  atLeast: number;
}

/** Of fewer requests, those that are missing count as good ones: an interval of a handful of them is too narrow near 0, and rules are looked at again and again. */
export const fewRequests = 50;

/** Requests that a version could be judged by: whose rows fitted. */
export const fitting = (traffic: VersionTraffic | undefined): number => (traffic ? traffic.requests - traffic.refused : 0);

/** Whether it has answered nothing, and not by chance, whatever the rules: what cannot even be loaded has no latency. */
export function answersNothing(candidate: VersionTraffic | undefined): boolean {
  return candidate?.errorRate === 1 && (wilson({ hits: candidate.errors, total: candidate.errors })[0] ?? 0) > 0.5;
}

/** Whether there have been enough requests to look at this metric. */
export function isSeen(metric: TrafficMetric, { candidate, stable, minRequests }: StepTraffic): boolean {
  switch (metric) {
    case 'errorRate':
    case 'latencyP95Ms':
      return fitting(candidate) >= minRequests;
    case 'latencyP95Ratio':
      return Math.min(fitting(candidate), fitting(stable)) >= minRequests;
    case 'refusedRate':
      return Math.min(candidate?.requests ?? 0, stable?.requests ?? 0) >= minRequests;
  }
}

/** Null where nothing was measured. */
export function evidenceOf(metric: TrafficMetric, { candidate, stable }: StepTraffic): Evidence | null {
  switch (metric) {
    case 'errorRate':
      return candidate?.errorRate == null ? null : { measured: candidate.errorRate, atLeast: wilson({ hits: candidate.errors, total: Math.max(fitting(candidate), fewRequests) })[0]! };
    case 'latencyP95Ms': {
      const latency = p95Of(candidate);
      // By where their class begins: that is known of them, and a threshold within the class is not known to be passed.
      return latency && { measured: beginningOf(latency.value), atLeast: beginningOf(latency.lower) };
    }
    case 'latencyP95Ratio': {
      const [ours, theirs] = [p95Of(candidate), p95Of(stable)];
      return ours && theirs && { measured: ours.value / theirs.value, atLeast: theirs.upper === null ? 0 : ours.lower / theirs.upper };
    }
    case 'refusedRate': {
      // What hits both alike, and by chance one of them more, is not the version's doing.
      if (!candidate?.requests || !stable?.requests) return null;
      const { value, lower } = combineShares([{ weight: 1, hits: candidate.refused, total: candidate.requests }, { weight: -1, hits: stable.refused, total: stable.requests }]);
      return { measured: value, atLeast: lower };
    }
  }
}

const p95Of = (traffic: VersionTraffic | undefined) => (traffic ? latencyInterval(traffic.latencies, 0.95, fewRequests) : null);
