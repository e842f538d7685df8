import type { ModelSettings, TrainingSpec } from '@millrace/configuration';
import type { EpochResult } from '../dense-network.ts';
import type { Pacer } from '../pacer.ts';
import type { ConvolutionLayer, FittedEstimator, FittedPipeline, FittedTarget } from '../pipeline.ts';
import type { Scores } from '../predict.ts';
import type { PreparedData } from '../prepared-data.ts';
import type { FamilySearch } from '../search/search-space.ts';
import type { Problem, Table } from '../table.ts';

/**
 * A kind of model. What all kinds share (division of rows, metrics, the leaderboard, checkpoints) lies outside; a family
 * knows how it learns from rows and how it answers them.
 */
export interface Family<Settings extends ModelSettings = ModelSettings, Estimator extends FittedEstimator = FittedEstimator> {
  fit(job: FitJob<Settings>): Promise<FitOutcome>;
  /** Answers rows of a table. Null when the pacer said stop. */
  score(pipeline: FittedPipeline & { estimator: Estimator }, table: Table, rows: Int32Array, pacer: Pacer): Promise<Scores | null>;
  /**
   * Whether, once compared on the validation rows, it learns again from these as well. Right for a family that does not
   * need them to know when to stop, or needs no more of them than the number of epochs. Others do when `earlyStop.refit` says so.
   */
  learnsFromValidation: boolean | ((settings: Settings) => boolean);
  /** What the leaderboard shows beside the family's name. */
  parameters(settings: Settings, spec: TrainingSpec): Record<string, unknown>;
  /** Epochs of a fit at most; 0 for a family without. */
  epochs(settings: Settings, spec: TrainingSpec): number;
  /** How an automatic search varies it. A family without this is searched with its defaults only. */
  search?: FamilySearch;
}

export interface FitJob<Settings extends ModelSettings = ModelSettings> {
  data: PreparedData;
  spec: TrainingSpec;
  settings: Settings;
  /** its place among the models of the configuration: names its streams of random numbers */
  model: number;
  seed: number;
  /** to learn from */
  rows: Int32Array;
  /** held back; empty where nothing needs them */
  validation: Int32Array;
  /** as many as an earlier fit, with rows held back, found best; null to find out */
  epochs: number | null;
  pacer: Pacer;
  /** filters to begin with, where the settings name a base */
  base?: ConvolutionLayer[] | undefined;
  /** of an interrupted fit of the same model: what it gave to `onEpoch` last */
  resume: FitState | null;
  /** Called after each epoch with a state to go on from. Families without epochs never call it. */
  onEpoch(state: FitState, result: EpochResult, metrics: Record<string, number>): Promise<void>;
}

/** Plain data of numbers, text and typed arrays (see state-codec.ts). */
export interface FitState {
  epoch: number;
  /** spent before the interruption */
  seconds: number;
  state: unknown;
}

export interface Fit {
  pipeline: FittedPipeline;
  seconds: number;
  epochs: number;
  bestEpoch: number;
  history: EpochResult[];
}

export type FitOutcome = { type: 'fitted'; fit: Fit } | { type: 'failed'; problem: Problem } | { type: 'cancelled' };

/** The number of classes, or 0 for a regression. */
export const classesOf = (target: FittedTarget): number => (target.type === 'number' ? 0 : target.classes.length);

/** The most probable class of each row, ties to the lower index. */
export function classScores(probabilities: Float64Array, rows: number, classes: number): Scores {
  const predicted = new Int32Array(rows);
  for (let row = 0; row < rows; row++) {
    let best = 0;
    for (let index = 1; index < classes; index++) {
      if (probabilities[row * classes + index]! > probabilities[row * classes + best]!) best = index;
    }
    predicted[row] = best;
  }
  return { type: 'classes', predicted, probabilities };
}
