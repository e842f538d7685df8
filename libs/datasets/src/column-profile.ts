import type { TableEngine } from './table-engine.ts';
import type { ColumnFlag, ColumnProfile, ColumnSummary, ColumnType } from './table-file.ts';

const bins = 20;
const topValues = 20;
/** Characters of a top value that a profile keeps. */
const maxShown = 200;
/** Below so many rows, values that are all different mean nothing. */
const minRowsForIdentifier = 20;
const namesAnIdentifier = /(^|[\s_.-])(id|uid|udi|uuid|guid|key|index|serial)$|(Id|ID)$/;

/** SQL that writes a date column's values as ISO 8601. */
export function isoTextOf(column: string): string {
  return `CASE typeof(${column}) WHEN 'DATE' THEN strftime(${column}, '%Y-%m-%d') ELSE strftime(${column}, '%Y-%m-%dT%H:%M:%S.%gZ') END`;
}

/** Describes the column `column` of the table `typed`. Exact, not sampled. */
export async function profileColumn(
  engine: TableEngine,
  column: string,
  { name, type, rowCount }: { name: string; type: ColumnType; rowCount: number },
): Promise<ColumnProfile> {
  const [facts] = (await engine.rows(`
    SELECT count(${column})::DOUBLE, count(DISTINCT ${column})::DOUBLE, min(${column}), max(${column}) FROM typed`)) as [[number, number, unknown, unknown]];
  const [filled, distinct, min, max] = facts;
  const summary =
    filled === 0
      ? ({ kind: 'nothing' } as const)
      : type === 'number'
        ? await summariseNumbers(engine, column, filled, Number(min), Number(max))
        : await summarise(engine, column, type);
  const flags: ColumnFlag[] = [];
  if (filled === 0) flags.push('empty');
  else if (distinct === 1) flags.push('constant');
  if (summary.kind === 'numbers' && distinct === 2) flags.push('two_valued');
  if (distinct === rowCount && rowCount >= minRowsForIdentifier && isIdentifier(name, summary, rowCount)) flags.push('identifier');
  return { name, type, missing: rowCount - filled, distinct, flags, summary };
}

/** All values differ. That is usual for measurements; of words and of row numbers it says that they name the row. */
function isIdentifier(name: string, summary: ColumnSummary, rowCount: number): boolean {
  if (summary.kind === 'values') return true;
  if (summary.kind !== 'numbers' || !summary.whole) return false;
  return summary.max - summary.min + 1 === rowCount || namesAnIdentifier.test(name);
}

async function summarise(engine: TableEngine, column: string, type: Exclude<ColumnType, 'number'>): Promise<ColumnSummary> {
  if (type === 'date') {
    const [row] = await engine.rows(`SELECT ${isoTextOf(`min(${column})`)}, ${isoTextOf(`max(${column})`)} FROM typed`);
    return { kind: 'dates', min: String(row![0]), max: String(row![1]) };
  }
  const top = await engine.rows(`
    SELECT CASE WHEN length(v) > ${maxShown} THEN left(v, ${maxShown - 1}) || '…' ELSE v END, n
    FROM (SELECT ${column} AS v, count(*)::DOUBLE AS n FROM typed WHERE v IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ${topValues})`);
  const [row] = await engine.rows(`SELECT max(length(${column}))::DOUBLE FROM typed`);
  return { kind: 'values', top: top.map(([value, count]) => ({ value: String(value), count: Number(count) })), maxLength: Number(row![0]) };
}

async function summariseNumbers(engine: TableEngine, column: string, filled: number, min: number, max: number): Promise<ColumnSummary> {
  // Squares of very large or very small numbers leave the range of float64.
  const magnitude = Math.max(Math.abs(min), Math.abs(max));
  const scale = magnitude > 1e100 || (magnitude > 0 && magnitude < 1e-100) ? magnitude : 1;
  const probabilities = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];
  const [row] = (await engine.rows(`
    SELECT favg(${column} / ${sql(scale)}), ${filled > 1 ? `stddev_samp(${column} / ${sql(scale)})` : '0::DOUBLE'},
      bool_and(${column} = floor(${column})), quantile_cont(${column}, [${probabilities.join(', ')}])
    FROM typed`)) as [[number, number, boolean, number[]]];
  const [mean, std, whole, quantiles] = row;
  const [p1, p5, p25, p50, p75, p95, p99] = quantiles as [number, number, number, number, number, number, number];
  return {
    kind: 'numbers',
    min: min + 0, // no negative zero: JSON has none
    max: max + 0,
    mean: Math.min(max, Math.max(min, mean * scale)),
    std: std * scale,
    whole,
    quantiles: { p1, p5, p25, p50, p75, p95, p99 },
    histogram: await histogramOf(engine, column, min, max, filled),
  };
}

async function histogramOf(engine: TableEngine, column: string, min: number, max: number, filled: number) {
  if (min === max) return { edges: [min, max], counts: [filled] };
  const counts = new Array<number>(bins).fill(0);
  const rows = (await engine.rows(`
    SELECT least(${bins - 1}, floor((${column} - ${sql(min)}) * ${bins} / ${sql(max - min)}))::DOUBLE AS bin, count(*)::DOUBLE
    FROM typed WHERE ${column} IS NOT NULL GROUP BY 1`)) as [number, number][];
  for (const [bin, count] of rows) counts[bin] = count;
  const edges = Array.from({ length: bins + 1 }, (_, i) => (i === bins ? max : min + ((max - min) * i) / bins));
  return { edges, counts };
}

function sql(value: number): string {
  return `CAST('${value}' AS DOUBLE)`;
}
