import { DomainError } from '@millrace/kernel';
import { isoTextOf } from './column-profile.ts';
import { literal, quotedName, withTableEngine, type TableEngine } from './table-engine.ts';
import { defaultFileLimits, type ColumnType } from './table-file.ts';
import { typesKey } from './types-key.ts';

/** A column in memory. Missing: NaN in a column of numbers, null in any other. Dates are ISO 8601 text, images the bytes of their files. */
export type TableColumn<T extends ColumnType = ColumnType> = T extends 'number'
  ? { name: string; type: T; values: Float64Array }
  : T extends 'image'
    ? { name: string; type: T; values: (Uint8Array | null)[] }
    : { name: string; type: T; values: (string | null)[] };

export interface Table<T extends ColumnType = ColumnType> {
  rows: number;
  columns: TableColumn<T>[];
}

export type SampleRow = Record<string, number | string | null>;

/**
 * Reads columns of a Parquet file that `importTable` wrote, all of them if none are named, rows in the file's order.
 * A column may be read as another type than its own: numbers as words (written as JavaScript writes them: `1`, `0.5`)
 * and words as numbers if every one is. Throws `DomainError` `INVALID`, naming the field, for an unknown column or one
 * that can't be read so.
 */
export async function readTable<T extends ColumnType = ColumnType>(
  parquetPath: string,
  columns?: readonly { name: string; type: T }[],
  { signal }: { signal?: AbortSignal } = {},
): Promise<Table<T>> {
  return onParquet(parquetPath, signal, async (engine, stored) => {
    const wanted = columns ?? [...stored.types].map(([name, type]) => ({ name, type: type as T }));
    const selection = wanted.map(({ name, type }, i) => `${expressionFor(name, type, stored.types.get(name))} AS c${i}`);
    const readers = wanted.map(({ type }) => (type === 'number' ? numberReader(stored.rows) : type === 'image' ? imageReader(stored.rows) : wordReader(stored.rows)));
    let row = 0;
    if (wanted.length > 0) {
      for await (const chunk of engine.chunks(`SELECT ${selection.join(', ')} FROM read_parquet(${literal(parquetPath)})`)) {
        for (const [i, reader] of readers.entries()) {
          const vector = chunk.getColumnVector(i);
          for (let j = 0; j < chunk.rowCount; j++) reader.take(row + j, vector.getItem(j));
        }
        row += chunk.rowCount;
      }
      if (row !== stored.rows) throw new Error(`${parquetPath} has ${stored.rows} rows, but ${row} were read`);
    }
    return {
      rows: stored.rows,
      columns: wanted.map(({ name, type }, i) => {
        const { values, wrong } = readers[i]!;
        if (wrong !== null) throw unreadable(name, `“${wrong}” isn’t a number.`);
        return { name, type, values } as TableColumn<T>;
      }),
    };
  });
}

/** At most `count` rows spread evenly over the file, the same ones every time. Numbers stay numbers, the rest is text; of an image it is the size. */
export async function sampleRows(parquetPath: string, count: number): Promise<SampleRow[]> {
  return onParquet(parquetPath, undefined, async (engine, stored) => {
    const taken = Math.min(count, stored.rows);
    if (taken <= 0) return [];
    const positions = Array.from({ length: taken }, (_, i) => Math.floor((i * stored.rows) / taken));
    const names = [...stored.types.keys()];
    const selection = names.map((name) => (stored.types.get(name) === 'image' ? `octet_length(${quotedName(name)}) || ' bytes'` : expressionFor(name, stored.types.get(name)!, stored.types.get(name)))).join(', ');
    const rows = await engine.rows(`
      SELECT ${selection} FROM read_parquet(${literal(parquetPath)}, file_row_number = true)
      WHERE file_row_number IN (${positions.join(', ')}) ORDER BY file_row_number`);
    return rows.map((row) => Object.fromEntries(names.map((name, i) => [name, row[i] as number | string | null])));
  });
}

/** What a Parquet file of ours says of itself. */
export interface Stored {
  rows: number;
  /** in the order of the columns */
  types: Map<string, ColumnType>;
}

/** Runs `use` on an engine that can read `file`, which `importTable` wrote. */
export function onParquet<T>(file: string, signal: AbortSignal | undefined, use: (engine: TableEngine, stored: Stored) => Promise<T>): Promise<T> {
  const { memoryMb, threads } = defaultFileLimits;
  return withTableEngine({ files: [file], memoryMb, threads, signal }, async (engine) => {
    const [row] = await engine.rows(`
      SELECT (SELECT num_rows FROM parquet_file_metadata(${literal(file)}))::DOUBLE,
        (SELECT decode(value) FROM parquet_kv_metadata(${literal(file)}) WHERE decode(key) = ${literal(typesKey)})`);
    if (typeof row![1] !== 'string') throw new Error(`${file} wasn't written by importTable`);
    return use(engine, { rows: Number(row![0]), types: new Map(Object.entries(JSON.parse(row![1]) as Record<string, ColumnType>)) });
  });
}

function expressionFor(name: string, type: ColumnType, stored: ColumnType | undefined): string {
  if (stored === undefined) throw unreadable(name, 'There is no such column in the data set.');
  const column = quotedName(name);
  if (type === 'date' && stored !== 'date') throw unreadable(name, `A column of type ${stored} can’t be read as dates.`);
  if ((type === 'image') !== (stored === 'image')) throw unreadable(name, `A column of type ${stored} can’t be read as ${type}.`);
  if (type === 'number' && stored === 'date') throw unreadable(name, 'A column of dates can’t be read as numbers.');
  return stored === 'date' ? isoTextOf(column) : column;
}

function unreadable(name: string, message: string): DomainError {
  return new DomainError('INVALID', `Column “${name}”: ${message}`, {
    field: name,
    remedy: 'Choose a column of the data set and a type that its values have.',
  });
}

interface ColumnReader {
  values: Float64Array | (string | null)[] | (Uint8Array | null)[];
  /** the first value that can't be read */
  wrong: string | null;
  take(row: number, value: unknown): void;
}

function numberReader(rows: number): ColumnReader {
  const values = new Float64Array(rows);
  return {
    values,
    wrong: null,
    take(row, value) {
      const number = value === null ? NaN : typeof value === 'string' ? numberIn(value) : Number(value);
      if (value !== null && Number.isNaN(number)) this.wrong ??= String(value);
      values[row] = number;
    },
  };
}

function imageReader(rows: number): ColumnReader {
  const values = new Array<Uint8Array | null>(rows).fill(null);
  return {
    values,
    wrong: null,
    take(row, value) {
      // The engine's own memory is gone with the chunk.
      values[row] = value === null ? null : Uint8Array.from((value as { bytes: Uint8Array }).bytes);
    },
  };
}

/** Equal words share one string, or a column of few categories would take the memory of as many strings as rows. */
function wordReader(rows: number): ColumnReader {
  const values = new Array<string | null>(rows);
  const known = new Map<unknown, string>();
  return {
    values,
    wrong: null,
    take(row, value) {
      if (value === null) {
        values[row] = null;
        return;
      }
      let word = known.get(value);
      if (word === undefined) {
        word = String(value);
        if (known.size < 10_000) known.set(value, word);
      }
      values[row] = word;
    },
  };
}

function numberIn(word: string): number {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(word) ? Number(word) : NaN;
}
