import { isSearch, needsValidation, type SelectionMetric, splitColumnOf, splitTypeOf, taskOf, type TrainingSpec } from '@millrace/configuration';
import { cheapestDecision, type Costs } from './decision.ts';
import { type Metrics, metricValue, scoreClassification, scoreOneMetric, scoreRegression } from './metrics.ts';
import type { FittedTarget } from './pipeline.ts';
import type { Scores } from './predict.ts';
import { splitByOf } from './split-keys.ts';
import { type Split, type SplitBy, splitRows } from './split.ts';
import { categoryAt, type ColumnData, findColumn, inCodeUnitOrder, type Problem, type Table } from './table.ts';

type TargetInfo =
  | { task: 'classification'; name: string; type: 'category' | 'binary'; classes: string[]; positiveClass: string | null; costs: Costs | null }
  | { task: 'regression'; name: string };

/** A table with its target read and its rows divided. */
export interface PreparedData {
  type: 'prepared';
  table: Table;
  target: TargetInfo;
  /** Per row of the table: class index or value; meaningless where the target is missing. */
  truth: Float64Array;
  split: Split;
  /** Per row of the table, where the split keeps rows of one group apart or goes by time: the group's number, or the moment's rank. */
  apart: { by: 'group' | 'moment'; keys: Int32Array } | null;
  dropped: number;
}

/** Numbers that no computation survives, each with its row. */
export function findInfinities(table: Table, spec: TrainingSpec): Problem[] {
  const used = [
    ...spec.inputFeatures.map(({ name }, index) => ({ name, field: `inputFeatures[${index}].name` })),
    ...spec.outputFeatures.map(({ name }) => ({ name, field: 'outputFeatures[0].name' })),
  ];
  return used.flatMap(({ name, field }) => {
    const column = findColumn(table, name);
    if (column?.type !== 'number') return [];
    const row = column.values.findIndex((value) => Math.abs(value) === Infinity);
    if (row < 0) return [];
    return [{ field, message: `"${name}" is infinite in row ${row + 1}.`, remedy: 'Correct the value or leave the cell empty.' }];
  });
}

/** Problems are those that show only when the rows are divided. */
export function prepareData(table: Table, spec: TrainingSpec, testRows: Int32Array | null = null): PreparedData | { type: 'invalid'; problems: Problem[] } {
  const output = spec.outputFeatures[0]!;
  const column = findColumn(table, output.name)!;
  const allRows = Int32Array.from({ length: table.rows }, (_, row) => row);
  const splitColumnName = splitColumnOf(spec);
  const splitColumn = splitColumnName === null ? null : findColumn(table, splitColumnName)!;
  const rows = allRows.filter((row) => categoryAt(column, row) !== null && (!splitColumn || categoryAt(splitColumn, row) !== null));
  const { target, truth } = readTarget(column, output, rows, table.rows, spec.selection.costs ?? null);
  const splitType = splitTypeOf(spec);
  const isStratified = splitType === 'stratified' || (splitType === 'fold' && taskOf(spec) === 'classification');
  const strata = isStratified ? Int32Array.from(rows, (row) => truth[row]!) : null;
  const by = splitColumn ? splitByOf(splitColumn, rows, spec) : undefined;
  const split = splitRows({
    rows, strata, testRows, trainFraction: spec.split.trainFraction, seed: spec.split.seed,
    validationFraction: needsValidation(spec) ? spec.split.validationFraction : 0,
    by,
  });
  if (testRows && (split.train.length === 0 || split.test.length === 0)) throw new Error('The rows to test on leave none to test on or to learn from');
  const problems: Problem[] = [];
  if (splitColumn && (split.test.length === 0 || split.train.length === 0)) {
    const part = split.test.length === 0 ? 'test' : 'training';
    problems.push({ field: 'split.column', message: `Among the rows with a known target, "${splitColumn.name}" leaves no ${part} row.`, remedy: 'Split by another column or fold, or add rows.' });
    return { type: 'invalid', problems };
  }
  const apart = apartOf(by, rows, table.rows);
  if (apart && isSearch(spec) && split.train.every((row) => apart.keys[row] === apart.keys[split.train[0]!])) {
    problems.push({
      field: 'split.column',
      message: `All training rows are of one ${apart.by} by "${splitColumn!.name}": the search cannot hold out another one of them.`,
      remedy: 'Split by another column, or name the models to train instead of searching.',
    });
  }
  if (needsValidation(spec) && split.validation.length === 0) {
    problems.push({
      field: 'split.validationFraction',
      message: 'There are too few rows to hold any back for validation.',
      remedy: 'Add rows, or train one model without an early stop.',
    });
  }
  spec.models.forEach((model, index) => {
    // By groups, moments or folds, how many rows are learned from shows only now.
    if (splitColumn && model.family === 'knn' && model.k > split.train.length) {
      problems.push({ field: `models[${index}].k`, message: `k is ${model.k}, but there are only ${split.train.length} training rows.`, remedy: `Give at most ${split.train.length}, or split otherwise.` });
    }
  });
  if (target.task === 'classification') {
    const learned = new Set(Array.from(split.train, (row) => truth[row]!));
    const absent = target.classes.filter((_, index) => !learned.has(index));
    if (absent.length > 0) {
      problems.push({
        field: 'split.type',
        message: `No training row is of class ${absent.slice(0, 3).map((label) => `"${label}"`).join(', ')}.`,
        remedy: 'Use a stratified split, another seed, or a larger training share.',
      });
    }
  }
  if (problems.length > 0) return { type: 'invalid', problems };
  return { type: 'prepared', table, target, truth, split, apart, dropped: table.rows - rows.length };
}

