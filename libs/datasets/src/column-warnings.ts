import type { TableEngine } from './table-engine.ts';
import type { ColumnProfile, FileWarning } from './table-file.ts';

/** Fewer rows than this are too few to say that a column has a shape. */
const minRows = 100;
/** Distance from the median, in interquartile ranges, from which a value is an outlier. A normal one needs 7 sigma. */
const farOff = 10;
const maxOutlierShare = 0.01;
/** Share of the rows at either end of the table that are compared. */
const endShare = 0.2;
/** Distance between two distributions (Kolmogorov–Smirnov, or total variation for words) from which they differ. */
const maxDistance = 0.25;
/** Between units of one quantity: decimal ones, inch and foot, minute and hour, pound, calorie. */
const unitFactors = [10, 100, 1000, 1e6, 12, 2.54, 25.4, 60, 3600, 2.2046, 4.184];

/** What the values of the column `column` of the table `typed` say that its profile doesn't. */
export async function warnAboutValues(engine: TableEngine, column: string, profile: ColumnProfile, rowCount: number): Promise<FileWarning[]> {
  const { name, type, missing, distinct, flags, summary } = profile;
  const filled = rowCount - missing;
  if (filled < minRows || flags.includes('constant') || flags.includes('identifier')) return [];
  const warnings: FileWarning[] = [];
  const warn = (code: string, message: string, remedy: string): void => {
    warnings.push({ code, field: name, message, remedy });
  };
  const drifts = (distance: number): void =>
    warn('drift', `The first and the last fifth of the rows differ (distance ${distance.toFixed(2)} of 1): the column changes along the file.`,
      'If the rows are in the order of time, split by time, or a random split promises more than later data will keep.');

  if (summary.kind === 'numbers') {
    const { p25, p50, p75 } = summary.quantiles;
    const edges = [...new Set(Object.values(summary.quantiles))];
    const range = p75 - p25;
    const far = range > 0 ? `abs(${column} - ${sql(p50)}) > ${sql(farOff * range)}` : 'false';
    const ends = [`file_row_number < ${endShare} * ${rowCount}`, `file_row_number >= ${1 - endShare} * ${rowCount}`];
    const [row] = (await engine.rows(`
      SELECT count(*) FILTER (${far})::DOUBLE, ${ends.flatMap((end) => [
        `count(${column}) FILTER (${end})::DOUBLE`,
        ...edges.map((edge) => `count(*) FILTER (${column} <= ${sql(edge)} AND ${end})::DOUBLE`),
      ]).join(', ')} FROM typed`)) as [number[]];
    const outliers = row[0]!;
    if (outliers > 0 && outliers <= maxOutlierShare * filled) {
      warn('outliers', `${outliers === 1 ? 'One value lies' : `${outliers} values lie`} more than ${farOff} interquartile ranges from the median; the range is ${shown(summary.min)} to ${shown(summary.max)}.`,
        'Look at these rows: correct wrong readings, empty the cells of broken sensors, keep what is real.');
    }
    const [first, last] = [row.slice(1, 2 + edges.length), row.slice(2 + edges.length)] as [number[], number[]];
    if (first[0]! >= minRows / 2 && last[0]! >= minRows / 2) {
      const distance = Math.max(...edges.map((_, i) => Math.abs(first[i + 1]! / first[0]! - last[i + 1]! / last[0]!)));
      if (distance > allowed(first[0]!, last[0]!)) drifts(distance);
    }
    if (summary.min > 0 && distinct >= 20 && summary.max >= 2 * summary.min) {
      const units = await findMixedUnits(engine, column, filled);
      if (units) {
        warn('mixed_units', `The values form two groups, around ${shown(units.low)} and ${shown(units.high)}, a factor of ${units.factor} apart (${units.rows} rows in the smaller one): perhaps two units in one column.`,
          'Find out which rows are in the other unit and convert them, or add a column that names the unit.');
      }
    }
  } else if (summary.kind === 'values' && (type === 'category' || type === 'binary') && distinct <= 50) {
    const rows = (await engine.rows(`
      SELECT (count(*) FILTER (file_row_number < ${endShare} * ${rowCount}))::DOUBLE, (count(*) FILTER (file_row_number >= ${1 - endShare} * ${rowCount}))::DOUBLE
      FROM typed WHERE ${column} IS NOT NULL GROUP BY ${column}`)) as [number, number][];
    const [first, last] = [0, 1].map((end) => rows.reduce((sum, row) => sum + row[end]!, 0)) as [number, number];
    if (first >= minRows / 2 && last >= minRows / 2) {
      const distance = rows.reduce((sum, [a, b]) => sum + Math.abs(a / first - b / last), 0) / 2;
      if (distance > allowed(first, last) + Math.sqrt(distinct / Math.min(first, last)) / 2) drifts(distance);
    }
  }
  return warnings;
}

/** What chance alone makes of two samples of one distribution lies below (Smirnov's bound at one in a thousand). */
function allowed(a: number, b: number): number {
  return Math.max(maxDistance, 1.95 * Math.sqrt((a + b) / (a * b)));
}

/**
 * Two groups of positive values with an empty stretch between them that is wider than each group's own spread, spread
 * alike, and as far apart as two units are: on the logarithmic scale, where a unit is a shift.
 */
async function findMixedUnits(engine: TableEngine, column: string, filled: number): Promise<{ low: number; high: number; factor: number; rows: number } | null> {
  const least = Math.max(5, Math.ceil(filled / 100));
  const [gap] = (await engine.rows(`
    WITH groups AS (SELECT ln(${column}) AS v, count(*) AS n FROM typed WHERE ${column} IS NOT NULL GROUP BY 1),
      steps AS (SELECT v, lag(v) OVER (ORDER BY v) AS below, sum(n) OVER (ORDER BY v) - n AS rows_below FROM groups)
    SELECT v, below, v - below FROM steps WHERE rows_below >= ${least} AND rows_below <= ${filled - least} ORDER BY 3 DESC LIMIT 1`)) as [number, number, number][];
  if (!gap) return null;
  const [, below, width] = gap;
  const sides = (await engine.rows(`
    SELECT avg(v), coalesce(stddev_samp(v), 0), count(*)::DOUBLE, count(DISTINCT v)::DOUBLE
    FROM (SELECT ln(${column}) AS v FROM typed WHERE ${column} IS NOT NULL) GROUP BY v <= ${sql(below)} ORDER BY 1`)) as [number, number, number, number][];
  const [low, high] = sides as [[number, number, number, number], [number, number, number, number]];
  const spread = Math.max(low[1], high[1]);
  const alike = spread <= 2 * Math.min(low[1], high[1]) && low[3] >= 5 && high[3] >= 5;
  const factor = unitFactors.find((one) => Math.abs(high[0] - low[0] - Math.log(one)) <= 0.05 + (3 * spread) / Math.sqrt(Math.min(low[2], high[2])));
  if (!alike || width < 2 * spread || factor === undefined) return null;
  return { low: Math.exp(low[0]), high: Math.exp(high[0]), factor, rows: Math.min(low[2], high[2]) };
}

function shown(value: number): string {
  return String(Number(value.toPrecision(4)));
}

function sql(value: number): string {
  return `CAST('${value}' AS DOUBLE)`;
}
