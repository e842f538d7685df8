import { open, rm } from 'node:fs/promises';
import path from 'node:path';
import { normaliseDelimitedText } from './delimited-text.ts';
import { contradictionOf, type Delimiter, type FileDialect, undeclarable, wrongEncoding } from './file-dialect.ts';
import { isJsonLines, recogniseOtherFormat } from './file-signature.ts';
import { normaliseJsonLines } from './json-lines.ts';
import { damaged, inspectParquet, isOfFile } from './parquet-source.ts';
import { tooManyRows } from './size-problems.ts';
import { literal, type TableEngine } from './table-engine.ts';
import type { FileLimits, FileProblem, FileWarning } from './table-file.ts';
import { encodingNames, encodingOf, isWindows1252, translateToUtf8, warnOfEncoding, type TextEncoding } from './text-encoding.ts';

/** A file's cells as text, in the columns c0, c1, … of a Parquet file, rows in their order. */
export interface RawTable {
  type: 'loaded';
  file: string;
  names: string[];
  rowCount: number;
  /** of the cells */
  bytes: number;
  delimiter: Delimiter | null;
  /** positions of the columns whose cells are words even if they look like numbers, because the file says so */
  words: ReadonlySet<number>;
  warnings: FileWarning[];
}

export type LoadOutcome = RawTable | { type: 'rejected'; problems: FileProblem[] };

interface LoadOptions {
  limits: FileLimits;
  signal: AbortSignal | undefined;
  /** of each source, as declared */
  dialects?: readonly FileDialect[];
}

/** What DuckDB adds to the bytes of each text value in memory. */
const bytesOfReference = 16;
const headBytes = 64 * 1024;

/** Whether a file is Parquet, which DuckDB reads itself, so that it must be allowed to. */
export async function isParquet(source: string): Promise<boolean> {
  return recogniseOtherFormat(await headOf(source)) === 'a Parquet file';
}

/** Reads a file of any format that can be a table into one form. */
async function loadSource(engine: TableEngine, source: string, target: string, dialect: FileDialect, options: LoadOptions): Promise<LoadOutcome> {
  const head = await headOf(source);
  if (recogniseOtherFormat(head) === 'a Parquet file') {
    const unfit = undeclarable(dialect, 'Parquet');
    return unfit ? { type: 'rejected', problems: [unfit] } : loadParquet(engine, source, target, options);
  }
  const { encoding: declared } = dialect;
  const contradiction = declared && contradictionOf(head, declared);
  if (contradiction) return { type: 'rejected', problems: [contradiction] };
  const encoding = declared ?? encodingOf(head);
  if (encoding !== 'utf-8') return loadTranslated(engine, source, target, encoding, dialect, options);
  const loaded = await loadUtf8(engine, source, target, dialect, options);
  if (declared) return loaded;
  const isMisread = loaded.type === 'rejected' && loaded.problems.some(({ code }) => code === 'wrong_encoding');
  return isMisread && (await isWindows1252(source)) ? loadTranslated(engine, source, target, 'windows-1252', dialect, options) : loaded;
}

async function headOf(source: string): Promise<Uint8Array> {
  const file = await open(source, 'r');
  try {
    const head = new Uint8Array(headBytes);
    return head.subarray(0, (await file.read(head, 0, headBytes, 0)).bytesRead);
  } finally {
    await file.close();
  }
}

async function loadTranslated(engine: TableEngine, source: string, target: string, encoding: TextEncoding, dialect: FileDialect, options: LoadOptions): Promise<LoadOutcome> {
  const translated = path.join(engine.folder, 'translated.txt');
  try {
    const wrongLine = await translateToUtf8(source, translated, encoding, options.signal);
    if (wrongLine !== null && dialect.encoding) return { type: 'rejected', problems: [wrongEncoding(encoding, wrongLine, 'its bytes make no sense in it')] };
    if (wrongLine !== null) {
      return {
        type: 'rejected',
        problems: [{ code: 'wrong_encoding', field: 'file', message: `The file looks like ${encodingNames[encoding]}, but not all of it is.`, remedy: 'Save the file as UTF-8 (in Excel: “CSV UTF-8”) and upload it again.' }],
      };
    }
    const loaded = await loadUtf8(engine, translated, target, dialect, options);
    return loaded.type === 'loaded' && !dialect.encoding ? { ...loaded, warnings: [...warnOfEncoding(encoding), ...loaded.warnings] } : loaded;
  } finally {
    await rm(translated, { force: true });
  }
}

async function loadUtf8(engine: TableEngine, source: string, target: string, dialect: FileDialect, { limits, signal }: LoadOptions): Promise<LoadOutcome> {
  const plainFile = path.join(engine.folder, 'rows.csv');
  try {
    if (isJsonLines(await headOf(source))) {
      const unfit = undeclarable(dialect, 'JSON Lines');
      if (unfit) return { type: 'rejected', problems: [unfit] };
      const rows = await normaliseJsonLines(source, plainFile, limits, signal);
      if (rows.type === 'rejected') return rows;
      await loadText(engine, plainFile, target, rows, rowsPerGroup(rows, limits));
      return { ...rows, type: 'loaded', file: target, delimiter: null, warnings: [] };
    }
    const text = await normaliseDelimitedText(source, plainFile, { limits, signal, delimiter: dialect.delimiter });
    if (text.type === 'rejected') return text;
    await loadText(engine, plainFile, target, text, rowsPerGroup(text, limits));
    return { ...text, type: 'loaded', file: target, words: new Set() };
  } finally {
    await rm(plainFile, { force: true });
  }
}

