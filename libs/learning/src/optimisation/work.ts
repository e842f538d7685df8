import type { TrainingSpec } from '@millrace/configuration';
import type { Pacer } from '../pacer.ts';
import type { FittedPipeline } from '../pipeline.ts';
import type { PreparedData } from '../prepared-data.ts';
import type { Problem } from '../table.ts';

/** What a step has to learn from. */
export interface OptimisationWork {
  data: PreparedData;
  spec: TrainingSpec;
  /** Of the table: those that a model may learn from. */
  rows: Int32Array;
  seed: number;
  pacer: Pacer;
}

export type StepOutcome = { type: 'made'; pipeline: FittedPipeline } | { type: 'failed'; problem: Problem } | { type: 'cancelled' };

type Estimator<Family extends FittedPipeline['estimator']['family']> = Extract<FittedPipeline['estimator'], { family: Family }>;

/** A pipeline of one family. */
export type PipelineOf<Family extends FittedPipeline['estimator']['family']> = FittedPipeline & { estimator: Estimator<Family> };

export type Network = PipelineOf<'dense'> | PipelineOf<'convolutional'>;
