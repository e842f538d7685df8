import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { ColumnData, Table } from '@millrace/learning';
import { repositoryRoot } from '@millrace/testkit';

/** A data set with the folds on which programs are compared, and the figures of others on them. */
export interface ScoredDataset {
  name: string;
  table: Table;
  inputs: { name: string; type: 'number' | 'category' }[];
  target: { name: string; type: 'number' | 'category' | 'binary'; positiveClass?: string };
  /** rows to test on, fold by fold */
  folds: Int32Array[];
}

type Target = ScoredDataset['target'];

export const folder = path.join(repositoryRoot, '../shared/data');

/** Targets, and the columns to leave out: identifiers, and what gives the target away. */
const descriptions: Record<string, { target: Target; leaveOut: string[] }> = {
  iris: { target: { name: 'species', type: 'category' }, leaveOut: [] },
  wine: { target: { name: 'cultivar', type: 'category' }, leaveOut: [] },
  digits: { target: { name: 'digit', type: 'category' }, leaveOut: [] },
  ai4i2020: {
    target: { name: 'Machine failure', type: 'binary', positiveClass: '1' },
    leaveOut: ['UDI', 'Product ID', 'TWF', 'HDF', 'PWF', 'OSF', 'RNF'],
  },
  auto_mpg: { target: { name: 'miles_per_gallon', type: 'number' }, leaveOut: ['name'] },
  bike_sharing_day: { target: { name: 'cnt', type: 'number' }, leaveOut: ['instant', 'dteday', 'casual', 'registered'] },
  concrete: { target: { name: 'strength', type: 'number' }, leaveOut: [] },
};

export const scoredDatasetNames = Object.keys(descriptions);

/** The folder with the data sets is no part of the repository: null where it is absent. */
export function readScoredDataset(name: string): ScoredDataset | null {
  const description = descriptions[name];
  if (!description) throw new Error(`There is no data set "${name}"; choose among ${scoredDatasetNames.join(', ')}.`);
  const file = path.join(folder, `${name}.csv`);
  if (!existsSync(file)) return null;
  const { target, leaveOut } = description;
  const table = readTable(file);
  const numbers = readFileSync(path.join(folder, 'folds', `${name}.txt`), 'utf8').trim().split('\n').map(Number);
  const folds = Array.from({ length: Math.max(...numbers) + 1 }, (_, fold) =>
    Int32Array.from(numbers.flatMap((own, row) => (own === fold ? [row] : []))),
  );
  const inputs = table.columns
    .filter((column) => column.name !== target.name && !leaveOut.includes(column.name))
    .map((column) => ({ name: column.name, type: column.type === 'number' ? ('number' as const) : ('category' as const) }));
  return { name, table, inputs, target, folds };
}

/** A plain CSV file: no quotes, an empty cell is missing, a column of numbers alone is one. */
export function readTable(file: string): Table {
  const [header, ...lines] = readFileSync(file, 'utf8').trim().split('\n');
  const cells = lines.map((line) => line.split(','));
  const columns = header!.split(',').map((name, at): ColumnData => {
    const texts = cells.map((row) => row[at]!);
    return texts.every((text) => Number.isFinite(Number(text)))
      ? { name, type: 'number', values: Float64Array.from(texts, (text) => (text === '' ? NaN : Number(text))) }
      : { name, type: 'category', values: texts.map((text) => (text === '' ? null : text)) };
  });
  return { rows: cells.length, columns };
}

/** The sections of baselines.md that hold a figure of ours, by what their titles begin with: its name in the metrics. */
const sections: Record<string, string> = {
  'Classification: accuracy': 'accuracy',
  'Classification: balanced accuracy': 'balancedAccuracy',
  'Classification: macro F1': 'macroF1',
  'Binary: F1': 'f1',
  'Binary: ROC-AUC': 'rocAuc',
  'Multiclass: ROC-AUC': 'rocAuc',
  'Regression: RMSE': 'rmse',
  'Regression: MAE': 'mae',
  'Regression: R2': 'r2',
};

/** The figures of others: program to `mean ± deviation`, by `data set metric`. */
export function readBaselines(): Map<string, Record<string, string>> {
  const found = new Map<string, Record<string, string>>();
  const file = path.join(folder, 'baselines.md');
  if (!existsSync(file)) return found;
  let metric: string | undefined;
  let programs: string[] = [];
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    if (line.startsWith('## ')) metric = Object.entries(sections).find(([start]) => line.startsWith(`## ${start}`))?.[1];
    if (!metric || !line.startsWith('|') || line.startsWith('|---')) continue;
    const [name, ...figures] = line.split('|').slice(1, -1).map((cell) => cell.trim());
    if (name === 'data') programs = figures;
    else found.set(`${name} ${metric}`, Object.fromEntries(programs.map((program, at) => [program, figures[at]!])));
  }
  return found;
}
