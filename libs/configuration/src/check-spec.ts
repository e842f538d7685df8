import { checkAnomaly } from './anomaly.ts';
import { checkCompression } from './check-compression.ts';
import { checkTreeModel, isTreeModel } from './check-trees.ts';
import { learnsByTrainer } from './families.ts';
import { checkForecast } from './forecast.ts';
import { checkImages } from './check-images.ts';
import { checkPersonalisation } from './personalisation.ts';
import { checkRecommendation } from './recommendation.ts';
import { isSearch, selectionMetrics } from './training-spec.ts';
import type { SpecProblem } from './spec-problem.ts';
import { checkSurvival } from './survival.ts';
import type { SelectionMetric, TrainingSpec } from './training-spec.ts';

/** What is known about a column before its values are read, such as a data set's profile holds. */
export interface ColumnSummary {
  name: string;
  /** `number`, `category`, `binary`, or `date`, or another type of the data set, which no model family takes. */
  type: string;
  rows: number;
  missing: number;
  /** Different values, missing ones aside. */
  distinct: number;
  /** The smallest, of numbers, where it is known. */
  min?: number | undefined;
  /** Rows per value where they were counted; lets rare classes be refused early. */
  counts?: { value: string; count: number }[] | undefined;
}

export type Task = 'classification' | 'regression' | 'forecasting' | 'survival' | 'anomaly_detection' | 'recommendation';

/** Fewer rows with a known target than this teach nothing. */
export const minRows = 10;
const minRowsPerClass = 2;
const maxClasses = 1000;
/** More different values than this are no category but an identifier. */
export const maxCategories = 1000;

export function taskOf(spec: TrainingSpec): Task {
  if (spec.forecast) return 'forecasting';
  if (spec.recommendation) return 'recommendation';
  if (spec.survival) return 'survival';
  if (spec.anomaly) return 'anomaly_detection';
  return spec.outputFeatures[0]!.type === 'number' ? 'regression' : 'classification';
}

/** What the best model is best at. */
export function selectionMetricOf(spec: TrainingSpec): SelectionMetric {
  const { metric, costs } = spec.selection;
  const usual = {
    classification: 'f1', regression: 'rmse', forecasting: 'mase', survival: 'integratedBrier', anomaly_detection: spec.outputFeatures.length > 0 ? 'prAuc' : 'massVolume',
    recommendation: spec.recommendation?.feedback === 'explicit' ? 'rmse' : 'ndcg',
  } as const;
  return metric ?? (costs ? 'cost' : usual[taskOf(spec)]);
}

export type SplitType = NonNullable<TrainingSpec['split']['type']>;

export function splitTypeOf(spec: TrainingSpec): SplitType {
  return spec.split.type ?? (taskOf(spec) === 'classification' || (spec.anomaly && spec.outputFeatures.length > 0) ? 'stratified' : 'random');
}

/**
 * Rows are held back for validation only if something looks at them: an early stop, a choice between models, a threshold
 * by costs, a calibration or an interval. A search validates by folds of the training rows instead.
 */
export function needsValidation(spec: TrainingSpec): boolean {
  if (isSearch(spec)) return false;
  const { costs, calibration = 'none', intervalCoverage } = spec.selection;
  return costs !== undefined || intervalCoverage !== undefined || calibration !== 'none' || spec.models.length > 1 || spec.models.some((model) =>
    model.family === 'boosted_trees' ? model.earlyStoppingRounds > 0 : spec.trainer.earlyStop !== null && learnsByTrainer(model));
}

/**
 * Checks a configuration against the columns it is meant for. Empty when nothing stands in the way; otherwise every
 * problem found, each with the field and the remedy. The trainer makes the same checks again on the data itself.
 */
