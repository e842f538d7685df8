import { type ColumnSummary, unknownColumn } from './column-summary.ts';
import { learnsByTrainer } from './families.ts';
import type { SpecProblem } from './spec-problem.ts';
import { taskOf } from './task.ts';
import { isSearch, type TrainingSpec } from './training-spec.ts';

export type SplitType = NonNullable<TrainingSpec['split']['type']>;

export function splitTypeOf(spec: TrainingSpec): SplitType {
  return spec.split.type ?? (taskOf(spec) === 'classification' || (spec.anomaly && spec.outputFeatures.length > 0) ? 'stratified' : 'random');
}

/** Kinds of split that ask a column; the others ask none. */
const columnSplits: readonly SplitType[] = ['grouped', 'time', 'fold'];

/** The column that the split asks; null if it asks none. */
export function splitColumnOf(spec: TrainingSpec): string | null {
  return columnSplits.includes(splitTypeOf(spec)) ? (spec.split.column ?? null) : null;
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

export function checkSplit(spec: TrainingSpec, columns: ColumnSummary[]): SpecProblem[] {
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
