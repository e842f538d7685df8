import { type DecimalSign, wrongDecimalSign } from './file-dialect.ts';
import { literal, type TableEngine } from './table-engine.ts';
import type { ColumnType, FileProblem, FileWarning } from './table-file.ts';

/** What a column of text turns out to hold, and the SQL that makes it so. */
export type TypedColumn =
  | { type: 'typed'; columnType: ColumnType; expression: string; warnings: FileWarning[] }
  | { type: 'mismatch'; problem: FileProblem };

/** Regular expressions are RE2's and match a whole cell. */
const numeral = String.raw`[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?`;
const leadingZero = String.raw`[+-]?0[0-9].*`;
const zeroComma = String.raw`[+-]?0,.*`;
const leadingZeros = String.raw`[+-]?0[0-9]+,.*`;
const longWhole = String.raw`[+-]?[0-9]{16,}`;
const thousands = String.raw`[+-]?[0-9]{1,3}([,.' \x{00a0}\x{202f}’][0-9]{3})+([.,][0-9]+)?`;
const decimalComma = String.raw`[+-]?[0-9]+,[0-9]+([eE][+-]?[0-9]+)?`;
const withUnit = String.raw`([$€£¥] ?[+-]?[0-9][0-9.,]*|[+-]?[0-9][0-9.,]*\s*[%‰°µ\pL$€£¥][^0-9]{0,15})`;
const infinite = String.raw`[+-]?(?i:inf|infinity)`;
const isoMonth = String.raw`[0-9]{4}-[0-9]{2}`;
const isoDay = String.raw`[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}`;
const dottedDay = String.raw`[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}`;
const isoTime = String.raw`[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?`;
const slashedDay = String.raw`[0-9]{1,2}/[0-9]{1,2}/([0-9]{2}|[0-9]{4})`;

/** Ways to write “missing” that count as such in columns of numbers and dates only: elsewhere they may be words. */
const missingMarks = ['NA', 'N/A', 'n/a', '#N/A', '<NA>', 'NaN', 'nan', 'NULL', 'null', 'None', '?', '-'];

/** Every number must survive sums of squares after scaling, and text to float64 to text for whole numbers. */
const largestNumber = 1e300;
const largestWhole = Number.MAX_SAFE_INTEGER;

const maxCategories = 1000;
const certainCategories = 20;
const maxCategoryLength = 200;
/** From this share on, cells that look like numbers make a warning of a column that isn't one. */
const mostly = 0.9;

const matches = (pattern: string): string => `regexp_full_match(v, ${literal(pattern)})`;
const markList = missingMarks.map(literal).join(', ');
const isMissingMark = `v IN (${markList})`;

/** Without an offset a time is taken as UTC; with one it is moved to UTC. */
function instantOf(v: string): string {
  const full = (pattern: string): string => `regexp_full_match(${v}, ${literal(pattern)})`;
  const seconds = `regexp_replace(replace(${v}, ',', '.'), '^(.{10}.[0-9]{2}:[0-9]{2})(Z|[+-].*)?$', '\\1:00\\2')`;
  return `CASE
    WHEN ${full(isoMonth)} THEN TRY_CAST(${v} || '-01' AS TIMESTAMP)
    WHEN ${full(isoDay)} THEN TRY_CAST(replace(${v}, '/', '-') AS TIMESTAMP)
    WHEN ${full(dottedDay)} THEN try_strptime(${v}, '%d.%m.%Y')
    WHEN ${full(isoTime)} THEN make_timestamp(epoch_us(TRY_CAST(${seconds} AS TIMESTAMPTZ)))
  END`;
}

export interface TypingChoice {
  /** the type that the user chose */
  wanted?: ColumnType;
  /** the file says that the cells are words: what looks like a number is none */
  isWords?: boolean;
  /** as declared for the file */
  decimalSign?: DecimalSign | undefined;
}

/**
 * Decides the type of the text column `column` of the table `raw`, or checks that it can have the type that the user
 * `wanted`. Nothing is bent to fit: one cell that isn't a number, and the column isn't one.
 */
