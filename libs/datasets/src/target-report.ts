import { DomainError } from '@millrace/kernel';
import { correlationRatio, cramersV, scoreClassRule, scoreValueRule, type ClassCount, type ValueSum } from './one-column-rule.ts';
import { findLinearPairs } from './linear-pairs.ts';
import { literal, quotedName, type TableEngine } from './table-engine.ts';
import type { ColumnType, FileWarning } from './table-file.ts';
import { onParquet } from './table-reading.ts';
import { leakRemedy, leaksOfValues, signsOf, valueBinOf, warnOfNeighbours, wordOf, type ValueSign } from './value-signs.ts';

/** What is to be predicted: a number, or the classes that a column's values are. */
export interface TargetChoice {
  name: string;
  type: 'number' | 'category' | 'binary';
}

/** How a column goes with the target. What doesn't apply to the kinds of the two is null. */
export interface Association {
  column: string;
  /** number with number, -1 to 1 */
  pearson: number | null;
  /** number with number, -1 to 1: of the ranks */
  spearman: number | null;
  /** η, number with classes, 0 to 1 */
  correlationRatio: number | null;
  /** classes with classes, 0 to 1, corrected for chance */
  cramersV: number | null;
  /** what a rule on this column alone reaches on rows it has not seen: AUC for two classes, balanced accuracy for more, R² for numbers */
  alone: number | null;
}

/** Columns that give the target away: known only once the target is, most likely. */
export interface Leak {
  /** `alone`, `value` (one value always means the same class) or `sum` (two columns together are the target) */
  kind: 'alone' | 'value' | 'sum';
  /** all of them are needed for the leak */
  columns: string[];
  message: string;
  remedy: string;
}

export interface TargetReport {
  target: TargetChoice;
  /** evenly spread over those with a known target; all of them in a table of moderate size */
  rowsUsed: number;
  associations: Association[];
  leaks: Leak[];
  warnings: FileWarning[];
}

/** Rows times columns that are looked at, so that a wide table takes no longer than a long one. */
const maxCells = 10_000_000;
const maxRows = 50_000;
const columnsAtOnce = 64;
const mostBins = 64;
const rowsPerBin = 10;
const maxClasses = 100;
const maxCategories = 1000;
/** Fewer rows than this prove nothing about a leak. */
const minRows = 50;
const giveaway = 0.99;
/** Lower, since a bin on the border of two classes holds both. */
const giveawayOfMany = 0.98;
const rankGiveaway = 0.999;
/**
 * How each column of a Parquet file that `importTable` wrote goes with a target, and which columns give it away. Looks at
 * no more than ten million cells. Throws `DomainError` `INVALID` for a target that the table hasn't, or that can't be it.
 */
export function reportOnTarget(parquetPath: string, target: TargetChoice, { signal }: { signal?: AbortSignal } = {}): Promise<TargetReport> {
  return onParquet(parquetPath, signal, async (engine, { rows, types }) => {
    checkTarget(target, types);
    const taken = Math.min(rows, maxRows, Math.max(2000, Math.floor(maxCells / types.size)));
    // Takes every row if all are wanted, else exactly so many, evenly spread.
    const source = `read_parquet(${literal(parquetPath)}, file_row_number = true) WHERE (file_row_number * ${taken}) % ${rows} < ${taken}`;
    const y = quotedName(target.name);
    const isNumber = target.type === 'number';
    const stored = types.get(target.name)!;
    const value = isNumber ? y : wordOf(y, stored);
    await engine.run(`CREATE TABLE target AS SELECT file_row_number AS r, (hash(file_row_number) % 2)::INTEGER AS half, ${value} AS y FROM ${source} AND ${value} IS NOT NULL`);
    const [facts] = (await engine.rows(`SELECT count(*)::DOUBLE, count(DISTINCT y)::DOUBLE FROM target`)) as [number[]];
    const [rowsUsed, distinct] = facts as [number, number];
    const report: TargetReport = { target, rowsUsed, associations: [], leaks: [], warnings: [] };
    if (distinct < 2 || (!isNumber && distinct > maxClasses)) return report;
    if (isNumber) {
      // Around its mean and in its own scale, or sums of squares would lose what matters.
      await engine.run(`UPDATE target SET y = (y - (SELECT favg(y) FROM target)) / (SELECT greatest(stddev_pop(y), 1e-300) FROM target)`);
    } else report.warnings.push(...(await warnOfImbalance(engine, target.name, { rows: rowsUsed, classes: distinct })));

    const columns = [...types].filter(([name, type]) => name !== target.name && type !== 'image').map(([name, type]) => ({ name, type }));
    const signs: ValueSign[] = [];
    for (let from = 0; from < columns.length; from += columnsAtOnce) {
      const some = columns.slice(from, from + columnsAtOnce);
      const picked = some.map(({ name, type }, i) => `${type === 'date' ? `epoch(${quotedName(name)})::DOUBLE` : quotedName(name)} AS c${i}`);
      await engine.run(`
        CREATE TABLE picked AS SELECT t.y, t.half, p.* EXCLUDE (r)
        FROM target t JOIN (SELECT file_row_number AS r, ${picked.join(', ')} FROM ${source}) p USING (r)`);
      for (const [i, column] of some.entries()) {
        const found = isNumber ? await compareWithNumber(engine, `c${i}`, column, rowsUsed) : await compareWithClasses(engine, `c${i}`, column, rowsUsed);
        report.associations.push(found.association);
        signs.push(...found.signs);
      }
      await engine.run('DROP TABLE picked');
    }
    if (rowsUsed >= minRows) {
      const bar = !isNumber && distinct > 2 ? giveawayOfMany : giveaway;
      report.leaks.push(...report.associations.flatMap((one) => leakAlone(one, target, bar)));
      const alone = new Set(report.leaks.flatMap((leak) => leak.columns));
      if (isNumber) {
        const numbers = columns.filter(({ name, type }) => type === 'number' && !alone.has(name)).map(({ name }) => name);
        report.leaks.push(...(await leaksOfPairs(engine, source, numbers, report)));
      } else {
        const values = await leaksOfValues(engine, source, signs.filter(({ column }) => !alone.has(column)), target, types);
        report.leaks.push(...values);
        report.warnings.push(...warnOfNeighbours(columns.map(({ name }) => name), values.flatMap((leak) => leak.columns), signs));
      }
    }
    return report;
  });
}

