import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseTrainingSpec } from '@millrace/configuration';
import { createRandom } from '../src/random.ts';
import type { ColumnData, Table } from '../src/table.ts';
import type { TrainingSpec } from '@millrace/configuration';

/** A simple CSV file (no quotes) as a table; an empty cell is missing, a column of numbers is of type number. */
function readTable(path: string): Table {
  const [header, ...lines] = readFileSync(path, 'utf8').trim().split('\n');
  const cells = lines.map((line) => line.split(','));
  const columns = header!.split(',').map((name, at): ColumnData => {
    const texts = cells.map((row) => row[at]!);
    return texts.every((text) => Number.isFinite(Number(text)))
      ? { name, type: 'number', values: Float64Array.from(texts, (text) => (text === '' ? NaN : Number(text))) }
      : { name, type: 'category', values: texts.map((text) => (text === '' ? null : text)) };
  });
  return { rows: cells.length, columns };
}

export const irisTable = () => readTable(fileURLToPath(new URL('../../testkit/data/iris.csv', import.meta.url)));
export const wineTable = () => readTable(fileURLToPath(new URL('../../testkit/data/wine.csv', import.meta.url)));

/** A table of the data folder beside the repository, or null where there is none. */
export function findSharedTable(file: string): Table | null {
  const path = fileURLToPath(new URL(`../../../../shared/data/${file}`, import.meta.url));
  return existsSync(path) ? readTable(path) : null;
}

/** A configuration that reads every other column; the rest as given. */
export function specFor(table: Table, target: { name: string; type: string }, rest: object = {}, leaveOut: string[] = []): TrainingSpec {
  const inputs = table.columns.filter(({ name }) => name !== target.name && !leaveOut.includes(name));
  const parsed = parseTrainingSpec({
    inputFeatures: inputs.map(({ name, type }) => ({ name, type })), outputFeatures: [target], ...rest,
  });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  return parsed.spec;
}

/** Made-up rows with a number, a category, gaps, a class and a quantity that depend on both. */
export function madeUpTable(rows: number, seed: number): Table {
  const random = createRandom(seed);
  const x = Float64Array.from({ length: rows }, () => random.uniform() * 10 - 5);
  const z = Float64Array.from({ length: rows }, () => (random.below(12) === 0 ? NaN : random.uniform() * 100));
  const colour = Array.from({ length: rows }, () => ['red', 'green', 'blue', null][random.below(4)]!);
  const score = Array.from(x, (value, row) => value + (Number.isNaN(z[row]!) ? 50 : z[row]!) / 25 + (colour[row] === 'red' ? 2 : 0));
  return {
    rows,
    columns: [
      { name: 'x', type: 'number', values: x },
      { name: 'z', type: 'number', values: z },
      { name: 'colour', type: 'category', values: colour },
      { name: 'grade', type: 'category', values: score.map((value) => (value > 4 ? 'high' : value > 0 ? 'middle' : 'low')) },
      { name: 'passed', type: 'binary', values: score.map((value) => (value > 5 ? 'yes' : 'no')) },
      { name: 'amount', type: 'number', values: Float64Array.from(score, (value) => 1000 + 50 * value) },
    ],
  };
}
