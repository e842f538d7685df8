import { readColumnNames } from './column-names.ts';
import { type Delimiter, delimiters } from './file-dialect.ts';
import { tooManyColumns, tooManyRows } from './size-problems.ts';
import type { FileLimits, FileProblem, FileWarning } from './table-file.ts';

/** What came of a table in delimited text; `longestLine` and `bytes` are of the normalised rows. */
export type DelimitedText =
  | { type: 'read'; names: string[]; rowCount: number; longestLine: number; bytes: number; delimiter: Delimiter; warnings: FileWarning[] }
  | { type: 'rejected'; problems: FileProblem[] };

const maxRaggedRows = 5;

// Of this file's own: an imported one is looked up anew for every byte.
const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;
const QUOTE = 34;
const COMMA = 44;

/** Where in a cell the reader is. */
const BEFORE = 0; // at its start, or in the space before it
const PLAIN = 1;
const QUOTED = 2;
const QUOTE_SEEN = 3; // inside quotes, after a quote: the end, or the first of a pair
const AFTER = 4; // behind the closing quote

/** Takes the bytes of a table's rows as they come, checks them, and gives them back in one plain form: see `normaliseDelimitedText`. */
export class RowReader {
  /** A fault was found that makes reading on pointless. */
  stopped = false;

  private readonly delimiter: number;
  private readonly limits: FileLimits;
  private readonly problems: FileProblem[] = [];
  private raggedRows = 0;

  private names: string[] | null = null;
  private namesLookLikeData = false;
  private rowCount = 0;
  private blankLines = 0;
  /** In a table of one column a blank line is a missing value, unless only blank lines follow. */
  private blanksInDoubt = 0;
  private trimmedCells = 0;

  private line: number;
  private rowLine: number;
  private quoteLine = 0;
  private afterCr = false;
  private state = BEFORE;
  /** Of the row at hand: its cells' bytes one after another, and where each ends. */
  private row = new Uint8Array(64 * 1024);
  private rowLength = 0;
  private cellStart = 0;
  private cellEnds: number[] = [];
  private anyQuoted = false;
  /** UTF-8: continuation bytes still due, and the bounds of the next one (RFC 3629, section 4). */
  private due = 0;
  private low = 0x80;
  private high = 0xbf;

  /** grows where what was taken in one go needs more */
  private out = new Uint8Array(512 * 1024);
  private outLength = 0;
  private emitted = 0;
  private longestLine = 0;

  constructor(delimiter: number, firstLine: number, limits: FileLimits) {
    this.delimiter = delimiter;
    this.limits = limits;
    this.line = firstLine;
    this.rowLine = firstLine;
  }

  take(bytes: Uint8Array): void {
    const { delimiter } = this;
    for (let i = 0; i < bytes.length && !this.stopped; i++) {
      const byte = bytes[i]!;
      if (this.due > 0 || byte >= 0x80) {
        if (!this.validUtf8(byte)) return this.refuseEncoding(byte);
      } else if (byte === 0) return this.refuseNul();

      if (this.afterCr) {
        this.afterCr = false;
        if (byte === LF) {
          if (this.state === QUOTED) this.push(LF);
          continue; // the line was counted at its CR
        }
      }
      if (this.state === QUOTED) {
        if (byte === QUOTE) this.state = QUOTE_SEEN;
        else {
          this.push(byte);
          if (byte === LF || byte === CR) this.line++;
          this.afterCr = byte === CR;
        }
      } else if (byte === QUOTE && this.state === QUOTE_SEEN) {
        this.push(QUOTE);
        this.state = QUOTED;
      } else if (byte === QUOTE && this.state === BEFORE) {
        if (this.rowLength > this.cellStart) this.trimmedCells++;
        this.rowLength = this.cellStart;
        this.state = QUOTED;
        this.quoteLine = this.line;
        this.anyQuoted = true;
      } else if (byte === delimiter) {
        this.endCell();
      } else if (byte === LF || byte === CR) {
        this.afterCr = byte === CR;
        this.endLine();
      } else if (this.state === BEFORE || this.state === PLAIN) {
        if (byte !== SPACE && byte !== TAB) this.state = PLAIN;
        this.push(byte);
      } else {
        this.state = AFTER;
        if (byte !== SPACE && byte !== TAB) return this.refuseStrayQuote();
      }
    }
  }

  end(): void {
    if (this.stopped) return;
    if (this.due > 0) return this.refuseEncoding(null);
    if (this.state === QUOTED) {
      return this.refuse('unterminated_quote', `A quote opened on line ${this.quoteLine} is never closed.`, 'Close the quote, or write a quote inside a cell twice.', this.quoteLine);
    }
    if (this.cellEnds.length > 0 || this.state !== BEFORE || this.rowLength > 0) this.endLine();
  }