export function checkSpecAgainstColumns(spec: TrainingSpec, columns: ColumnSummary[]): SpecProblem[] {
  const { personalisation, compress } = spec;
  const problems = personalisation ? [...checkTask(spec, columns), ...refusePictures(spec), ...checkPersonalisation({ ...spec, personalisation }, columns)] : checkTask(spec, columns);
  if (!compress) return problems;
  const kind = (['forecast', 'recommendation', 'survival', 'anomaly'] as const).find((block) => spec[block] !== undefined) ?? 'plain';
  const models: readonly { family: string }[] = kind === 'plain' ? spec.models : spec[kind]!.models;
  return [...problems, ...checkCompression({ compress, families: models.map(({ family }) => family), kind, hasHeads: personalisation !== undefined })];
}

function checkTask(spec: TrainingSpec, columns: ColumnSummary[]): SpecProblem[] {
  const { forecast, anomaly, survival, recommendation } = spec;
  if (forecast && anomaly) return [{ field: 'anomaly', message: 'A run forecasts or detects anomalies, not both.', remedy: 'Remove one of the two blocks.' }];
  if (survival && anomaly) return [{ field: 'anomaly', message: 'A run learns times or detects anomalies, not both.', remedy: 'Remove one of the two blocks.' }];
  if (recommendation && (forecast ?? survival ?? anomaly)) return [{ field: 'recommendation', message: 'A run that recommends does nothing else.', remedy: 'Keep one of the blocks.' }];
  if (recommendation) return checkRecommendation({ ...spec, recommendation }, columns);
  if (survival) return [...checkInputs(spec, columns), ...refusePictures(spec), ...checkSurvival({ ...spec, survival }, columns), ...checkSplit(spec, columns)];
  if (forecast) return [...checkInputs(spec, columns), ...refusePictures(spec), ...checkForecast({ ...spec, forecast }, columns)];
  if (anomaly) return [...checkInputs(spec, columns), ...refusePictures(spec), ...checkAnomaly({ ...spec, anomaly }, columns), ...checkSplit(spec, columns)];
  return [
    ...checkInputs(spec, columns),
    ...checkTarget(spec, columns),
    ...checkSettings(spec, columns),
    ...checkImages(spec, columns),
    ...checkSplit(spec, columns),
  ];
}

function refusePictures({ inputFeatures }: TrainingSpec): SpecProblem[] {
  return inputFeatures.flatMap(({ name, type }, index) =>
    type === 'image' ? [{ field: `inputFeatures[${index}].type`, message: `"${name}" holds pictures, which only a classification looks at.`, remedy: 'Leave it out.' }] : []);
}

/** Kinds of split that ask a column; the others ask none. */
const columnSplits: readonly SplitType[] = ['grouped', 'time', 'fold'];

/** The column that the split asks; null if it asks none. */
export function splitColumnOf(spec: TrainingSpec): string | null {
  return columnSplits.includes(splitTypeOf(spec)) ? (spec.split.column ?? null) : null;
}

function checkSplit(spec: TrainingSpec, columns: ColumnSummary[]): SpecProblem[] {
  const type = splitTypeOf(spec);
  const { column: name, fold } = spec.split;
  const problems: SpecProblem[] = [];
  if (fold !== undefined && type !== 'fold') {
    problems.push({ field: 'split.fold', message: `A ${type} split has no test fold.`, remedy: 'Remove it, or split by fold.' });
  }
  if (!columnSplits.includes(type)) {
    if (name === undefined) return problems;
    return [...problems, { field: 'split.column', message: `A ${type} split asks no column.`, remedy: 'Remove it, or choose grouped, time or fold.' }];
  }
  const field = 'split.column';
  if (name === undefined) return [...problems, { field, message: `A split by ${type === 'grouped' ? 'group' : type} needs a column.`, remedy: 'Name the column to split by.' }];
  const column = columns.find((one) => one.name === name);
  if (!column) return [...problems, unknownColumn(field, name, columns)];
  if (name === spec.outputFeatures[0]?.name) {
    problems.push({ field, message: `"${name}" is the target.`, remedy: 'Split by another column.' });
  } else if (column.type === 'image') {
    problems.push({ field, message: `"${name}" holds pictures.`, remedy: 'Split by another column.' });
  } else if (column.distinct < 2) {
    problems.push({ field, message: `"${name}" has ${column.distinct === 0 ? 'no values' : 'one value only'}: there is nothing to split by.`, remedy: 'Split by another column.' });
  } else if (type === 'time' && ['binary', 'text'].includes(column.type)) {
    problems.push({ field, message: `"${name}" is a ${column.type} column: it has no order in time.`, remedy: 'Split by a column of dates or numbers.' });
  } else if (fold !== undefined && column.counts && !column.counts.some(({ value }) => value === fold)) {
    problems.push({ field: 'split.fold', message: `"${name}" has no value "${fold}".`, remedy: `Give one of: ${column.counts.slice(0, 20).map(({ value }) => value).join(', ')}.` });
  }
  return problems;
}