function apartOf(by: SplitBy | undefined, rows: Int32Array, tableRows: number): PreparedData['apart'] {
  if (by?.type !== 'grouped' && by?.type !== 'time') return null;
  const known = by.type === 'grouped' ? by.groups : by.ranks;
  const keys = new Int32Array(tableRows);
  rows.forEach((row, at) => (keys[row] = known[at]!));
  return { by: by.type === 'grouped' ? 'group' : 'moment', keys };
}

function readTarget(
  column: ColumnData,
  output: TrainingSpec['outputFeatures'][number],
  rows: Int32Array,
  tableRows: number,
  costs: Costs | null,
): { target: TargetInfo; truth: Float64Array } {
  const truth = new Float64Array(tableRows);
  if (output.type === 'number') {
    for (const row of rows) truth[row] = column.values[row] as number;
    return { target: { task: 'regression', name: output.name }, truth };
  }
  const counts = new Map<string, number>();
  for (const row of rows) {
    const label = categoryAt(column, row)!;
    counts.set(label, (counts.get(label) ?? 0) + 1);
  }
  const classes = [...counts.keys()].sort(inCodeUnitOrder);
  const places = new Map(classes.map((label, index) => [label, index]));
  for (const row of rows) truth[row] = places.get(categoryAt(column, row)!)!;
  // Of two equally frequent classes the later one (1 after 0, yes after no) is taken as positive.
  const [first, second] = classes as [string, string];
  const rarer = counts.get(first)! < counts.get(second)! ? first : second;
  const positiveClass = classes.length === 2 ? (output.positiveClass ?? rarer) : null;
  return { target: { task: 'classification', name: output.name, type: output.type, classes, positiveClass, costs }, truth };
}

/** What is learned about the target from the given rows. */
export function fitTarget(data: PreparedData, rows: Int32Array): FittedTarget {
  const { target, truth } = data;
  if (target.task === 'classification') return { name: target.name, type: target.type, classes: target.classes };
  const mean = rows.reduce((sum, row) => sum + truth[row]!, 0) / rows.length;
  const variance = rows.reduce((sum, row) => sum + (truth[row]! - mean) ** 2, 0) / rows.length;
  const constant = rows.every((row) => truth[row] === truth[rows[0]!]);
  return { name: target.name, type: 'number', mean, scale: constant ? 1 : Math.sqrt(variance) || 1 };
}

/** @param halfWidth of the interval that the model states, if it does */
export function scoresToMetrics(data: PreparedData, rows: Int32Array, scores: Scores, halfWidth: number | null = null): Metrics {
  const actual = Float64Array.from(rows, (row) => data.truth[row]!);
  if (scores.type === 'values') return scoreRegression(actual, scores.predicted, halfWidth);
  if (data.target.task !== 'classification') throw new Error('Class scores for a regression');
  const { classes, positiveClass, costs } = data.target;
  return scoreClassification({ classes, positiveClass, costs, actual: Int32Array.from(actual), ...scores });
}

/**
 * One figure of `scoresToMetrics` alone. The cost is that at the cheapest threshold, which a finished model gets: before
 * that, the labels are no decision yet.
 */
export function scoresToMetric(data: PreparedData, rows: Int32Array, scores: Scores, metric: SelectionMetric): number | null {
  const actual = Float64Array.from(rows, (row) => data.truth[row]!);
  if (scores.type === 'values') return metricValue(scoreRegression(actual, scores.predicted), metric);
  if (data.target.task !== 'classification') throw new Error('Class scores for a regression');
  const { classes, positiveClass, costs } = data.target;
  if (metric === 'cost') {
    return costs && positiveClass !== null ? cheapestDecision(actual, scores.probabilities, classes.indexOf(positiveClass), costs).cost : null;
  }
  return scoreOneMetric({ classes, positiveClass, costs, actual: Int32Array.from(actual), ...scores }, metric);
}

/** Answers every test row alike, from the rows learned from: class shares, or the mean. */
export function scoreBaseline(data: PreparedData): Metrics {
  const learned = data.split.train;
  const { test } = data.split;
  if (data.target.task === 'regression') {
    const mean = learned.reduce((sum, row) => sum + data.truth[row]!, 0) / learned.length;
    return scoresToMetrics(data, test, { type: 'values', predicted: new Float64Array(test.length).fill(mean) });
  }
  const counts = data.target.classes.map(() => 0);
  for (const row of learned) counts[data.truth[row]!]! += 1;
  const shares = counts.map((count) => count / learned.length);
  const majority = shares.indexOf(Math.max(...shares));
  return scoresToMetrics(data, test, {
    type: 'classes',
    predicted: new Int32Array(test.length).fill(majority),
    probabilities: Float64Array.from({ length: test.length * shares.length }, (_, at) => shares[at % shares.length]!),
  });
}
