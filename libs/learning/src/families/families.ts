import type { ModelFamily, ModelSettings } from '@millrace/configuration';
import type { Pacer } from '../pacer.ts';
import type { FittedEstimator, FittedPipeline } from '../pipeline.ts';
import type { Scores } from '../predict.ts';
import type { Table } from '../table.ts';
import { boostedTrees } from './boosted-trees.ts';
import { dense } from './dense.ts';
import type { Family } from './family.ts';
import { knn } from './knn.ts';
import { randomForest } from './random-forest.ts';

const families: { [Name in ModelFamily]: Family<Extract<ModelSettings, { family: Name }>, Extract<FittedEstimator, { family: Name }>> } = {
  knn,
  dense,
  boosted_trees: boostedTrees,
  random_forest: randomForest,
};

/** The family of these settings; it takes only its own. */
export const familyOf = (name: ModelFamily): Family => families[name] as unknown as Family;

/** Answers rows of a table with a trained pipeline; null when the pacer said stop. */
export function scoreRows(pipeline: FittedPipeline, table: Table, rows: Int32Array, pacer: Pacer): Promise<Scores | null> {
  return familyOf(pipeline.estimator.family).score(pipeline, table, rows, pacer);
}
