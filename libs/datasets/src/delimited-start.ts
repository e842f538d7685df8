import { type Delimiter, delimiters, wrongDelimiter } from './file-dialect.ts';
import { recogniseOtherFormat } from './file-signature.ts';
import type { FileProblem } from './table-file.ts';

/** So much of a file is looked at to find its delimiter. */
export const headBytes = 256 * 1024;

const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;
const QUOTE = 34;
const COMMA = 44;

/** Where the rows begin, and what delimits their cells; or why this is no such table. */
export type Start = { type: 'text'; delimiter: number; offset: number; line: number } | { type: 'rejected'; problems: FileProblem[] };

/**
 * Looks at the first bytes of a file, which `headBytes` are or all of it.
 * @param wanted the delimiter as declared; found from the first rows where it isn't
 */
export function lookAtStart(head: Uint8Array, wanted: Delimiter | undefined): Start {
  const reject = (code: string, message: string, remedy: string): Start => ({
    type: 'rejected',
    problems: [{ code, field: 'file', message, remedy }],
  });
  const saveAsUtf8 = 'Save the file as UTF-8 (in Excel: “CSV UTF-8”) and upload it again.';
  if (head.length === 0) return reject('empty_file', 'The file is empty.', 'Upload a file with one line of column names and at least one row.');
  if (begins(head, [0xff, 0xfe, 0, 0]) || begins(head, [0, 0, 0xfe, 0xff])) {
    return reject('wrong_encoding', 'The file is encoded as UTF-32.', saveAsUtf8);
  }
  const format = recogniseOtherFormat(head);
  if (format) {
    return reject('wrong_file_type', `The file is ${format}, not a table in text, whatever its name says.`, 'Export the table as CSV, TSV, JSON Lines (one object a line) or Parquet and upload that.');
  }
  const markEnd = begins(head, [0xef, 0xbb, 0xbf]) ? 3 : 0;
  const text = head.subarray(markEnd);
  // Excel's own way to name the delimiter, and the only line that isn't part of the table.
  const declared = /^sep=([,;\t|])(\r\n|\r|\n)/i.exec(Buffer.from(text.subarray(0, 16)).toString('latin1'));
  if (declared && wanted !== undefined && declared[1] !== wanted) return { type: 'rejected', problems: [wrongDelimiter(wanted, 1, declared[1] as Delimiter)] };
  if (declared) return { type: 'text', delimiter: declared[1]!.charCodeAt(0), offset: markEnd + declared[0].length, line: 2 };
  const found = sniffDelimiter(text);
  if (wanted === undefined) return { type: 'text', delimiter: found, offset: markEnd, line: 1 };
  const columns = (delimiter: number): number => countCells(text, delimiter)[0] ?? 0;
  if (columns(wanted.charCodeAt(0)) < 2 && columns(found) > 1) {
    return { type: 'rejected', problems: [wrongDelimiter(wanted, firstLine(text), String.fromCharCode(found) as Delimiter)] };
  }
  return { type: 'text', delimiter: wanted.charCodeAt(0), offset: markEnd, line: 1 };
}

/** Of the header: blank lines may go before it. */
function firstLine(text: Uint8Array): number {
  const before = /^\s*/.exec(Buffer.from(text.subarray(0, 4096)).toString('latin1'))![0];
  return before.split(/\r\n|\r|\n/).length;
}

function begins(bytes: Uint8Array, start: number[]): boolean {
  return start.every((byte, i) => bytes[i] === byte);
}

/**
 * The delimiter under which most rows have as many cells as the first; among equals, the one that gives more cells.
 * A comma when none occurs in the first row: a table of one column.
 */
function sniffDelimiter(head: Uint8Array): number {
  let best = { delimiter: COMMA, agreement: 0, cells: 1 };
  for (const candidate of delimiters) {
    const delimiter = candidate.charCodeAt(0);
    const counts = countCells(head, delimiter);
    const cells = counts[0] ?? 0;
    if (cells < 2) continue;
    const agreement = counts.filter((count) => count === cells).length / counts.length;
    if (agreement > best.agreement || (agreement === best.agreement && cells > best.cells)) best = { delimiter, agreement, cells };
  }
  return best.delimiter;
}

/** Cells of each of the first rows that are whole in `head`; blank lines left out. */
function countCells(head: Uint8Array, delimiter: number): number[] {
  const counts: number[] = [];
  let cells = 1;
  let blank = true;
  let quoted = false;
  let atStart = true;
  for (let i = 0; i < head.length && counts.length < 500; i++) {
    const byte = head[i]!;
    if (quoted) {
      if (byte === QUOTE) {
        if (head[i + 1] === QUOTE) i++;
        else quoted = false;
      }
    } else if (byte === delimiter) {
      cells++;
      blank = false;
      atStart = true;
    } else if (byte === LF || byte === CR) {
      if (!blank) counts.push(cells);
      cells = 1;
      blank = true;
      atStart = true;
    } else if (byte === QUOTE && atStart) {
      quoted = true;
      blank = false;
      atStart = false;
    } else if (byte !== SPACE && byte !== TAB) {
      blank = false;
      atStart = false;
    }
  }
  if (!blank && (counts.length === 0 || head.length < headBytes)) counts.push(cells);
  return counts;
}
