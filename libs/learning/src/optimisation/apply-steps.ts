import type { OptimisationStep } from '@millrace/configuration';
import type { FittedPipeline } from '../pipeline.ts';
import { condense } from './condense.ts';
import { distil } from './distil.ts';
import { prune, pruneUnits } from './prune.ts';
import { pruneLinear } from './prune-linear.ts';
import { shareWeights } from './cluster.ts';
import { rowsToInt8, toFloat16, toInt8 } from './quantise.ts';
import { mergeTrees, pruneTrees, type Trees } from './trees.ts';
import type { Network, OptimisationWork, PipelineOf, StepOutcome } from './work.ts';

/** Does the steps one after another. The pipeline stays as it is. */
export async function applySteps(pipeline: FittedPipeline, steps: readonly OptimisationStep[], work: OptimisationWork): Promise<StepOutcome> {
  let current = pipeline;
  for (const [index, step] of steps.entries()) {
    if (!(await work.pacer.mayContinue())) return { type: 'cancelled' };
    const outcome = await applyStep(current, step, work);
    if (outcome.type === 'failed') return { type: 'failed', problem: { ...outcome.problem, field: outcome.problem.field === 'steps' ? `steps[${index}]` : outcome.problem.field } };
    if (outcome.type !== 'made') return outcome;
    current = outcome.pipeline;
  }
  return { type: 'made', pipeline: current };
}

/** The configuration has been checked: the step suits the family. */
async function applyStep(pipeline: FittedPipeline, step: OptimisationStep, work: OptimisationWork): Promise<StepOutcome> {
  switch (step.method) {
    case 'prune':
      if (pipeline.estimator.family === 'linear') return pruneLinear(pipeline as PipelineOf<'linear'>, step.sparsity, work);
      return prune(pipeline as Network, step.sparsity, work);
    case 'prune_units':
      return pruneUnits(pipeline as Network, step.keep, work);
    case 'quantise':
      if (step.to === 'int8' && pipeline.estimator.family === 'knn') return { type: 'made', pipeline: rowsToInt8(pipeline as PipelineOf<'knn'>) };
      if (step.to === 'int8') return toInt8(pipeline as Network, step.calibration ?? 'static', work);
      return { type: 'made', pipeline: toFloat16(pipeline) };
    case 'cluster':
      return { type: 'made', pipeline: shareWeights(pipeline as Network, step.clusters) };
    case 'distil':
      return distil(pipeline, step, work);
    case 'condense':
      return condense(pipeline as PipelineOf<'knn'>, step.keep, work);
    case 'prune_trees':
      return pruneTrees(pipeline as Trees, step.keep, work);
    case 'merge_trees':
      return { type: 'made', pipeline: mergeTrees(pipeline as Trees) };
  }
}
