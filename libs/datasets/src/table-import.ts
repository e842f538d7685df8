import { randomUUID } from 'node:crypto';
import { open, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { profileColumn } from './column-profile.ts';
import { typeColumn } from './column-typing.ts';
import { warnAboutValues } from './column-warnings.ts';
import { isImageArchive } from './image-archive.ts';
import { importImages } from './image-import.ts';
import { warnAboutRows } from './row-warnings.ts';
import { decimalSignOf, type Delimiter, type FileDialect } from './file-dialect.ts';
import { literal, quotedName, TableTooLargeError, withTableEngine, type TableEngine } from './table-engine.ts';
import { bytesPerRow, isParquet, loadSources, rowsPerGroup } from './table-source.ts';
import { defaultFileLimits, type ColumnProfile, type ColumnType, type FileLimits, type FileProblem, type FileWarning } from './table-file.ts';
import { typesKey } from './types-key.ts';
import { withWorkFolder } from './work-folder.ts';

export interface InspectOptions {
  /** those left out have the values of `defaultFileLimits` */
  limits?: Partial<FileLimits>;
  /** types that the user corrected, by column name */
  overrides?: Readonly<Record<string, ColumnType>>;
  /** what was declared of each file, in their order */
  dialects?: readonly FileDialect[];
  signal?: AbortSignal;
}

export interface ImportOptions extends InspectOptions {
  sourcePath: string;
  /** further files with the same columns, whose rows follow */
  morePaths?: readonly string[];
  /** of the Parquet file, in a folder that exists; appears only when whole, and replaces what is there */
  targetPath: string;
}

interface Inspected {
  columns: ColumnProfile[];
  rowCount: number;
  /** null where the file isn't delimited text */
  delimiter: Delimiter | null;
  warnings: FileWarning[];
}

export type Rejected = { type: 'rejected'; problems: FileProblem[] };
export type InspectOutcome = ({ type: 'tabular' } & Inspected) | Rejected;
export type ImportOutcome = ({ type: 'imported'; sizeBytes: number } & Inspected) | Rejected;

const columnTypes: readonly ColumnType[] = ['number', 'category', 'binary', 'text', 'date'];

/** Parses, types and profiles a table (delimited text, JSON Lines, Parquet, or a zip archive of pictures) without keeping anything. */
export async function inspectFile(sourcePath: string, options: InspectOptions = {}): Promise<InspectOutcome> {
  const outcome = await withWorkFolder((folder) => parseTable([sourcePath], path.join(folder, 'typed.parquet'), options));
  return outcome.type === 'rejected' ? outcome : { type: 'tabular', ...outcome.inspected };
}

/** Parses a table, or archives of pictures, once: typed, profiled, and stored as Parquet with the same column names, rows in their order. */
export async function importTable({ sourcePath, morePaths = [], targetPath, ...options }: ImportOptions): Promise<ImportOutcome> {
  const target = path.resolve(targetPath);
  const part = `${target}.${randomUUID()}.part`;
  try {
    const outcome = await parseTable([sourcePath, ...morePaths], part, options);
    if (outcome.type === 'rejected') return outcome;
    await syncFile(part);
    const { size } = await stat(part);
    await rename(part, target);
    return { type: 'imported', sizeBytes: size, ...outcome.inspected };
  } finally {
    await rm(part, { force: true });
  }
}

/**
 * A file of any format, then Parquet of text, then Parquet of typed columns: no step holds the table in memory, however long or wide
 * it is, and each column's type and profile are worked out from that column alone.
 */
async function parseTable(
  sources: readonly string[],
  target: string,
  { limits: givenLimits, overrides = {}, dialects = [], signal }: InspectOptions,
): Promise<{ type: 'parsed'; inspected: Inspected } | Rejected> {
  const limits = { ...defaultFileLimits, ...givenLimits };
  const decimal = decimalSignOf(dialects);
  if (decimal.type === 'rejected') return decimal;
  try {
    const archives = await Promise.all(sources.map(isImageArchive));
    if (archives.every(Boolean)) return await importImages(sources, target, limits, overrides, signal);
    if (archives.some(Boolean)) {
      return { type: 'rejected', problems: [{ code: 'mixed_formats', field: 'file', message: 'A table and an archive of pictures can’t be one data set.', remedy: 'Append files of the data set’s own kind.' }] };
    }
    const files = [target];
    for (const source of sources) if (await isParquet(source)) files.push(source);
    return await withTableEngine({ files, memoryMb: limits.memoryMb, threads: limits.threads, signal }, async (engine) => {
      const raw = await loadSources(engine, sources, { limits, signal, dialects });
      if (raw.type === 'rejected') return raw;
      const { names, rowCount } = raw;
      const wrongOverrides = checkOverrides(overrides, names);
      if (wrongOverrides.length > 0) return { type: 'rejected', problems: wrongOverrides };
      const atOnce = columnsAtOnce((bytesPerRow(raw) / names.length) * rowCount, limits.memoryMb * 1024 * 1024);

      const warnings = [...raw.warnings];
      const problems: FileProblem[] = [];
      const expressions: string[] = [];
      const types: ColumnType[] = [];
      await eachColumn(engine, 'raw', raw.file, names.map((_, i) => `c${i}`), atOnce, async (i) => {
        const name = names[i]!;
        const typed = await typeColumn(engine, `c${i}`, name, {
          ...(Object.hasOwn(overrides, name) ? { wanted: overrides[name]! } : {}),
          isWords: raw.words.has(i),
          decimalSign: decimal.sign,
        });
        if (typed.type === 'mismatch') {
          problems.push(typed.problem);
          return;
        }
        expressions.push(`${typed.expression} AS ${quotedName(name)}`);
        types.push(typed.columnType);
        warnings.push(...typed.warnings);
      });
      if (problems.length > 0) return { type: 'rejected', problems };

      const typesByName = JSON.stringify(Object.fromEntries(names.map((name, i) => [name, types[i]])));
      await engine.run(`
        COPY (SELECT ${expressions.join(', ')} FROM read_parquet(${literal(raw.file)})) TO ${literal(target)}
        (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${rowsPerGroup(raw, limits)}, USE_TMP_FILE false, KV_METADATA {${typesKey}: ${literal(typesByName)}})`);
      const columns: ColumnProfile[] = [];
      await eachColumn(engine, 'typed', target, names.map((name, i) => `${quotedName(name)} AS c${i}`), atOnce, async (i) => {
        const column = await profileColumn(engine, `c${i}`, { name: names[i]!, type: types[i]!, rowCount });
        columns.push(column);
        warnings.push(...warningsOf(column, rowCount), ...(await warnAboutValues(engine, `c${i}`, column, rowCount)));
      });
      warnings.push(...(await warnAboutRows(engine, target, columns, rowCount)));
      return { type: 'parsed', inspected: { columns, rowCount, delimiter: raw.delimiter, warnings } };
    });
  } catch (error) {
    if (!(error instanceof TableTooLargeError)) throw error;
    return {
      type: 'rejected',
      problems: [
        {
          code: 'table_too_large',
          field: 'file',
          message: `The table needs more than the ${limits.memoryMb} MiB of memory that one file may use.`,
          remedy: 'Upload fewer rows or columns, or ask the operator for a higher limit.',
        },
      ],
    };
  }
}

/** A quarter of the memory for columns, the rest for sorting and grouping them; what is still too much is spilled. */
function columnsAtOnce(bytesPerColumn: number, memoryBytes: number): number {
  return Math.min(64, Math.max(1, Math.floor(memoryBytes / 4 / bytesPerColumn)));
}

/**
 * Calls `use` for each column in turn, while a table `name` holds it and a few others, with `file_row_number` from 0.
 * Asking the file itself would cost time by the square of the number of columns, since each query looks at all of them.
 */
async function eachColumn(
  engine: TableEngine,
  name: 'raw' | 'typed',
  parquet: string,
  columns: string[],
  atOnce: number,
  use: (index: number) => Promise<void>,
): Promise<void> {
  for (let from = 0; from < columns.length; from += atOnce) {
    const some = columns.slice(from, from + atOnce);
    await engine.run(`CREATE TABLE ${name} AS SELECT ${some.join(', ')}, file_row_number FROM read_parquet(${literal(parquet)}, file_row_number = true)`);
    for (const i of some.keys()) await use(from + i);
    await engine.run(`DROP TABLE ${name}`);
  }
}

function checkOverrides(overrides: Readonly<Record<string, ColumnType>>, names: string[]): FileProblem[] {
  return Object.entries(overrides).flatMap(([name, type]): FileProblem[] => {
    if (!names.includes(name)) {
      return [{ code: 'unknown_column', field: name, message: `The file has no column “${name}”.`, remedy: `Use one of: ${names.slice(0, 20).join(', ')}${names.length > 20 ? ', …' : ''}.` }];
    }
    if (!columnTypes.includes(type)) {
      return [{ code: 'unknown_type', field: name, message: `There is no column type “${String(type)}”.`, remedy: `Use one of: ${columnTypes.join(', ')}.` }];
    }
    return [];
  });
}

function warningsOf({ name, flags, missing, distinct }: ColumnProfile, rowCount: number): FileWarning[] {
  const warnings: FileWarning[] = [];
  const warn = (code: string, message: string): void => {
    warnings.push({ code, field: name, message });
  };
  if (flags.includes('empty')) warn('empty_column', 'The column has no values. Leave it out.');
  if (flags.includes('constant')) warn('constant_column', 'The column has one value only: a model learns nothing from it.');
  if (flags.includes('identifier')) warn('identifier_column', `All ${distinct} values differ: the column names its row. Leave it out, or a model learns the rows by heart.`);
  if (!flags.includes('empty') && missing * 2 > rowCount) warn('mostly_missing', `${missing} of ${rowCount} values are missing.`);
  return warnings;
}

async function syncFile(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