  /** The normalised bytes since the last call; valid until the next `take`. */
  drain(): Uint8Array {
    const bytes = this.out.subarray(0, this.outLength);
    this.outLength = 0;
    return bytes;
  }

  result(): DelimitedText {
    if (this.problems.length === 0 && this.names === null) {
      this.refuse('empty_file', 'The file holds nothing but blank lines.', 'Upload a file with one line of column names and at least one row.');
    } else if (this.problems.length === 0 && this.rowCount === 0) {
      this.refuse('no_rows', 'The file has a line of column names and no row of data.', 'Add at least one row, or upload the file that holds the data.');
    }
    if (this.problems.length > 0) return { type: 'rejected', problems: this.problems };

    const warnings: FileWarning[] = [];
    const warn = (code: string, message: string): void => {
      warnings.push({ code, field: 'file', message });
    };
    if (this.names!.length === 1) {
      warn('one_column', 'The table has a single column. If it should have more: cells are separated by comma, semicolon, tab or vertical bar.');
    }
    if (this.namesLookLikeData) warn('header_looks_like_data', 'Half of the column names or more are numbers. If the first line is data, put a line of names above it.');
    if (this.blankLines > 0) warn('blank_lines', `${counted(this.blankLines, 'blank line was', 'blank lines were')} left out.`);
    if (this.trimmedCells > 0) warn('spaces_trimmed', `Space around ${counted(this.trimmedCells, 'cell', 'cells')} was removed.`);
    const delimiter = delimiters.find((one) => one.charCodeAt(0) === this.delimiter)!;
    return { type: 'read', names: this.names!, rowCount: this.rowCount, longestLine: this.longestLine, bytes: this.emitted, delimiter, warnings };
  }

  private push(byte: number): void {
    if (this.rowLength - this.cellStart >= this.limits.maxCellBytes) return this.refuseCell();
    if (this.rowLength >= this.limits.maxRowBytes) {
      return this.refuse('row_too_long', `Row on line ${this.rowLine} is longer than ${this.limits.maxRowBytes} bytes.`, 'Split the table, or leave out its longest columns.', this.rowLine);
    }
    if (this.rowLength === this.row.length) this.row = grown(this.row, this.row.length + 1);
    this.row[this.rowLength++] = byte;
  }

  private endCell(): void {
    this.trimCell();
    this.cellEnds.push(this.rowLength);
    this.cellStart = this.rowLength;
    this.state = BEFORE;
    const count = this.cellEnds.length;
    if (count >= this.limits.maxColumns + 1 && this.names === null) {
      this.refuseFor(tooManyColumns({ limit: this.limits.maxColumns, line: this.rowLine }));
    }
  }

  private trimCell(): void {
    const { row } = this;
    let start = this.cellStart;
    let end = this.rowLength;
    while (end > start && (row[end - 1] === SPACE || row[end - 1] === TAB)) end--;
    while (start < end && (row[start] === SPACE || row[start] === TAB)) start++;
    if (start === this.cellStart && end === this.rowLength) return;
    if (end > start) this.trimmedCells++; // a cell of nothing but space is simply empty
    row.copyWithin(this.cellStart, start, end);
    this.rowLength = this.cellStart + (end - start);
  }

  private endLine(): void {
    this.endCell();
    if (!this.stopped) this.endRow();
    this.line++;
    this.rowLine = this.line;
    this.rowLength = this.cellStart = 0;
    this.cellEnds.length = 0;
    this.anyQuoted = false;
  }

  private endRow(): void {
    const cells = this.cellEnds.length;
    if (cells === 1 && this.rowLength === 0 && !this.anyQuoted) {
      if (this.names?.length === 1) this.blanksInDoubt++;
      else this.blankLines++;
      return;
    }
    if (this.names === null) return this.takeHeader();
    for (; this.blanksInDoubt > 0 && !this.stopped; this.blanksInDoubt--) {
      this.countRow();
      this.emitRow([0]);
    }
    if (cells !== this.names.length) return this.noteRaggedRow(cells);
    this.countRow();
    if (!this.stopped && this.problems.length === 0) this.emitRow(this.cellEnds);
  }

  private takeHeader(): void {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    const header = this.cellEnds.map((end, i) => decoder.decode(this.row.subarray(this.cellEnds[i - 1] ?? 0, end)));
    const outcome = readColumnNames(header, this.rowLine, this.limits);
    if (outcome.type === 'rejected') {
      this.problems.push(...outcome.problems);
      this.stopped = true;
    } else {
      this.names = outcome.names;
      this.namesLookLikeData = outcome.looksLikeData;
    }
  }

  private countRow(): void {
    if (this.rowCount < this.limits.maxRows) this.rowCount++;
    else this.refuseFor(tooManyRows({ limit: this.limits.maxRows, line: this.rowLine }));
  }

