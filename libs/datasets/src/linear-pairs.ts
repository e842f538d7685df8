import { quotedName, type TableEngine } from './table-engine.ts';

export interface LinearPair {
  columns: [string, string];
  /** the target is their plain sum */
  isSum: boolean;
}

const maxColumns = 200;
const screenedRows = 2000;
/** Share of the target's spread that a linear function of a pair must leave unexplained at most: rounding, no more. */
const leftOver = 1e-4;

/**
 * Pairs of number columns of which the target is a linear function. All pairs of the first two hundred `columns` are
 * screened on two thousand rows by their correlations, and those found are checked on all rows of `source`.
 */
export async function findLinearPairs(engine: TableEngine, source: string, target: string, columns: readonly string[]): Promise<LinearPair[]> {
  const names = columns.slice(0, maxColumns);
  if (names.length < 2) return [];
  const all = [target, ...names].map(quotedName);
  const series = all.map(() => [] as number[]);
  const filled = all.map((column) => `${column} IS NOT NULL`).join(' AND ');
  // Rows with gaps would make the correlations of different pairs differ.
  for (const row of (await engine.rows(`
    SELECT ${all.join(', ')} FROM ${source} AND ${filled} ORDER BY hash(file_row_number) LIMIT ${screenedRows}`)) as number[][]) {
    row.forEach((value, i) => series[i]!.push(value));
  }
  if (series[0]!.length < 50) return [];
  const scaled = series.map(standardised);
  const y = scaled[0]!;
  const withTarget = scaled.map((one) => dot(one, y));
  const found: LinearPair[] = [];
  for (let i = 1; i < scaled.length; i++) {
    for (let j = i + 1; j < scaled.length; j++) {
      if (unexplained(withTarget[i]!, withTarget[j]!, dot(scaled[i]!, scaled[j]!)) > leftOver) continue;
      const [a, b] = [names[i - 1]!, names[j - 1]!];
      const checked = await check(engine, source, target, a, b);
      if (checked) found.push({ columns: [a, b], ...checked });
    }
    await new Promise(setImmediate); // other requests of the process get their turn
  }
  return found;
}

async function check(engine: TableEngine, source: string, target: string, a: string, b: string): Promise<{ isSum: boolean } | null> {
  const [y, u, v] = [target, a, b].map(quotedName) as [string, string, string];
  const [row] = (await engine.rows(`
    SELECT corr(${u}, ${y}), corr(${v}, ${y}), corr(${u}, ${v}), coalesce(avg((abs(${u} + ${v} - ${y}) <= 1e-6 * abs(${y}))::INTEGER), 0) FROM ${source} AND ${u} IS NOT NULL AND ${v} IS NOT NULL`)) as [[number, number, number, number]];
  const [uy, vy, uv, sums] = row;
  return unexplained(uy, vy, uv) <= leftOver ? { isSum: sums > 0.99 } : null;
}

/** 1 - R² of the least-squares fit on two columns, from the three correlations; 1 where the two are one. */
function unexplained(uy: number, vy: number, uv: number): number {
  const apart = 1 - uv * uv;
  return apart < 1e-6 ? 1 : 1 - (uy * uy + vy * vy - 2 * uy * vy * uv) / apart;
}

/** Mean 0 and length 1; all 0 for a constant. */
function standardised(values: readonly number[]): Float64Array {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const centred = Float64Array.from(values, (value) => value - mean);
  const length = Math.sqrt(dot(centred, centred));
  return centred.map((value) => (length > 0 ? value / length : 0));
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
