import { literal, quotedName, type TableEngine } from './table-engine.ts';
import type { ColumnProfile, FileWarning } from './table-file.ts';

const minRows = 20;
/** Numbers that differ by less than this share of their column's range count as alike in near-duplicates. */
const gridSteps = 1000;
const minNearShare = 0.01;
const maxDateColumns = 12;

/** What whole rows, and columns beside each other, say: copies, and points in time that come later than others. */
export async function warnAboutRows(engine: TableEngine, parquet: string, columns: readonly ColumnProfile[], rowCount: number): Promise<FileWarning[]> {
  if (rowCount < minRows) return [];
  return [...(await findCopies(engine, parquet, columns, rowCount)), ...(await findLaterDates(engine, parquet, columns, rowCount))];
}

async function findCopies(engine: TableEngine, parquet: string, columns: readonly ColumnProfile[], rowCount: number): Promise<FileWarning[]> {
  const telling = columns.filter(({ flags }) => !flags.some((flag) => flag === 'identifier' || flag === 'empty' || flag === 'constant'));
  if (telling.length < 3) return [];
  const finely = telling.some(({ type, distinct }) => type === 'number' && distinct > gridSteps / 10);
  const exact = telling.map(({ name }) => quotedName(name));
  const near = telling.map(({ name, summary }) => {
    const column = quotedName(name);
    if (summary.kind === 'numbers') return `round((${column} - ${summary.min}) / ${(summary.max - summary.min) / gridSteps})`;
    return summary.kind === 'values' ? `lower(trim(${column}))` : column;
  });
  const [row] = await engine.rows(`
    SELECT count(DISTINCT exact)::DOUBLE, count(DISTINCT near)::DOUBLE
    FROM (SELECT hash(${exact.join(', ')}) AS exact, ${finely ? `hash(${near.join(', ')})` : 'NULL'} AS near FROM read_parquet(${literal(parquet)}))`);
  const copies = rowCount - Number(row![0]);
  const nearly = finely ? Number(row![0]) - Number(row![1]) : 0;
  const apart = telling.length < columns.length ? ', identifiers and constants aside' : '';
  const warnings: FileWarning[] = [];
  if (copies > 0) {
    warnings.push({
      code: 'duplicate_rows', field: 'file',
      message: `${copies === 1 ? 'One row repeats' : `${copies} rows repeat`} an earlier one${apart}: a random split puts copies on both sides, and the score is too good.`,
      remedy: 'Remove the copies, or split by a column that holds copies together (a grouped split).',
    });
  }
  if (nearly > minNearShare * rowCount) {
    warnings.push({
      code: 'near_duplicate_rows', field: 'file',
      message: `${nearly} more rows are almost like another one (numbers within ${100 / gridSteps} % of their range)${apart}.`,
      remedy: 'If they come from one part, batch or moment, use a grouped split over the column that names it.',
    });
  }
  return warnings;
}

async function findLaterDates(engine: TableEngine, parquet: string, columns: readonly ColumnProfile[], rowCount: number): Promise<FileWarning[]> {
  const dates = columns.filter(({ type, distinct }) => type === 'date' && distinct > 1).slice(0, maxDateColumns);
  const pairs = dates.flatMap((later) => dates.filter((earlier) => earlier !== later).map((earlier) => ({ earlier: earlier.name, later: later.name })));
  if (pairs.length === 0) return [];
  const [row] = (await engine.rows(`
    SELECT ${pairs.flatMap(({ earlier, later }) => {
      const [a, b] = [quotedName(earlier), quotedName(later)];
      return [`count(*) FILTER (${a} < ${b})::DOUBLE`, `count(*) FILTER (${a} > ${b})::DOUBLE`];
    }).join(', ')} FROM read_parquet(${literal(parquet)})`)) as [number[]];
  const found = new Map<string, string[]>();
  pairs.forEach(({ earlier, later }, i) => {
    const [after, before] = [row[2 * i]!, row[2 * i + 1]!];
    if (after >= Math.max(minRows, rowCount / 10) && before <= after / 100) found.set(later, [...(found.get(later) ?? []), earlier]);
  });
  return [...found].map(([later, earlier]) => ({
    code: 'later_date', field: later,
    message: `The column lies after ${earlier.map((name) => `“${name}”`).join(', ')}: when that moment comes, this one isn't known yet.`,
    remedy: 'Leave the column out, and with it all that is only known then, if predictions are made at the earlier moment.',
  }));
}
