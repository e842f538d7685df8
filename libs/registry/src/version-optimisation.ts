import type { Model, ModelVersion } from '@millrace/database';
import { isError } from './score-direction.ts';

/** What answering costs. */
export interface ServingCost {
  sizeBytes: number | null;
  sizeGzBytes: number | null;
  /** median time of a prediction for one row, in milliseconds */
  predTimeMsP50: number | null;
}

/** What was done to a version to make another of it, and how the two compare: measured in one run, on the same test rows. */
export interface VersionOptimisation {
  parent: { id: string; number: number };
  /** the trained version at the beginning of the line, and its score on the same rows: the parent, if that was trained */
  origin: { id: string; number: number; score: number | null };
  /** the score that is compared */
  metric: string;
  steps: { method: string; [setting: string]: unknown }[];
  score: number | null;
  parentScore: number | null;
  /** interval of the difference of the scores to the parent's (95 %, resampled test rows); above 0 is better, whatever the score */
  interval: { low: number; high: number } | null;
  cost: ServingCost;
  parentCost: ServingCost;
}

/**
 * How much worse one score is than another, in points: hundredths of a score of which more is better (0.95 to 0.945 is half a
 * point), and percent of an error (RMSE 2.0 to 2.01 is half a point). Below 0 where it is better; null where it has no
 * meaning.
 */
export function pointsWorse(metric: string, before: number | null, now: number | null): number | null {
  if (before === null || now === null) return null;
  if (!isError(metric)) return (before - now) * 100;
  return before === 0 ? (now === 0 ? 0 : null) : ((now - before) / Math.abs(before)) * 100;
}

export const optimisationOf = ({ optimisation }: Pick<ModelVersion, 'optimisation'>): VersionOptimisation | null => optimisation as VersionOptimisation | null;

/** In words, why an optimised version has lost more than its model allows; null when it has not, or was not made from another. */
export function lossTooGreat({ name, optimisedAtMostWorse: allowed }: Pick<Model, 'name' | 'optimisedAtMostWorse'>, version: Pick<ModelVersion, 'number' | 'optimisation'>): string | null {
  const optimisation = optimisationOf(version);
  if (!optimisation || allowed === null) return null;
  const { metric, origin, score, interval } = optimisation;
  const lost = pointsWorse(metric, origin.score, score);
  if (lost === null) return `Version ${version.number} was made from version ${origin.number} and cannot be compared with it by ${metric}, which ${name} asks of optimised versions.`;
  if (lost <= allowed + 1e-9) return null;
  const span = interval ? ` (difference to its parent ${rounded(interval.low)} to ${rounded(interval.high)})` : '';
  return `Version ${version.number} was made from version ${origin.number} and has ${metric} ${rounded(score!)} instead of ${rounded(origin.score!)}${span}: that is ${rounded(lost)} points worse, and at most ${allowed} are allowed.`;
}

const rounded = (value: number): number => Number(value.toPrecision(4));
