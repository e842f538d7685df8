import type { ModelFamily, ModelSettings } from '@millrace/configuration';
import { blendScores } from '../blend.ts';
import { applyAnswer } from '../fit-answer.ts';
import type { Pacer } from '../pacer.ts';
import { applyHeads } from '../personalisation/apply-heads.ts';
import type { FittedEstimator, FittedPipeline } from '../pipeline.ts';
import type { Scores } from '../predict.ts';
import type { Table } from '../table.ts';
import { baseline } from './baseline.ts';
import { boostedTrees } from './boosted-trees.ts';
import { convolutional } from './convolutional.ts';
import { dense } from './dense.ts';
import type { Family } from './family.ts';
import { knn } from './knn.ts';
import { linear } from './linear.ts';
import { randomForest } from './random-forest.ts';

const families: { [Name in ModelFamily]: Family<Extract<ModelSettings, { family: Name }>, Extract<FittedEstimator, { family: Name }>> } = {
  baseline,
  linear,
  knn,
  dense,
  boosted_trees: boostedTrees,
  random_forest: randomForest,
  convolutional,
};

/** The family of these settings; it takes only its own. */
export const familyOf = (name: ModelFamily): Family => families[name] as unknown as Family;

export const familyNames = Object.keys(families) as ModelFamily[];

/** Answers rows of a table with a trained pipeline; null when the pacer said stop. */
export async function scoreRows(pipeline: FittedPipeline, table: Table, rows: Int32Array, pacer: Pacer): Promise<Scores | null> {
  const scores = await scoreEstimator(pipeline, table, rows, pacer);
  if (!scores) return null;
  const answers = pipeline.target.type === 'number' ? scores : applyAnswer(scores, pipeline.target);
  return pipeline.heads ? applyHeads(answers, pipeline.heads, pipeline.target, table, rows) : answers;
}

async function scoreEstimator(pipeline: FittedPipeline, table: Table, rows: Int32Array, pacer: Pacer): Promise<Scores | null> {
  const { estimator } = pipeline;
  if (estimator.family !== 'ensemble') return familyOf(estimator.family).score(pipeline, table, rows, pacer);
  const parts: { weight: number; scores: Scores }[] = [];
  for (const { weight, ...member } of estimator.members) {
    const scores = await scoreRows(member, table, rows, pacer);
    if (!scores) return null;
    parts.push({ weight, scores });
  }
  return blendScores(parts, rows.length);
}
