import { minRows } from './check-columns.ts';
import { needsValidation, splitColumnOf } from './check-split.ts';
import { checkTreeModel, isTreeModel } from './check-trees.ts';
import type { ColumnSummary } from './column-summary.ts';
import type { SpecProblem } from './spec-problem.ts';
import { type Task, taskOf } from './task.ts';
import { isSearch, selectionMetrics, type TrainingSpec } from './training-spec.ts';

/** What the choice of the best model, its answers and the models' hyper-parameters ask for in vain. */
export function checkSettings(spec: TrainingSpec, columns: ColumnSummary[]): SpecProblem[] {
  const problems: SpecProblem[] = [];
  const task = taskOf(spec);
  const { metric } = spec.selection;
  if (metric !== undefined && selectionMetrics[metric].task !== task) {
    const fitting = Object.entries(selectionMetrics).filter(([, { task: of }]) => of === task).map(([name]) => name);
    problems.push({
      field: 'selection.metric',
      message: `"${metric}" does not measure a ${task}.`,
      remedy: `Give one of: ${fitting.join(', ')}.`,
    });
  }
  problems.push(...checkAnswers(spec, columns));
  if (spec.selection.inferLimitMs !== undefined && !isSearch(spec)) {
    problems.push({
      field: 'selection.inferLimitMs',
      message: 'A latency limit guides a search only.',
      remedy: 'Give a time limit or a number of trials as well, or remove it.',
    });
  }
  if (task === 'regression' && spec.split.type === 'stratified') {
    problems.push({
      field: 'split.type',
      message: 'A stratified split needs classes, and the target is a number.',
      remedy: 'Use a random split.',
    });
  }
  const target = columns.find(({ name }) => name === spec.outputFeatures[0]!.name);
  if (!target || target.rows - target.missing < minRows || splitColumnOf(spec) !== null) return problems;
  const learning = Math.round((target.rows - target.missing) * spec.split.trainFraction);
  const training = needsValidation(spec) ? Math.round(learning * (1 - spec.split.validationFraction)) : learning;
  spec.models.forEach((model, index) => {
    if (model.family === 'knn' && model.k > training) {
      problems.push({
        field: `models[${index}].k`,
        message: `k is ${model.k}, but there are only ${training} training rows.`,
        remedy: `Give at most ${training}, or add rows.`,
      });
    }
    if ('classWeight' in model && model.classWeight !== 'none') {
      problems.push(...checkClassWeights(`models[${index}].classWeight`, model.classWeight, task, target));
    }
    if (model.family === 'linear' && model.solver === 'closed_form' && task === 'classification') {
      problems.push({
        field: `models[${index}].solver`,
        message: 'Classes have no closed form.',
        remedy: 'Give one of: auto, lbfgs, proximal_gradient, gradient_descent.',
      });
    }
    if (model.family === 'linear' && ['closed_form', 'lbfgs'].includes(model.solver) && model.l1 > 0) {
      problems.push({
        field: `models[${index}].solver`,
        message: `The solver ${model.solver} cannot take an L1 penalty.`,
        remedy: 'Use the solver auto or proximal_gradient, or set l1 to 0.',
      });
    }
    if (isTreeModel(model)) problems.push(...checkTreeModel(model, spec, task === 'classification' ? target.distinct : 0, training, `models[${index}]`));
  });
  return problems;
}

/** What is to be done with the probabilities needs some: classes, or two of them. */
function checkAnswers({ selection: { metric, costs, calibration = 'none', intervalCoverage }, ...spec }: TrainingSpec, columns: ColumnSummary[]): SpecProblem[] {
  const problems: SpecProblem[] = [];
  const target = spec.outputFeatures[0]!;
  const distinct = columns.find(({ name }) => name === target.name)?.distinct;
  if (costs && (target.type === 'number' || (distinct !== undefined && distinct > 2))) {
    problems.push({ field: 'selection.costs', message: 'Misses and false alarms need a target of two classes.', remedy: 'Remove the costs, or choose a binary target.' });
  }
  if (metric === 'cost' && !costs) {
    problems.push({ field: 'selection.metric', message: 'There are no costs to measure by.', remedy: 'Give selection.costs, or another metric.' });
  }
  if (calibration !== 'none' && target.type === 'number') {
    problems.push({ field: 'selection.calibration', message: 'A number has no probabilities to calibrate.', remedy: 'Remove it, or choose a target of classes.' });
  }
  if (intervalCoverage !== undefined && target.type !== 'number') {
    problems.push({ field: 'selection.intervalCoverage', message: 'Classes have no interval.', remedy: 'Remove it, or choose a target that is a number.' });
  }
  return problems;
}

function checkClassWeights(
  field: string, weights: 'balanced' | Record<string, number>, task: Task, target: ColumnSummary,
): SpecProblem[] {
  if (task === 'regression') {
    return [{ field, message: 'The target is a number and has no classes.', remedy: 'Leave the class weight out.' }];
  }
  const { counts } = target;
  if (weights === 'balanced' || !counts) return [];
  const unknown = Object.keys(weights).filter((label) => !counts.some(({ value }) => value === label));
  return unknown.slice(0, 3).map((label) => ({
    field,
    message: `"${target.name}" has no class "${label}".`,
    remedy: `Give weights to: ${counts.slice(0, 20).map(({ value }) => value).join(', ')}. A class without a weight counts 1.`,
  }));
}
