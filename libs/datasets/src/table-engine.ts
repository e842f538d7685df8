import path from 'node:path';
import { DuckDBInstance, type DuckDBConnection, type DuckDBDataChunk } from '@duckdb/node-api';
import { DomainError } from '@millrace/kernel';
import { withWorkFolder } from './work-folder.ts';

export interface TableEngineOptions {
  /** the only files outside its own folder that the engine may touch */
  files: string[];
  memoryMb: number;
  threads: number;
  signal?: AbortSignal | undefined;
}

/** A DuckDB instance of its own for one piece of work. SQL comes from our code only; user text enters as quoted literals. */
export interface TableEngine {
  /** a folder for intermediate files, gone afterwards */
  folder: string;
  run(sql: string): Promise<void>;
  /** Counts must be cast to DOUBLE: 64-bit integers come as `bigint`. */
  rows(sql: string): Promise<unknown[][]>;
  /** Adds rows to a table of texts and blobs, in its columns' order. */
  append(table: string, rows: readonly (readonly (string | Uint8Array)[])[]): Promise<void>;
  /** Streams the result in the order of its rows. */
  chunks(sql: string): AsyncIterable<DuckDBDataChunk>;
}

/** The table doesn't fit into the memory or the temporary files it may use. */
export class TableTooLargeError extends Error {}

/**
 * Opens an engine that can read and write `files` and its own folder, nothing else: no other path, no network, no
 * extension, no change of settings. All that is left of it afterwards are `files`.
 */
export async function withTableEngine<T>(options: TableEngineOptions, use: (engine: TableEngine) => Promise<T>): Promise<T> {
  options.signal?.throwIfAborted();
  return withWorkFolder((folder) => openEngine(folder, options, use));
}

async function openEngine<T>(folder: string, options: TableEngineOptions, use: (engine: TableEngine) => Promise<T>): Promise<T> {
  let instance: DuckDBInstance | undefined;
  let connection: DuckDBConnection | undefined;
  const interrupt = (): void => connection?.interrupt();
  try {
    instance = await DuckDBInstance.create(':memory:', {
      memory_limit: `${options.memoryMb}MiB`,
      threads: `${options.threads}`,
      temp_directory: path.join(folder, 'spill'),
      max_temp_directory_size: `${options.memoryMb * 16}MiB`,
      home_directory: folder,
      extension_directory: path.join(folder, 'extensions'),
      autoload_known_extensions: 'false',
      autoinstall_known_extensions: 'false',
      allow_community_extensions: 'false',
      allow_unsigned_extensions: 'false',
    });
    connection = await instance.connect();
    await connection.run(`SET allowed_paths = [${options.files.map(literal).join(', ')}]`);
    await connection.run(`SET allowed_directories = [${literal(`${folder}${path.sep}`)}]`);
    await connection.run(`SET TimeZone = 'UTC'`);
    await connection.run('SET enable_external_access = false');
    await connection.run('SET lock_configuration = true');
    options.signal?.addEventListener('abort', interrupt, { once: true });
    return await use(engineOn(connection, folder, options.signal));
  } finally {
    options.signal?.removeEventListener('abort', interrupt);
    connection?.closeSync();
    instance?.closeSync();
  }
}

/** An SQL string. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** An SQL name. */
export function quotedName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function engineOn(connection: DuckDBConnection, folder: string, signal: AbortSignal | undefined): TableEngine {
  const translated = async <R>(work: () => Promise<R>): Promise<R> => {
    signal?.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      signal?.throwIfAborted(); // an interrupted statement fails with an error of its own
      throw translate(error);
    }
  };
  return {
    folder,
    run: (sql) => translated(async () => void (await connection.run(sql))),
    rows: (sql) => translated(async () => (await connection.runAndReadAll(sql)).getRowsJS()),
    append: (table, rows) =>
      translated(async () => {
        const appender = await connection.createAppender(table);
        try {
          for (const row of rows) {
            for (const value of row) {
              if (typeof value === 'string') appender.appendVarchar(value);
              else appender.appendBlob(value);
            }
            appender.endRow();
          }
        } finally {
          appender.closeSync();
        }
      }),
    async *chunks(sql) {
      const result = await translated(() => connection.stream(sql));
      for (;;) {
        const chunk = await translated(() => result.fetchChunk());
        if (chunk === null || chunk.rowCount === 0) return;
        yield chunk;
      }
    },
  };
}

function translate(error: unknown): unknown {
  const message = typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : '';
  if (/^Out of Memory Error/.test(message)) return new TableTooLargeError(message, { cause: error });
  if (/No space left on device/i.test(message)) {
    return new DomainError('UNAVAILABLE', 'There is no space left for temporary files.', {
      remedy: 'Free space in the temporary folder, then try again. Nothing was stored.',
      cause: error,
    });
  }
  return error;
}
