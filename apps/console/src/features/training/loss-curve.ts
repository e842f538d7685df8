import type { RunMetricFieldsFragment } from '../../gql/graphql.ts';

export type EpochMetric = Pick<RunMetricFieldsFragment, 'trial' | 'epoch' | 'values'>;

/** Adds news to what is known. The same epoch may come twice (a new connection begins with all of them): the later one counts. */
export function mergeMetrics(known: readonly EpochMetric[], news: readonly EpochMetric[]): EpochMetric[] {
  if (news.length === 0) return [...known];
  const byPlace = new Map([...known, ...news].map((metric) => [`${metric.trial}/${metric.epoch}`, metric]));
  return [...byPlace.values()].sort((a, b) => a.trial - b.trial || a.epoch - b.epoch);
}

export interface LossCurve {
  epochs: number[];
  train: (number | null)[];
  /** null where nothing was held back for validation */
  validation: (number | null)[] | null;
}

/** The loss of one trial over its epochs. A value that is no finite number leaves a gap. */
export function lossCurveOf(metrics: readonly EpochMetric[], trial: number): LossCurve {
  const own = metrics.filter((metric) => metric.trial === trial);
  const validation = own.map(({ values }) => numberAt(values, 'valLoss'));
  return {
    epochs: own.map(({ epoch }) => epoch),
    train: own.map(({ values }) => numberAt(values, 'loss')),
    validation: validation.some((value) => value !== null) ? validation : null,
  };
}

/** The trials that have reported epochs, in order. */
export function trialsWithEpochs(metrics: readonly EpochMetric[]): number[] {
  return [...new Set(metrics.map(({ trial }) => trial))].sort((a, b) => a - b);
}

function numberAt(values: unknown, name: string): number | null {
  const value = typeof values === 'object' && values !== null ? (values as Record<string, unknown>)[name] : undefined;
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