function checkTarget(target: TargetChoice, types: ReadonlyMap<string, ColumnType>): void {
  const type = types.get(target.name);
  if (type === undefined) throw new DomainError('INVALID', `The data has no column “${target.name}”.`, { field: 'target', remedy: 'Name a column of the data set.' });
  if (type === 'date' || (target.type === 'number' && type !== 'number')) {
    throw new DomainError('INVALID', `A column of type ${type} can’t be predicted as ${target.type}.`, { field: 'target', remedy: 'Choose another target, or correct the type of the column.' });
  }
}

interface Column {
  name: string;
  type: ColumnType;
}

interface Compared {
  association: Association;
  signs: ValueSign[];
}

const nothing = { pearson: null, spearman: null, correlationRatio: null, cramersV: null, alone: null };

/**
 * SQL of the bin of each row: a value of its own where there are few, else one of as many bins of equal count as there
 * are, with equal values in one. No value is a bin too, since that something is missing can give the target away.
 */
function binOf(column: string, { type }: Column, distinct: number, rows: number): string {
  const bins = Math.min(mostBins, Math.max(8, Math.floor(rows / rowsPerBin)));
  if (distinct <= bins || (type !== 'number' && type !== 'date')) return valueBinOf(column, type);
  return `CASE WHEN ${column} IS NULL THEN '' ELSE '#' || ((rank() OVER (ORDER BY ${column} NULLS LAST) - 1) * ${bins} // count(${column}) OVER ())::VARCHAR END`;
}

async function distinctOf(engine: TableEngine, column: string): Promise<{ distinct: number; filled: number }> {
  const [row] = (await engine.rows(`SELECT count(DISTINCT ${column})::DOUBLE, count(${column})::DOUBLE FROM picked`)) as [[number, number]];
  return { distinct: row[0], filled: row[1] };
}

/** Columns of too many words have no bins: they are texts or identifiers. */
const hasBins = ({ type }: Column, distinct: number): boolean => type === 'number' || type === 'date' || distinct <= maxCategories;

async function compareWithNumber(engine: TableEngine, column: string, about: Column, rowsUsed: number): Promise<Compared> {
  const { distinct, filled } = await distinctOf(engine, column);
  const association: Association = { column: about.name, ...nothing };
  if (!hasBins(about, distinct)) return { association, signs: [] };
  const sums: ValueSum[] = ((await engine.rows(`
    SELECT bin, half, count(*)::DOUBLE, sum(y), sum(y * y) FROM (SELECT ${binOf(column, about, distinct, rowsUsed)} AS bin, half, y FROM picked) GROUP BY ALL`)) as [string, 0 | 1, number, number, number][])
    .map(([bin, half, rows, sum, squares]) => ({ bin, half, rows, sum, squares }));
  association.alone = scoreValueRule(sums);
  if (distinct < 2 || filled < 3) return { association, signs: [] };
  if (about.type === 'number' || about.type === 'date') {
    const [row] = (await engine.rows(`
      SELECT corr(v, y), corr(rv + (nv - 1) / 2, ry + (ny - 1) / 2) FROM (
        SELECT ${column} / greatest(max(abs(${column})) OVER (), 1e-300) AS v, y, rank() OVER (ORDER BY ${column}) AS rv, count(*) OVER (PARTITION BY ${column}) AS nv,
          rank() OVER (ORDER BY y) AS ry, count(*) OVER (PARTITION BY y) AS ny
        FROM picked WHERE ${column} IS NOT NULL)`)) as [[number | null, number | null]];
    association.pearson = finite(row[0]);
    association.spearman = finite(row[1]);
  } else {
    const groups = new Map<string, ValueSum>();
    for (const one of sums.filter(({ bin }) => bin !== '')) {
      const other = groups.get(one.bin);
      groups.set(one.bin, other ? { ...one, rows: one.rows + other.rows, sum: one.sum + other.sum, squares: one.squares + other.squares } : one);
    }
    association.correlationRatio = correlationRatio([...groups.values()]);
  }
  return { association, signs: [] };
}

