import type { Optimisation, OptimisationStep, TrainingSpec } from '@millrace/configuration';
import type { Backend } from '../backend.ts';
import type { Metrics } from '../metrics.ts';
import type { FittedPipeline } from '../pipeline.ts';
import type { Appraisal } from '../search/search.ts';
import type { Problem, Table } from '../table.ts';

export interface OptimiseOptions<Model = FittedPipeline, Data = Table> {
  /** What is to become smaller or faster; it stays as it is. */
  base: Model;
  /** whether it was itself made from another: what that learned from, its own family does not tell */
  isDerived?: boolean | undefined;
  table: Data;
  /** What the base was trained by: the same split, metric and target. */
  spec: TrainingSpec;
  /** Steps, or what to look for. */
  optimisation: Omit<Optimisation, 'base'>;
  /** Default: the current backend, or the best of this machine. Recommenders and survival models are computed without. */
  backend?: Backend | undefined;
  signal?: AbortSignal | undefined;
  /** Told of progress; awaited. */
  onEvent?: ((event: OptimiseEvent) => void | Promise<void>) | undefined;
  /** What serving a model costs: its package's size and its latency. */
  appraise: (model: Model) => Promise<Appraisal>;
}

/** Candidates count from 0; `candidates` is how many there will be, as far as it is known. */
export type OptimiseEvent =
  | { type: 'started'; candidates: number }
  | { type: 'candidate-started'; candidate: number; candidates: number; steps: OptimisationStep[] }
  | { type: 'candidate-finished'; candidate: number; loss: number | null; sizeBytes: number; predTimeMsP50: number | null; fitTimeSeconds: number }
  | { type: 'candidate-failed'; candidate: number; problem: Problem };

/**
 * How much worse than the base on the rows that `metrics.test` is of, in points (see `maxLoss` of an optimisation; below 0 is
 * better), with a confidence interval by the paired bootstrap. Null where the metric is undefined.
 */
export interface LossInterval {
  loss: number;
  lower: number;
  upper: number;
  /** 0.95 */
  coverage: number;
  rows: number;
  resamples: number;
}

/** The most that a model may have lost against its base, with 97.5 % confidence (see `boundLoss`). */
export interface LossBound {
  /** in points; null where there are too few rows to say anything */
  atMost: number | null;
  /** score: rows with a truth that nobody learned from; answers: as many rows on which its answers are those of the base */
  by: 'score' | 'answers';
  /** that the bound is taken from */
  rows: number;
  /** of all rows that are there: those that it answers otherwise than the base */
  differing: number;
}

export interface OptimisedCandidate<Model = FittedPipeline, Scores = Metrics> {
  /** none: the base */
  steps: OptimisationStep[];
  model: Model;
  metrics: {
    /** On the rows that the choice is made by; null where none is made and the base has seen all rows but those to test on. */
    validation: Scores | null;
    test: Scores;
  };
  /** The choosing rows' loss in points; null without such rows. */
  validationLoss: number | null;
  /** Of the choosing rows: what the choice goes by. Null without such rows, and of the base. */
  validationBound: LossBound | null;
  /** Null of the base. */
  interval: LossInterval | null;
  /** Of the rows that `metrics.test` is of. Null of the base. */
  bound: LossBound | null;
  /** What else was measured on the test rows: of a detector its report, of a survival model its chart, of a recommender what a sample of users was told. */
  details?: object;
  appraisal: Appraisal;
  /** 0 of the base. */
  fitTimeSeconds: number;
  /** Why it was not chosen, in words. */
  reason?: string;
}

export type OptimiseOutcome<Model = FittedPipeline, Scores = Metrics> =
  | {
      type: 'optimised';
      base: OptimisedCandidate<Model, Scores>;
      candidates: OptimisedCandidate<Model, Scores>[];
      /** In `candidates`; null where none is both within the greatest loss and better by the target. */
      best: number | null;
      /** Where the rows that the choice is made by come from: held back from training as in the base's run, or half of the test rows (then test figures are of the other half). */
      chosenOn: 'validation' | 'half of the test rows' | null;
    }
  | { type: 'cancelled' }
  /** Steps that cannot be done to this base, or rows that are not there. */
  | { type: 'invalid'; problems: Problem[] };