/**
 * Whether a split by time asks a column of moments. Only what has the data set's own types can tell: the trainer reads
 * dates as words.
 */
export function checkTimeColumn(spec: TrainingSpec, columns: ColumnSummary[]): SpecProblem[] {
  const column = splitTypeOf(spec) === 'time' ? columns.find(({ name }) => name === spec.split.column) : undefined;
  if (column?.type !== 'category') return [];
  return [{ field: 'split.column', message: `"${column.name}" holds words: they have no order in time.`, remedy: 'Split by a column of dates or numbers, or correct its type.' }];
}

function checkInputs(spec: TrainingSpec, columns: ColumnSummary[]): SpecProblem[] {
  const problems: SpecProblem[] = [];
  const target = spec.outputFeatures[0]?.name;
  const seen = new Set<string>();
  spec.inputFeatures.forEach((input, index) => {
    const field = `inputFeatures[${index}]`;
    const column = columns.find(({ name }) => name === input.name);
    if (seen.has(input.name)) {
      problems.push({ field: `${field}.name`, message: `"${input.name}" is listed twice.`, remedy: 'Remove one of the two.' });
    }
    seen.add(input.name);
    if (input.name === target) {
      problems.push({
        field: `${field}.name`,
        message: `"${target}" is the target: a model that reads it learns nothing.`,
        remedy: 'Remove it from the input features.',
      });
    }
    if (!column) {
      problems.push(unknownColumn(`${field}.name`, input.name, columns));
      return;
    }
    problems.push(...checkType(`${field}.type`, input, column));
    if (column.missing === column.rows) {
      problems.push({ field: `${field}.name`, message: `"${input.name}" has no values.`, remedy: 'Leave the column out.' });
    } else if (input.type === 'category' && column.distinct > maxCategories) {
      problems.push({
        field: `${field}.type`,
        message: `"${input.name}" has ${column.distinct} different values; at most ${maxCategories} make a category.`,
        remedy: column.type === 'number' ? 'Use it as a number, or leave it out.' : 'It looks like an identifier: leave it out.',
      });
    }
  });
  return problems;
}

function checkType(field: string, feature: { name: string; type: string }, column: ColumnSummary): SpecProblem[] {
  if ((feature.type === 'image') !== (column.type === 'image')) {
    return [feature.type === 'image'
      ? { field, message: `"${feature.name}" holds no pictures but ${column.type} values.`, remedy: 'Choose a column of pictures, or another type.' }
      : { field, message: `"${feature.name}" holds pictures.`, remedy: 'As an input, use type "image"; as a target, choose another column.' }];
  }
  if (feature.type === 'date' || column.type === 'date') {
    if (feature.type === column.type) return [];
    const isColumn = column.type === 'date';
    return [{
      field,
      message: isColumn ? `"${feature.name}" holds dates.` : `"${feature.name}" does not hold dates but ${column.type} values.`,
      remedy: isColumn ? 'Use type "date" for an input; a target must be of another type.' : `Use type "${column.type}", or change the column's type in the data set.`,
    }];
  }
  if (column.type === 'text') {
    return [{
      field,
      message: `"${feature.name}" is free text, which no model family reads: a new row would hardly ever have a text that was seen before.`,
      remedy: 'Leave the column out, or make it a category in the data set if its values repeat.',
    }];
  }
  if (!['number', 'category', 'binary', 'image'].includes(column.type)) {
    return [{
      field,
      message: `"${feature.name}" is a ${column.type} column, which no model family takes.`,
      remedy: 'Leave the column out, or change its type in the data set.',
    }];
  }
  if (feature.type === 'number' && column.type !== 'number') {
    return [{
      field,
      message: `"${feature.name}" does not hold numbers but ${column.type} values.`,
      remedy: `Use type "${column.type}", or mend the values that are not numbers.`,
    }];
  }
  if (feature.type === 'binary' && column.distinct > 2) {
    return [{
      field,
      message: `"${feature.name}" has ${column.distinct} different values, not two.`,
      remedy: 'Use type "category".',
    }];
  }
  return [];
}

