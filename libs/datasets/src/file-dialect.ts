import type { FileProblem } from './table-file.ts';
import { encodingNames, encodingOf, type TextEncoding } from './text-encoding.ts';

export type Delimiter = ',' | ';' | '\t' | '|';

export const delimiters: readonly Delimiter[] = [',', ';', '\t', '|'];
export type DecimalSign = '.' | ',';

/** How a text file is to be read, as its sender declares it. What is left out is found from the file itself. */
export interface FileDialect {
  encoding?: TextEncoding;
  delimiter?: Delimiter;
  decimalSign?: DecimalSign;
}

const delimiterNames: Record<Delimiter, string> = { ',': 'comma', ';': 'semicolon', '\t': 'tab', '|': 'vertical bar' };
const decimalNames: Record<DecimalSign, string> = { '.': 'point', ',': 'comma' };

/** Why a declaration can't be of a file of this format, which needs none of it. Null when nothing is declared. */
export function undeclarable(dialect: FileDialect, format: 'Parquet' | 'JSON Lines'): FileProblem | null {
  const declared = [
    ...(dialect.encoding && format === 'Parquet' ? ['an encoding'] : []),
    ...(dialect.delimiter ? ['a delimiter'] : []),
    ...(dialect.decimalSign ? ['a decimal sign'] : []),
  ];
  if (declared.length === 0) return null;
  return problem('dialect_unfit', `The file is ${format}, which has no such thing as ${declared.join(' and ')}.`, 'Leave out what was declared.');
}

/** What the first bytes of a file say against its declared encoding; null where they say nothing. */
export function contradictionOf(head: Uint8Array, declared: TextEncoding): FileProblem | null {
  const found = encodingOf(head);
  const marked = head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf;
  if (declared === 'utf-8' || declared === 'windows-1252') {
    if (found !== 'utf-8') return wrongEncoding(declared, 1, `it looks like ${encodingNames[found]}`);
    return declared === 'windows-1252' && marked ? wrongEncoding(declared, 1, 'it begins with the mark of UTF-8') : null;
  }
  if (found === declared) return null;
  if (found !== 'utf-8') return wrongEncoding(declared, 1, `it looks like ${encodingNames[found]}`);
  // Without a mark, a text of other scripts than Latin has few zero bytes; but its lines end in two bytes.
  const high = declared === 'utf-16be' ? 0 : 1;
  const ends = (byte: number | undefined) => byte === 10 || byte === 13;
  for (let i = 0; i + 1 < head.length; i += 2) if (ends(head[i + 1 - high]) && head[i + high] === 0) return null;
  return marked || head.some(ends) ? wrongEncoding(declared, 1, 'it looks like text of single bytes') : null;
}

export function wrongEncoding(declared: TextEncoding, line: number, seen: string): FileProblem {
  return {
    ...problem('wrong_encoding', `Line ${line} isn’t ${encodingNames[declared]}, which was declared: ${seen}.`, 'Declare another encoding, or leave it to be found.'),
    row: line,
  };
}

export function wrongDelimiter(declared: Delimiter, line: number, found: Delimiter): FileProblem {
  const message = `Line ${line} has no ${delimiterNames[declared]}, which was declared as delimiter; it is separated by ${delimiterNames[found]}.`;
  return { ...problem('wrong_delimiter', message, 'Declare another delimiter, or leave it to be found.'), row: line };
}

/** `cell`: the first one that shows it. */
export function wrongDecimalSign(column: string, declared: DecimalSign, dataRow: number, cell: string): FileProblem {
  const other = decimalNames[declared === ',' ? '.' : ','];
  return {
    code: 'wrong_decimal_sign',
    field: column,
    message: `Data row ${dataRow}: “${cell}” has a ${other}, but a decimal ${decimalNames[declared]} was declared.`,
    remedy: 'Declare the other sign, leave it to be found, or write the numbers of all columns alike, without grouping.',
  };
}

/** What was declared for all files of a table: their cells are typed together. */
export function decimalSignOf(dialects: readonly FileDialect[]): { type: 'found'; sign: DecimalSign | undefined } | { type: 'rejected'; problems: FileProblem[] } {
  const signs = [...new Set(dialects.flatMap(({ decimalSign }) => decimalSign ?? []))];
  if (signs.length < 2) return { type: 'found', sign: signs[0] };
  return {
    type: 'rejected',
    problems: [problem('wrong_decimal_sign', 'The rows before were declared to have another decimal sign.', 'Write the numbers as in the files before, or add the file as a new version.')],
  };
}

function problem(code: string, message: string, remedy: string): FileProblem {
  return { code, field: 'file', message, remedy };
}
