import { type BackgroundRow, importanceOfInputs, type InputImportance, rowsForImportance, synthesiseBackground } from '@millrace/explanation';
import type { FittedPipeline, Table } from '@millrace/learning';
import { checkVectors, type LoadedModel } from '@millrace/packaging';

type Features = FittedPipeline['features'];
type Cell = number | string | null;

/** Values from which the quantiles of a column are taken. */
const mostValues = 20_000;

/** What a package keeps for explanations: rows made up of the training rows' single columns. @param features of the signature's inputs, in order */
export function backgroundOf(table: Table, features: Features, trainRows: Int32Array): BackgroundRow[] {
  const step = Math.max(1, Math.ceil(trainRows.length / mostValues));
  const rows = trainRows.filter((_, at) => at % step === 0);
  const columns = inputColumns(table, features).map(({ cellAt, missingAllowed }) => {
    const values = Array.from(rows, cellAt);
    const present = missingAllowed ? values : values.filter((value) => value !== null);
    return present.length > 0 ? present : [null];
  });
  return columns.length > 0 && rows.length > 0 ? synthesiseBackground(columns) : [];
}

/** How much each input matters to a model, on test rows that have an answer; null where there are too few, or the model is too slow. */
export async function importanceOf(model: LoadedModel, table: Table, { features, target }: Pick<FittedPipeline, 'features' | 'target'>, testRows: Int32Array): Promise<InputImportance | null> {
  const most = rowsForImportance(model.signature);
  const answers = table.columns.find(({ name }) => name === target.name);
  if (most === 0 || !answers || features.length === 0) return null;
  const columns = inputColumns(table, features);
  const vectors: Cell[][] = [];
  const truths: Exclude<Cell, null>[] = [];
  for (const at of testRows) {
    if (vectors.length === most) break;
    const row = columns.map(({ cellAt }) => cellAt(at));
    const truth = cellOf(answers, target.type === 'number')(at);
    if (truth === null || row.some((cell, place) => cell === null && !columns[place]!.missingAllowed)) continue;
    vectors.push(row);
    truths.push(truth);
  }
  const checked = vectors.length < 10 ? null : checkVectors(model.signature, vectors);
  return checked?.type === 'valid' ? importanceOfInputs(model, checked.rows, truths) : null;
}

/** By input of the signature: all parts of a date are one, and what has no column, such as a horizon, is missing. */
function inputColumns(table: Table, features: Features): { cellAt(row: number): Cell; missingAllowed: boolean }[] {
  const sources = new Map(features.map((feature) => [(feature.type === 'number' && feature.of?.column) || feature.name, feature]));
  return [...sources].map(([name, feature]) => {
    const column = table.columns.find((one) => one.name === name);
    return { cellAt: column ? cellOf(column, feature.type === 'number') : () => null, missingAllowed: feature.missingAllowed };
  });
}

function cellOf(column: Table['columns'][number], isNumber: boolean): (row: number) => Cell {
  return (row) => {
    const value = column.values[row] ?? null;
    if (value === null || Number.isNaN(value)) return null;
    return column.type === 'number' && isNumber ? (value as number) : String(value);
  };
}