async function compareWithClasses(engine: TableEngine, column: string, about: Column, rowsUsed: number): Promise<Compared> {
  const { distinct, filled } = await distinctOf(engine, column);
  const association: Association = { column: about.name, ...nothing };
  if (!hasBins(about, distinct)) return { association, signs: [] };
  const counts: ClassCount[] = ((await engine.rows(`
    SELECT bin, half, y, count(*)::DOUBLE FROM (SELECT ${binOf(column, about, distinct, rowsUsed)} AS bin, half, y FROM picked) GROUP BY ALL`)) as [string, 0 | 1, string, number][])
    .map(([bin, half, target, rows]) => ({ bin, half, target, rows }));
  association.alone = scoreClassRule(counts);
  if (distinct < 2 || filled < 3) return { association, signs: [] };
  if (about.type === 'date' || (about.type === 'number' && distinct > 2)) {
    const groups = (await engine.rows(`
      SELECT count(*)::DOUBLE, sum(v), sum(v * v) FROM (
        SELECT y, (${column} - favg(${column}) OVER ()) / (SELECT greatest(max(${column}) - min(${column}), 1e-300) FROM picked) AS v FROM picked WHERE ${column} IS NOT NULL)
      GROUP BY y`)) as [number, number, number][];
    association.correlationRatio = correlationRatio(groups.map(([rows, sum, squares]) => ({ rows, sum, squares })));
  } else association.cramersV = cramersV(counts.filter(({ bin }) => bin !== ''));
  return { association, signs: signsOf(about.name, distinct, counts, rowsUsed) };
}

function leakAlone({ column, alone, pearson, spearman }: Association, target: TargetChoice, bar: number): Leak[] {
  const isNumber = target.type === 'number';
  const reached = isNumber ? Math.max(alone ?? 0, (pearson ?? 0) ** 2) : (alone ?? 0);
  const byRank = isNumber && Math.abs(spearman ?? 0) >= rankGiveaway;
  if (reached < bar && !byRank) return [];
  const said = byRank && reached < bar ? 'orders the rows as the target does' : `alone gives “${target.name}” away (score ${reached.toFixed(3)} of 1 on rows it has not seen)`;
  return [{ kind: 'alone', columns: [column], message: `“${column}” ${said}: it is probably known only once the target is.`, remedy: leakRemedy }];
}

async function leaksOfPairs(engine: TableEngine, source: string, numbers: readonly string[], { target, associations }: TargetReport): Promise<Leak[]> {
  const strength = new Map(associations.map(({ column, pearson }) => [column, Math.abs(pearson ?? 0)]));
  const pairs = await findLinearPairs(engine, source, target.name, [...numbers].sort((a, b) => strength.get(b)! - strength.get(a)!));
  return pairs.map(({ columns: [a, b], isSum }) => ({
    kind: 'sum', columns: [a, b],
    message: `“${a}” and “${b}” together ${isSum ? `add up to “${target.name}”` : `give “${target.name}” exactly`}: they are probably known only once the target is.`,
    remedy: 'Leave out at least one of the two, and the other as well unless it is known at the moment when predictions are made.',
  }));
}

async function warnOfImbalance(engine: TableEngine, name: string, { rows, classes }: { rows: number; classes: number }): Promise<FileWarning[]> {
  const [row] = (await engine.rows('SELECT y, count(*)::DOUBLE AS n FROM target GROUP BY 1 ORDER BY n, 1 LIMIT 1')) as [[string, number]];
  const share = row[1] / rows;
  if (share >= 0.2 / classes) return [];
  return [{
    code: 'imbalance', field: name,
    message: `Only ${(share * 100).toFixed(1)} % of the rows are “${row[0]}”: a model that never says so is right nearly always.`,
    remedy: 'Judge by F1, balanced accuracy or recall, never by accuracy, and use a stratified split.',
  }];
}

function finite(value: number | null): number | null {
  return value !== null && Number.isFinite(value) ? value : null;
}
