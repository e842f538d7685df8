import { open, type FileHandle } from 'node:fs/promises';
import { headBytes, lookAtStart } from './delimited-start.ts';
import type { Delimiter } from './file-dialect.ts';
import { type DelimitedText, RowReader } from './row-reader.ts';
import type { FileLimits } from './table-file.ts';

/** Small enough that other requests of the process get their turn between two chunks. */
const chunkBytes = 256 * 1024;

/**
 * Reads a table in delimited text once, checks everything that can be wrong with its bytes and its layout, and writes
 * the rows to `target` in one plain form, whatever the dialect: UTF-8 without byte order mark, comma, LF, a cell in
 * quotes only where it must be, no header, no blank lines, no space around cells. What reads `target` needs to guess
 * nothing. The grammar is RFC 4180 with any of four delimiters and any line ends; a quote inside an unquoted cell is an
 * ordinary character.
 */
export async function normaliseDelimitedText(
  source: string,
  target: string,
  /** `delimiter`: as declared; found from the first rows where it isn't */
  { limits, signal, delimiter }: { limits: FileLimits; signal?: AbortSignal | undefined; delimiter?: Delimiter | undefined },
): Promise<DelimitedText> {
  const input = await open(source, 'r');
  try {
    const head = await readHead(input);
    const start = lookAtStart(head, delimiter);
    if (start.type === 'rejected') return start;

    const output = await open(target, 'w', 0o600);
    try {
      const reader = new RowReader(start.delimiter, start.line, limits);
      const buffer = new Uint8Array(chunkBytes);
      for (let position = start.offset; !reader.stopped; ) {
        signal?.throwIfAborted();
        const { bytesRead } = await input.read(buffer, 0, buffer.length, position);
        if (bytesRead === 0) break;
        position += bytesRead;
        reader.take(buffer.subarray(0, bytesRead));
        await writeAll(output, reader.drain());
      }
      reader.end();
      await writeAll(output, reader.drain());
      return reader.result();
    } finally {
      await output.close();
    }
  } finally {
    await input.close();
  }
}

async function readHead(input: FileHandle): Promise<Uint8Array> {
  const buffer = new Uint8Array(headBytes);
  let length = 0;
  while (length < buffer.length) {
    const { bytesRead } = await input.read(buffer, length, buffer.length - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return buffer.subarray(0, length);
}

async function writeAll(output: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length; ) offset += (await output.write(bytes, offset)).bytesWritten;
}