async function loadParquet(engine: TableEngine, source: string, target: string, { limits }: LoadOptions): Promise<LoadOutcome> {
  const read = await inspectParquet(engine, source, limits);
  if (read.type === 'rejected') return read;
  const selection = read.expressions.map((expression, i) => `${expression} AS c${i}`).join(', ');
  try {
    await engine.run(`
      COPY (SELECT ${selection} FROM ${read.from}) TO ${literal(target)}
      (FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE ${rowsPerGroup(read, limits)}, USE_TMP_FILE false)`);
  } catch (error) {
    if (!isOfFile(error)) throw error;
    return { type: 'rejected', problems: [damaged()] };
  }
  return { ...read, type: 'loaded', file: target, delimiter: null, warnings: [] };
}

/**
 * The rows of several files below one another, in the order and with the column names of the first. The further ones
 * must have the same columns; their order may be another.
 */
export async function loadSources(engine: TableEngine, sources: readonly string[], options: LoadOptions): Promise<LoadOutcome> {
  const tables: RawTable[] = [];
  for (const [i, source] of sources.entries()) {
    const loaded = await loadSource(engine, source, path.join(engine.folder, `raw-${i}.parquet`), options.dialects?.[i] ?? {}, options);
    if (loaded.type === 'rejected') return loaded;
    const differing = tables[0] && problemsOfNames(tables[0].names, loaded.names);
    if (differing && differing.length > 0) return { type: 'rejected', problems: differing };
    tables.push(loaded);
  }
  const first = tables[0]!;
  if (tables.length === 1) return first;
  const rowCount = tables.reduce((sum, table) => sum + table.rowCount, 0);
  if (rowCount > options.limits.maxRows) {
    return {
      type: 'rejected',
      problems: [tooManyRows({ limit: options.limits.maxRows, found: rowCount }, 'Append fewer rows, begin a new data set with the latest rows')],
    };
  }
  const bytes = tables.reduce((sum, table) => sum + table.bytes, 0);
  const file = path.join(engine.folder, 'raw.parquet');
  const parts = tables.map((table) => `SELECT ${first.names.map((name, i) => `c${table.names.indexOf(name)} AS c${i}`).join(', ')} FROM read_parquet(${literal(table.file)})`);
  await engine.run(`
    COPY (${parts.join(' UNION ALL ')}) TO ${literal(file)}
    (FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE ${rowsPerGroup({ bytes, rowCount, names: first.names }, options.limits)}, USE_TMP_FILE false)`);
  for (const table of tables) await rm(table.file);
  const words = new Set([...first.words].filter((i) => tables.every((table) => table.words.has(table.names.indexOf(first.names[i]!)))));
  return { ...first, file, rowCount, bytes, words, warnings: tables.flatMap(({ warnings }) => warnings) };
}

function problemsOfNames(expected: readonly string[], found: readonly string[]): FileProblem[] {
  const missing = expected.filter((name) => !found.includes(name));
  const extra = found.filter((name) => !expected.includes(name));
  const remedy = 'Give the file the columns of the data set, or add it as a new version.';
  return [
    ...missing.slice(0, 5).map((name) => ({ code: 'column_missing', field: name, message: `The file lacks the column “${name}” of the data set.`, remedy })),
    ...extra.slice(0, 5).map((name) => ({ code: 'unknown_column', field: name, message: `The data set has no column “${name}”.`, remedy })),
  ];
}

/** Bytes of a row in memory. */
export function bytesPerRow({ bytes, rowCount, names }: Pick<RawTable, 'bytes' | 'rowCount' | 'names'>): number {
  return bytes / rowCount + bytesOfReference * names.length;
}

/** The Parquet writer holds one group of rows in memory: an eighth of what there is, in whole vectors of 2048 rows. */
export function rowsPerGroup(table: Pick<RawTable, 'bytes' | 'rowCount' | 'names'>, { memoryMb }: FileLimits): number {
  const rows = (memoryMb * 1024 * 1024) / 8 / bytesPerRow(table);
  return 2048 * Math.min(60, Math.max(1, Math.floor(rows / 2048)));
}

/**
 * Writes all cells as text to the columns c0, c1, … of a Parquet file. Nothing is left for DuckDB to guess, skip or pad,
 * and the rows are counted against those that were read.
 */
async function loadText(
  engine: TableEngine,
  file: string,
  target: string,
  { names, rowCount, longestLine }: { names: string[]; rowCount: number; longestLine: number },
  rowGroup: number,
): Promise<void> {
  const columns = names.map((_, i) => `c${i}: 'VARCHAR'`).join(', ');
  await engine.run(`
    COPY (SELECT * FROM read_csv(${literal(file)}, auto_detect = false, columns = {${columns}}, header = false,
      delim = ',', quote = '"', escape = '"', new_line = '\\n', nullstr = '', allow_quoted_nulls = true, compression = 'none',
      strict_mode = true, null_padding = false, ignore_errors = false,
      max_line_size = ${longestLine + 2}, buffer_size = ${Math.max(4 * 1024 * 1024, 2 * longestLine + 4)}))
    TO ${literal(target)} (FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE ${rowGroup}, USE_TMP_FILE false)`);
  const [row] = await engine.rows(`SELECT num_rows::DOUBLE FROM parquet_file_metadata(${literal(target)})`);
  if (row![0] !== rowCount) throw new Error(`${rowCount} rows were read, but ${String(row![0])} loaded`);
}