export async function typeColumn(engine: TableEngine, column: string, name: string, { wanted, isWords = false, decimalSign }: TypingChoice = {}): Promise<TypedColumn> {
  const distinctCells = `(SELECT ${column} AS v, count(*) AS n FROM raw WHERE ${column} IS NOT NULL GROUP BY 1)`;
  const count = (condition: string): string => `coalesce(sum(n) FILTER (${condition}), 0)::DOUBLE`;
  const number = 'TRY_CAST(v AS DOUBLE)';
  const isDecimalComma = `(${matches(decimalComma)} AND coalesce(abs(TRY_CAST(replace(v, ',', '.') AS DOUBLE)) <= ${largestNumber}, false))`;
  /** A comma that can be nothing but a decimal one: no group of three digits follows it, or a single zero goes before. */
  const surelyDecimal = `(${isDecimalComma} AND (NOT ${matches(thousands)} OR ${matches(zeroComma)}))`;
  const tooLarge = `(NOT coalesce(abs(${number}) <= ${largestNumber}, false) OR (${matches(longWhole)} AND abs(${number}) > ${largestWhole}))`;
  const [facts] = (await engine.rows(`
    SELECT coalesce(sum(n), 0)::DOUBLE, count(*)::DOUBLE, coalesce(max(length(v)), 0)::DOUBLE, ${count(isMissingMark)},
      ${count('is_number')}, ${count(`is_number AND ${matches(leadingZero)}`)}, ${count(`is_number AND ${tooLarge}`)},
      ${count(isDecimalComma)}, ${count(surelyDecimal)}, ${count(`is_number AND contains(v, '.')`)}, ${count(`${matches(decimalComma)} AND ${matches(leadingZeros)}`)}
    FROM (SELECT v, n, ${matches(numeral)} AS is_number FROM ${distinctCells})`)) as [number[]];
  const [filled, distinct, maxLength, marks, numbers, zeros, large, commas, decimals, points, commaZeros] = facts as [
    number, number, number, number, number, number, number, number, number, number, number];
  // One cell that leaves no doubt settles what the comma means in all; a point beside it would unsettle it again.
  const onlyNumbers = commaZeros === 0 && zeros === 0 && large === 0 && numbers + commas + marks === filled;
  const hasDecimalComma = onlyNumbers && points === 0 && (decimalSign === ',' ? commas : decimals) > 0;

  const warnings: FileWarning[] = [];
  const warn = (code: string, message: string): void => {
    warnings.push({ code, field: name, message });
  };
  const typed = (columnType: ColumnType, expression: string): TypedColumn => {
    if (marks > 0 && (columnType === 'number' || columnType === 'date')) {
      warn('missing_marks', `${marks === 1 ? 'One cell' : `${marks} cells`} such as “NA” or “?” count as missing.`);
    }
    return { type: 'typed', columnType, expression, warnings };
  };
  // Every cell is known to be a number or a mark, so the cast needs no second look, and would fail loudly.
  const asNumber = (): TypedColumn =>
    typed('number', marks === 0 ? `CAST(${column} AS DOUBLE)` : `CASE WHEN ${column} NOT IN (${markList}) THEN CAST(${column} AS DOUBLE) END`);
  const asDecimalComma = (): TypedColumn => {
    if (decimalSign === undefined) warn('decimal_comma_read', 'Cells such as “1,5” are read as numbers with a decimal comma.');
    return typed('number', `CASE WHEN ${column} NOT IN (${markList}) THEN CAST(replace(${column}, ',', '.') AS DOUBLE) END`);
  };
  const asWords = (columnType: ColumnType): TypedColumn => typed(columnType, column);

  /** The first cell in the file, missing ones aside, that doesn't fulfil `condition`. */
  const firstExcept = async (condition: string): Promise<{ cell: string; dataRow: number }> => {
    const [row] = await engine.rows(`
      SELECT v, r FROM (SELECT ${column} AS v, (file_row_number + 1)::DOUBLE AS r FROM raw WHERE ${column} IS NOT NULL)
      WHERE NOT (${isMissingMark}) AND NOT coalesce(${condition}, false) ORDER BY r LIMIT 1`);
    return { cell: shortened(String(row![0])), dataRow: Number(row![1]) };
  };
  const mismatch = (dataRow: number | null, message: string): TypedColumn => ({
    type: 'mismatch',
    problem: {
      code: 'type_mismatch',
      field: name,
      message: dataRow === null ? message : `Data row ${dataRow}: ${message}`,
      remedy: 'Correct the cells, or choose another type for the column.',
    },
  });
  /** For each cell, the point in time; and whether all of them are whole days. */
  const dates = async (): Promise<{ all: boolean; wholeDays: boolean }> => {
    if (filled === marks) return { all: false, wholeDays: false };
    const [row] = await engine.rows(`
      SELECT coalesce(bool_and(d IS NOT NULL), false), coalesce(bool_and(d = date_trunc('day', d)), false)
      FROM (SELECT ${instantOf('v')} AS d FROM ${distinctCells} WHERE NOT (${isMissingMark}))`);
    return { all: row![0] === true, wholeDays: row![1] === true };
  };
  const asDate = (wholeDays: boolean): TypedColumn => typed('date', `CAST(${instantOf(column)} AS ${wholeDays ? 'DATE' : 'TIMESTAMP'})`);

  if (!isWords && (wanted === undefined || wanted === 'number')) {
    const isOther = decimalSign === ',' ? points > 0 : decimalSign === '.' && hasDecimalComma;
    if (decimalSign && onlyNumbers && isOther) {
      const { cell, dataRow } = await firstExcept(decimalSign === ',' ? `NOT contains(v, '.')` : `NOT contains(v, ',')`);
      return { type: 'mismatch', problem: wrongDecimalSign(name, decimalSign, dataRow, cell) };
    }
  }

  switch (wanted) {
    case 'number': {
      if (hasDecimalComma) return asDecimalComma();
      if (numbers + marks < filled) {
        const { cell, dataRow } = await firstExcept(matches(numeral));
        return mismatch(dataRow, `“${cell}” isn't a number.`);
      }
      if (large > 0) {
        const { cell, dataRow } = await firstExcept(`NOT ${tooLarge}`);
        return mismatch(dataRow, `“${cell}” is too large to be kept exactly as a number.`);
      }
      return asNumber();
    }
    case 'date': {
      const { all, wholeDays } = await dates();
      if (all || filled === marks) return asDate(wholeDays);
      const { cell, dataRow } = await firstExcept(`(${instantOf('v')}) IS NOT NULL`);
      return mismatch(dataRow, `“${cell}” isn't a date in a form that has one meaning only, such as 2026-03-31 or 31.3.2026.`);
    }
    case 'binary':
      return distinct <= 2 ? asWords('binary') : mismatch(null, `The column has ${distinct} different values; a yes-or-no column has two.`);
    case 'category':
    case 'text':
      return asWords(wanted);
    case undefined:
  }

  if (filled === 0) return asWords('text');
  if (isWords && numbers > 0) {
    // nothing to find out: no word is bent into a number
  } else if (numbers > 0 && numbers + marks === filled) {
    if (zeros === 0 && large === 0) return asNumber();
    if (zeros > 0) warn('leading_zeros', 'Numbers with leading zeros are kept as text, because they are often codes. Choose the type “number” if they are amounts.');
    if (large > 0) warn('number_too_large', 'Some numbers are too large to be kept exactly, so the column is read as text.');
  } else if (hasDecimalComma && !isWords) {
    return asDecimalComma();
  } else {
    const { all, wholeDays } = await dates();
    if (all) return asDate(wholeDays);
    const patterns = { thousands, decimalComma, withUnit, infinite, slashedDay };
    const [row] = (await engine.rows(`SELECT ${Object.values(patterns).map((one) => count(matches(one))).join(', ')} FROM ${distinctCells}`)) as [number[]];
    const found = Object.fromEntries(Object.keys(patterns).map((key, i) => [key, row[i]!])) as Record<keyof typeof patterns, number>;
    const values = filled - marks;
    const almostAll = (some: number): boolean => some > 0 && (some + numbers) / values >= mostly;
    if (almostAll(found.decimalComma)) warn('decimal_comma', 'Cells such as “1,5” or “1,234” are read as text: a comma in a number can mean two things. Write numbers as 1.5 and 1234.');
    else if (almostAll(found.thousands)) warn('thousands_separator', 'Cells such as “1,234” or “1 234” are read as text. Write numbers without grouping: 1234.');
    else if (almostAll(found.withUnit)) warn('unit_in_number', 'Cells such as “12 kg” are read as text. Put the unit into the column’s name and plain numbers into the cells.');
    else if (almostAll(found.slashedDay)) warn('ambiguous_date', 'Dates such as “3/4/2026” are read as text, since day and month can’t be told apart. Write them as 2026-04-03.');
    else if (almostAll(found.infinite)) warn('infinite_number', 'Cells such as “inf” make the column text. Leave such cells empty.');
    else if (numbers / values >= 0.5) {
      const { cell, dataRow } = await firstExcept(matches(numeral));
      warn('mixed_numbers', `${numbers} of ${values} cells are numbers, but not all: “${cell}” in data row ${dataRow}. The column is read as text. Correct or empty the other cells to make it a number.`);
    }
  }
  if (distinct === 2) return asWords('binary');
  const few = distinct <= certainCategories || (distinct <= maxCategories && distinct <= filled / 2);
  return asWords(few && maxLength <= maxCategoryLength ? 'category' : 'text');
}

function shortened(cell: string): string {
  return cell.length > 60 ? `${cell.slice(0, 60)}…` : cell;
}
