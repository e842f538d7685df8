import { type ColumnSummary, unknownColumn } from './column-summary.ts';
import type { SpecProblem } from './spec-problem.ts';
import { taskOf } from './task.ts';
import type { TrainingSpec } from './training-spec.ts';

/** Fewer rows with a known target than this teach nothing. */
export const minRows = 10;
const minRowsPerClass = 2;
const maxClasses = 1000;

/** More different values than this are no category but an identifier. */
export const maxCategories = 1000;

export function checkInputs(spec: TrainingSpec, columns: ColumnSummary[]): SpecProblem[] {
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

export function checkTarget(spec: TrainingSpec, columns: ColumnSummary[]): SpecProblem[] {
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
