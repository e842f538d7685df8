import { createReadStream, createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { finished } from 'node:stream/promises';
import { readColumnNames } from './column-names.ts';
import { tooManyColumns, tooManyRows } from './size-problems.ts';
import type { FileLimits, FileProblem } from './table-file.ts';

export type JsonLines =
  | { type: 'read'; names: string[]; rowCount: number; longestLine: number; bytes: number; words: Set<number> }
  | { type: 'rejected'; problems: FileProblem[] };

/**
 * Reads JSON Lines (one object a line) twice: once for its columns, in the order in which they first occur, and once for
 * the rows, which it writes to `target` as comma-separated text, as `normaliseDelimitedText` does. A member that is absent
 * or null is a missing value; what is nested is refused.
 */
export async function normaliseJsonLines(source: string, target: string, limits: FileLimits, signal?: AbortSignal): Promise<JsonLines> {
  const positions = new Map<string, number>();
  /** whether a column holds words: something that isn't one, or nothing yet */
  const kinds: ('words' | 'other' | null)[] = [];
  let rowCount = 0;
  let lastLine = 0;
  const reject = (problem: FileProblem): JsonLines => ({ type: 'rejected', problems: [problem] });

  for await (const read of linesOf(source, limits, signal)) {
    if (read.type === 'rejected') return reject(read.problem);
    lastLine = read.line;
    const parsed = objectIn(read.text, read.line);
    if (parsed.type === 'rejected') return reject(parsed.problem);
    rowCount++;
    if (rowCount > limits.maxRows) {
      return reject(tooManyRows({ limit: limits.maxRows, line: read.line }));
    }
    for (const [name, value] of Object.entries(parsed.row)) {
      const unfit = problemOfValue(name, value, read.line, limits);
      if (unfit) return reject(unfit);
      let at = positions.get(name);
      if (at === undefined) {
        at = positions.size;
        positions.set(name, at);
        kinds.push(null);
      }
      if (value !== null && kinds[at] !== 'other') kinds[at] = typeof value === 'string' ? 'words' : 'other';
    }
    if (positions.size > limits.maxColumns) {
      return reject(tooManyColumns({ limit: limits.maxColumns, line: read.line }));
    }
  }
  if (rowCount === 0 || positions.size === 0) {
    return reject({ code: 'no_rows', field: 'file', message: 'The file holds no row with a value.', remedy: 'Write one JSON object a line, with a member for each column.' });
  }
  const named = readColumnNames([...positions.keys()], 1, limits);
  if (named.type === 'rejected') return { type: 'rejected', problems: named.problems.map(({ row: _row, ...problem }) => problem) };

  const keys = [...positions.keys()];
  const output = createWriteStream(target, { mode: 0o600 });
  let [longestLine, bytes] = [0, 0];
  try {
    for await (const read of linesOf(source, limits, signal)) {
      if (read.type === 'rejected') throw new Error(`${source} changed while it was read, at line ${lastLine}`);
      const row = JSON.parse(read.text) as Record<string, unknown>;
      const cells = keys.map((key) => quoted(Object.hasOwn(row, key) ? row[key] : null));
      const line = `${keys.length === 1 && cells[0] === '' ? '""' : cells.join(',')}\n`;
      const length = Buffer.byteLength(line);
      longestLine = Math.max(longestLine, length);
      bytes += length;
      if (!output.write(line)) await once(output, 'drain');
    }
  } finally {
    output.end();
    await finished(output);
  }
  return { type: 'read', names: named.names, rowCount, longestLine, bytes, words: new Set(kinds.flatMap((kind, i) => (kind === 'words' ? [i] : []))) };
}

function quoted(value: unknown): string {
  if (value === null || value === undefined) return '';
  const text = String(value).trim();
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function objectIn(text: string, line: number): { type: 'object'; row: Record<string, unknown> } | { type: 'rejected'; problem: FileProblem } {
  const remedy = 'Write one JSON object a line, such as {"temperature": 21.5, "state": "ok"}.';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { type: 'rejected', problem: { code: 'invalid_json', field: 'file', row: line, message: `Line ${line} isn’t valid JSON.`, remedy } };
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { type: 'object', row: value as Record<string, unknown> };
  return { type: 'rejected', problem: { code: 'invalid_json', field: 'file', row: line, message: `Line ${line} holds no JSON object.`, remedy } };
}

function problemOfValue(name: string, value: unknown, line: number, limits: FileLimits): FileProblem | null {
  const problem = (code: string, message: string, remedy: string): FileProblem => ({ code, field: name || 'file', row: line, message: `Line ${line}: ${message}`, remedy });
  if (typeof value === 'object' && value !== null) {
    return problem('nested_column', `“${name}” holds ${Array.isArray(value) ? 'a list' : 'an object'}; a cell holds one value.`, 'Give each part of it a column of its own, or leave it out.');
  }
  if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    return problem('number_too_large', `“${name}” holds a number too large to be read exactly.`, 'Write it as text, in quotes.');
  }
  if (typeof value === 'string' && value.length > limits.maxCellBytes / 4 && Buffer.byteLength(value) > limits.maxCellBytes) {
    return problem('cell_too_long', `“${name}” is longer than ${limits.maxCellBytes} bytes.`, 'Shorten the value or leave the column out.');
  }
  if (typeof value === 'string' && value.includes('\0')) return problem('nul_byte', `“${name}” holds a zero byte.`, 'Remove it.');
  return null;
}

type Line = { type: 'line'; text: string; line: number } | { type: 'rejected'; problem: FileProblem };

/** The lines that aren't blank. */
async function* linesOf(source: string, { maxRowBytes }: FileLimits, signal?: AbortSignal): AsyncGenerator<Line> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let line = 1;
  let rest = '';
  const tooLong = (): Line => ({
    type: 'rejected',
    problem: { code: 'row_too_long', field: 'file', row: line, message: `Line ${line} is longer than ${maxRowBytes} bytes.`, remedy: 'Write one object a line, and leave out its longest members.' },
  });
  const notUtf8 = (): Line => ({
    type: 'rejected',
    problem: { code: 'wrong_encoding', field: 'file', row: line, message: `At line ${line} or soon after, the file isn’t valid UTF-8.`, remedy: 'JSON is written in UTF-8: write the file anew.' },
  });
  for await (const chunk of createReadStream(source, { highWaterMark: 256 * 1024, ...(signal ? { signal } : {}) }) as AsyncIterable<Buffer>) {
    try {
      rest += decoder.decode(chunk, { stream: true });
    } catch {
      yield notUtf8();
      return;
    }
    const lines = rest.split('\n');
    rest = lines.pop()!;
    for (const text of lines) {
      if (text.length > maxRowBytes) {
        yield tooLong();
        return;
      }
      if (text.trim() !== '') yield { type: 'line', text, line };
      line++;
    }
    if (rest.length > maxRowBytes) {
      yield tooLong();
      return;
    }
  }
  try {
    rest += decoder.decode();
  } catch {
    yield notUtf8();
    return;
  }
  if (rest.trim() !== '') yield { type: 'line', text: rest, line };
}