  private emitRow(cellEnds: number[]): void {
    const { row } = this;
    // Worst case: every byte is a quote and doubles, and each cell gets two quotes and a delimiter.
    const worst = this.outLength + 2 * this.rowLength + 3 * cellEnds.length + 1;
    if (worst > this.out.length) this.out = grown(this.out, worst);
    const { out } = this;
    let at = this.outLength;
    let start = 0;
    for (let cell = 0; cell < cellEnds.length; cell++) {
      const end = cellEnds[cell]!;
      if (cell > 0) out[at++] = COMMA;
      let special = start === end && cellEnds.length === 1; // else the line would be blank
      for (let i = start; i < end && !special; i++) {
        const byte = row[i]!;
        special = byte === COMMA || byte === QUOTE || byte === LF || byte === CR;
      }
      if (special) out[at++] = QUOTE;
      for (let i = start; i < end; i++) {
        const byte = row[i]!;
        if (byte === QUOTE) out[at++] = QUOTE;
        out[at++] = byte;
      }
      if (special) out[at++] = QUOTE;
      start = end;
    }
    out[at++] = LF;
    this.longestLine = Math.max(this.longestLine, at - this.outLength);
    this.emitted += at - this.outLength;
    this.outLength = at;
  }

  private validUtf8(byte: number): boolean {
    if (this.due > 0) {
      if (byte < this.low || byte > this.high) return false;
      this.due--;
      this.low = 0x80;
      this.high = 0xbf;
      return true;
    }
    if (byte >= 0xc2 && byte <= 0xdf) this.due = 1;
    else if (byte >= 0xe0 && byte <= 0xef) this.due = 2;
    else if (byte >= 0xf0 && byte <= 0xf4) this.due = 3;
    else return false;
    // No overlong forms, no surrogates, nothing above U+10FFFF.
    if (byte === 0xe0) this.low = 0xa0;
    else if (byte === 0xed) this.high = 0x9f;
    else if (byte === 0xf0) this.low = 0x90;
    else if (byte === 0xf4) this.high = 0x8f;
    return true;
  }

  private refuse(code: string, message: string, remedy: string, row?: number, field = 'file'): void {
    this.refuseFor({ code, field, message, remedy, ...(row === undefined ? {} : { row }) });
  }

  private refuseFor(problem: FileProblem): void {
    this.problems.push(problem);
    this.stopped = true;
  }

  private refuseEncoding(byte: number | null): void {
    const what = byte === null ? 'the file ends inside a character' : `a byte (0x${byte.toString(16).padStart(2, '0')}) that isn't valid UTF-8`;
    this.refuse('wrong_encoding', `Line ${this.line}: ${what}. The file is probably in an older encoding such as Windows-1252.`, 'Save the file as UTF-8 (in Excel: “CSV UTF-8”) and upload it again.', this.line);
  }

  private refuseNul(): void {
    this.refuse('nul_byte', `Line ${this.line} holds a zero byte: the file is damaged or binary.`, 'Export the table anew as CSV in UTF-8.', this.line);
  }

  private refuseCell(): void {
    const open = this.state === QUOTED ? ` A quote opened on line ${this.quoteLine} may lack its end.` : '';
    this.refuse('cell_too_long', `A cell in the row on line ${this.rowLine} is longer than ${this.limits.maxCellBytes} bytes.${open}`, 'Shorten the cell or leave the column out; check for a quote that is never closed.', this.rowLine, this.names?.[this.cellEnds.length] ?? 'file');
  }

  private refuseStrayQuote(): void {
    this.refuse('stray_quote', `Line ${this.line}: text follows a closing quote in the same cell.`, 'Put a delimiter after the quote, or write a quote inside a quoted cell twice.', this.line, this.names?.[this.cellEnds.length] ?? 'file');
  }

  private noteRaggedRow(cells: number): void {
    const expected = this.names!.length;
    const lastIsEmpty = cells === expected + 1 && this.cellEnds[cells - 1] === this.cellEnds[cells - 2];
    this.problems.push({
      code: 'ragged_row',
      field: 'file',
      row: this.rowLine,
      message: `Line ${this.rowLine} has ${counted(cells, 'cell', 'cells')}, the header has ${expected}.`,
      remedy: lastIsEmpty
        ? 'Remove the delimiter at the end of the line, or name the last column.'
        : cells > expected
          ? 'Put cells that contain the delimiter in quotes, or give the extra column a name.'
          : 'Add the missing cells; an empty cell still needs its delimiter.',
    });
    if (++this.raggedRows >= maxRaggedRows) this.stopped = true;
  }
}

function grown(bytes: Uint8Array, atLeast: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(Math.max(bytes.length * 2, atLeast));
  larger.set(bytes);
  return larger;
}

function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}
