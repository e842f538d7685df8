import { DomainError } from '@millrace/kernel';
import { readColumnNames } from './column-names.ts';
import { literal, quotedName, TableTooLargeError, type TableEngine } from './table-engine.ts';
import { tooManyColumns, tooManyRows } from './size-problems.ts';
import type { FileLimits, FileProblem } from './table-file.ts';

/** `expressions`: SQL that gives the cell of each column as text. `bytes`: of all cells. */
export type ParquetSource =
  | { type: 'read'; names: string[]; rowCount: number; bytes: number; words: Set<number>; from: string; expressions: string[] }
  | { type: 'rejected'; problems: FileProblem[] };

/** Types whose values are words, whatever they look like. */
const wordTypes = /^(VARCHAR|ENUM\b.*|UUID|TIME|TIME WITH TIME ZONE|INTERVAL|BIT)$/;
const numberTypes = /^(U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL\(.*\))$/;
const timeTypes = /^(TIMESTAMP(_S|_MS|_NS)?|TIMESTAMP WITH TIME ZONE)$/;

/** Looks into a Parquet file that others wrote: which columns it has, and how each becomes text. */
export async function inspectParquet(engine: TableEngine, source: string, limits: FileLimits): Promise<ParquetSource> {
  // Columns in the file alone count: none of its path, and old writers' texts are texts.
  const from = `read_parquet(${literal(source)}, hive_partitioning = false, binary_as_string = true)`;
  const reject = (...problems: FileProblem[]): ParquetSource => ({ type: 'rejected', problems });
  try {
    const columns = (await engine.rows(`DESCRIBE SELECT * FROM ${from}`)) as [string, string][];
    if (columns.length > limits.maxColumns) {
      return reject(tooManyColumns({ limit: limits.maxColumns, found: columns.length }));
    }
    const named = readColumnNames(columns.map(([name]) => name), 1, limits);
    if (named.type === 'rejected') return reject(...named.problems.map(({ row: _row, ...problem }) => problem));
    const nested = columns.flatMap(([name, type]) => (textOf(name, type) === null ? [problemOfType(name, type)] : []));
    if (nested.length > 0) return reject(...nested.slice(0, 10));
    const [row] = (await engine.rows(`
      SELECT (SELECT num_rows FROM parquet_file_metadata(${literal(source)}))::DOUBLE,
        (SELECT coalesce(sum(total_uncompressed_size), 0) FROM parquet_metadata(${literal(source)}))::DOUBLE`)) as [[number, number]];
    const [rowCount, bytes] = row;
    if (rowCount === 0) return reject({ code: 'no_rows', field: 'file', message: 'The file has no row of data.', remedy: 'Upload the file that holds the data.' });
    if (rowCount > limits.maxRows) {
      return reject(tooManyRows({ limit: limits.maxRows, found: rowCount }));
    }
    const words = new Set(columns.flatMap(([, type], i) => (wordTypes.test(type) ? [i] : [])));
    const long = await findLongCell(engine, from, [...words].map((i) => ({ name: named.names[i]!, column: quotedName(columns[i]![0]) })), limits);
    if (long) return reject(long);
    return { type: 'read', names: named.names, rowCount, bytes: Math.max(bytes, rowCount), words, from, expressions: columns.map(([name, type]) => textOf(name, type)!) };
  } catch (error) {
    if (error instanceof TableTooLargeError || error instanceof DomainError || !isOfFile(error)) throw error;
    return reject(damaged());
  }
}

/** Whether DuckDB says so about the bytes of the file, not about its own state. */
export function isOfFile(error: unknown): boolean {
  const message = typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : '';
  return /^(Invalid Input|Invalid Error|IO Error|Conversion Error|Not implemented|Serialization|Binder Error|Out of Range|TProtocolException)/i.test(message);
}

export function damaged(): FileProblem {
  return { code: 'damaged_file', field: 'file', message: 'The Parquet file can’t be read: it is cut off, damaged, encrypted, or of a kind that isn’t known.', remedy: 'Write it anew, or upload the table as CSV.' };
}

function textOf(name: string, type: string): string | null {
  const column = quotedName(name);
  if (type === 'DATE') return `strftime(${column}, '%Y-%m-%d')`;
  // Without an offset it is taken as UTC, with one it is UTC inside.
  if (timeTypes.test(type)) return `strftime(make_timestamp(epoch_us(${column})), '%Y-%m-%dT%H:%M:%S.%f')`;
  if (numberTypes.test(type)) return `CAST(${column} AS VARCHAR)`;
  // As cells of text are: without surrounding space, and empty is missing.
  if (type === 'BOOLEAN' || wordTypes.test(type)) return `nullif(trim(CAST(${column} AS VARCHAR), ' ' || chr(9)), '')`;
  return null;
}

function problemOfType(name: string, type: string): FileProblem {
  const nested = /^(STRUCT|MAP|UNION)|\[\d*\]$/.test(type);
  return {
    code: nested ? 'nested_column' : 'unknown_type', field: name,
    message: `The column “${name}” is of type ${type.length > 60 ? `${type.slice(0, 60)}…` : type}; ${nested ? 'a cell holds one value' : 'that is no number, word or date'}.`,
    remedy: nested ? 'Give each part of it a column of its own, or leave it out.' : 'Write it as a number, text or date, or leave it out.',
  };
}

async function findLongCell(engine: TableEngine, from: string, columns: { name: string; column: string }[], { maxCellBytes }: FileLimits): Promise<FileProblem | null> {
  if (columns.length === 0) return null;
  const [lengths] = (await engine.rows(`SELECT ${columns.map(({ column }) => `coalesce(max(strlen(CAST(${column} AS VARCHAR))), 0)::DOUBLE`).join(', ')} FROM ${from}`)) as [number[]];
  const at = lengths.findIndex((length) => length > maxCellBytes);
  if (at < 0) return null;
  return { code: 'cell_too_long', field: columns[at]!.name, message: `A cell of “${columns[at]!.name}” is longer than ${maxCellBytes} bytes.`, remedy: 'Shorten the values or leave the column out.' };
}