function checkTarget(spec: TrainingSpec, columns: ColumnSummary[]): SpecProblem[] {
  const field = 'outputFeatures[0]';
  const target = spec.outputFeatures[0]!;
  const column = columns.find(({ name }) => name === target.name);
  if (!column) return [unknownColumn(`${field}.name`, target.name, columns)];
  const known = column.rows - column.missing;
  const problems = checkType(`${field}.type`, target, column);
  if (known < minRows) {
    problems.push({
      field: `${field}.name`,
      message: `Only ${known} rows have a value of "${target.name}"; at least ${minRows} are needed.`,
      remedy: 'Add rows, or choose another target.',
    });
  }
  if (known > 0 && column.distinct < 2) {
    problems.push({
      field: `${field}.name`,
      message: taskOf(spec) === 'classification'
        ? `"${target.name}" has one class only: there is nothing to tell apart.`
        : `"${target.name}" has the same value in every row: there is nothing to learn.`,
      remedy: 'Choose another target, or add rows with other values.',
    });
  }
  if (taskOf(spec) === 'regression') {
    if (target.positiveClass !== undefined) {
      problems.push({
        field: `${field}.positiveClass`,
        message: 'A number has no positive class.',
        remedy: 'Remove it, or use type "binary".',
      });
    }
    return problems;
  }
  if (column.distinct > maxClasses) {
    problems.push({
      field: `${field}.type`,
      message: `"${target.name}" has ${column.distinct} classes; at most ${maxClasses} can be told apart.`,
      remedy: column.type === 'number' ? 'Use type "number" to predict the quantity.' : 'Choose another target.',
    });
    return problems;
  }
  const rare = column.counts?.filter(({ count }) => count < minRowsPerClass) ?? [];
  if (rare.length > 0 && column.distinct > 1) {
    problems.push({
      field: `${field}.name`,
      message: `Too few rows of class ${rare.slice(0, 3).map(({ value }) => `"${value}"`).join(', ')}: ` +
        `each class needs at least ${minRowsPerClass}.`,
      remedy: target.type !== 'category' || column.type !== 'number'
        ? 'Add rows of that class, or remove it from the data.'
        : 'Use type "number" to predict the quantity, or add rows.',
    });
  }
  if (target.positiveClass !== undefined) {
    if (column.distinct > 2) {
      problems.push({
        field: `${field}.positiveClass`,
        message: `"${target.name}" has ${column.distinct} classes; only two have a positive one.`,
        remedy: 'Remove the positive class.',
      });
    } else if (column.counts && !column.counts.some(({ value }) => value === target.positiveClass)) {
      problems.push({
        field: `${field}.positiveClass`,
        message: `"${target.name}" has no class "${target.positiveClass}".`,
        remedy: `Give one of: ${column.counts.map(({ value }) => value).join(', ')}.`,
      });
    }
  }
  return problems;
}

function checkSettings(spec: TrainingSpec, columns: ColumnSummary[]): SpecProblem[] {
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

function unknownColumn(field: string, name: string, columns: ColumnSummary[]): SpecProblem {
  const folded = (text: string) => text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');
  const similar = columns.find((column) => folded(column.name) === folded(name));
  const listed = columns.slice(0, 20).map((column) => column.name).join(', ');
  return {
    field,
    message: `The data has no column "${name}".`,
    remedy: similar ? `Did you mean "${similar.name}"?` : `Columns are: ${listed}${columns.length > 20 ? ', …' : ''}.`,
  };
}
