import type { Model, ModelVersion } from '@millrace/database';

/** What answering costs. */
export interface ServingCost {
  sizeBytes: number;
  sizeGzBytes: number;
  /** median time of a prediction for one row, in milliseconds */
  predTimeMsP50: number | null;
}

/**
 * What was done to a version to make another of it, and how the two compare: measured in one run, on the same rows, which
 * took no part in training or choosing.
 */
export interface VersionOptimisation {
  parent: { id: string; number: number };
  /** the trained version at the beginning of the line: the parent, unless that was made from another too */
  origin: { id: string; number: number };
  steps: { method: string; [setting: string]: unknown }[];
  /** the score that is compared */
  metric: string;
  score: number | null;
  parentScore: number | null;
  /**
   * How much worse than the parent, in points: of a share such as accuracy in percentage points, of an error such as RMSE in
   * percent of the parent's. Below 0 is better. With an interval by the paired bootstrap; null where the score is undefined.
   */
  loss: { loss: number; lower: number; upper: number; coverage: number; rows: number } | null;
  /**
   * the most that may have been lost against the parent, in points, with 97.5 % confidence: by the score, or by how many of `rows` it
   * answers otherwise; null where there were too few rows to say anything. Versions from before it was measured have none.
   */
  bound?: { atMost: number | null; by: 'score' | 'answers'; rows: number; differing: number } | null;
  /** the losses from the origin on, added up: many small steps down are a large one */
  lossFromOrigin: number | null;
  /** the same of `bound.atMost` */
  mostFromOrigin?: number | null;
  cost: ServingCost;
  parentCost: ServingCost;
}

/** What is to be known of a version that was made from another, though it was made as asked. */
export interface OptimisationFinding {
  code: 'LARGER_THAN_PARENT';
  message: string;
  remedy: string;
}

export function findingsOf({ cost, parentCost }: { cost: ServingCost; parentCost: ServingCost }): OptimisationFinding[] {
  if (cost.sizeBytes <= parentCost.sizeBytes) return [];
  const message = `It has ${cost.sizeBytes} bytes, ${cost.sizeBytes - parentCost.sizeBytes} more than what it was made from: so small a model has less to save than it takes to pack and unpack it.`;
  const remedy = 'Serve what it was made from, or use optimizeModel with the target SIZE, which takes nothing that is not smaller.';
  return [{ code: 'LARGER_THAN_PARENT', message, remedy }];
}

export const optimisationOf = ({ optimisation }: Pick<ModelVersion, 'optimisation'>): VersionOptimisation | null => optimisation as VersionOptimisation | null;

type PlaceInLine = 'parent' | 'origin' | 'lossFromOrigin' | 'mostFromOrigin';

/** Completes what a run has measured by where its base stands in the line. */
export function placeInLine(
  measured: Omit<VersionOptimisation, PlaceInLine>,
  base: Pick<ModelVersion, 'id' | 'number' | 'optimisation'>,
): VersionOptimisation {
  const parent = { id: base.id, number: base.number };
  const before = optimisationOf(base);
  const lostBefore = before ? before.lossFromOrigin : 0;
  const mostBefore = before?.mostFromOrigin === undefined ? lostBefore : before.mostFromOrigin;
  const most = measured.bound?.atMost ?? null;
  return {
    ...measured, parent, origin: before?.origin ?? parent,
    lossFromOrigin: measured.loss === null || lostBefore === null ? null : lostBefore + measured.loss.loss,
    ...(measured.bound === undefined ? {} : { mostFromOrigin: most === null || mostBefore === null ? null : mostBefore + most }),
  };
}

/**
 * In words, why an optimised version is not shown to have lost no more than its model allows; null when it is, or was not made from
 * another. A version from before bounds were measured is held to what it lost.
 */
export function lossTooGreat({ name, optimisedAtMostWorse: allowed }: Pick<Model, 'name' | 'optimisedAtMostWorse'>, version: Pick<ModelVersion, 'number' | 'optimisation'>): string | null {
  const optimisation = optimisationOf(version);
  if (!optimisation || allowed === null) return null;
  const { metric, origin, parent, loss, lossFromOrigin: lost } = optimisation;
  if (lost === null || loss === null) return `How version ${version.number} compares with version ${origin.number}, which it was made from, is not known, and ${name} allows at most ${allowed} points less.`;
  const most = optimisation.mostFromOrigin === undefined ? lost : optimisation.mostFromOrigin;
  if (most !== null && most <= allowed + 1e-9) return null;
  const measured = `${rounded(loss.loss)} points of ${metric} against version ${parent.number}, ${rounded(loss.lower)} to ${rounded(loss.upper)} with ${loss.coverage * 100} % confidence`;
  const inAll = parent.id === origin.id ? '' : `; from version ${origin.number} on ${rounded(lost)} in all`;
  const unsure = lost > allowed ? '' : most === null ? ' There were too few rows to say more.' : ` It may have lost up to ${rounded(most)}.`;
  return `Version ${version.number} has lost ${measured}${inAll}.${unsure} At most ${allowed} points are allowed.`;
}

const rounded = (value: number): number => Number(value.toPrecision(3));
