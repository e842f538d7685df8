import type { FileLimits, FileProblem } from './table-file.ts';

/**
 * Characters that can't be seen or that reorder what is shown around them, so that two names look alike: controls,
 * bidirectional marks and overrides, zero-width space, word joiner, byte order mark.
 */
const invisible = /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff]/;
/** Rows travel as JSON objects, in which these names mean something else. */
const reserved = new Set(['__proto__', 'constructor', 'prototype']);
/** DuckDB's own name for the place of a row in a Parquet file, in any case. */
const placeOfRow = 'file_row_number';
const numeral = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const maxProblems = 10;

/** The header's cells as column names: in Unicode's composed form (NFC), without surrounding space. */
export function readColumnNames(
  header: string[],
  row: number,
  limits: FileLimits,
): { type: 'named'; names: string[]; looksLikeData: boolean } | { type: 'rejected'; problems: FileProblem[] } {
  const names = header.map((cell) => cell.normalize('NFC').trim());
  if (names.every((name) => numeral.test(name))) {
    return {
      type: 'rejected',
      problems: [
        {
          code: 'header_missing',
          field: 'file',
          row,
          message: `The first line holds only numbers (${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''}): it looks like data, not like column names.`,
          remedy: 'Put one line with a name for each column on top of the file.',
        },
      ],
    };
  }

  const problems: FileProblem[] = [];
  const positions = new Map<string, number>();
  names.forEach((name, index) => {
    const column = index + 1;
    const problem = (code: string, message: string, remedy: string): void => {
      problems.push({ code, field: shown(name) || `column ${column}`, row, message, remedy });
    };
    if (name === '') {
      const last = column === names.length && column > 1;
      problem(
        'header_empty',
        `Column ${column} has no name${last ? ': the first line ends with a delimiter' : ''}.`,
        last ? 'Name the column, or remove the delimiter at the end of every line.' : 'Give every column a name in the first line.',
      );
      return;
    }
    if (invisible.test(name)) {
      problem('header_unreadable', `The name of column ${column} (“${shown(name)}”) holds control or text-direction characters.`, 'Type the name anew, on one line, with visible characters only.');
    }
    if (name.length > limits.maxNameLength) {
      problem('header_too_long', `The name of column ${column} has ${name.length} characters; ${limits.maxNameLength} are allowed.`, 'Shorten the name.');
    }
    if (reserved.has(name) || name.toLowerCase() === placeOfRow) problem('header_reserved', `Column ${column} can't be called “${name}”.`, 'Rename the column.');
    const earlier = positions.get(name.toLowerCase());
    if (earlier === undefined) positions.set(name.toLowerCase(), column);
    else {
      const same = names[earlier - 1] === name;
      problem(
        'header_duplicate',
        same ? `Columns ${earlier} and ${column} are both called “${shown(name)}”.` : `Columns ${earlier} and ${column} differ only in upper and lower case: “${shown(names[earlier - 1]!)}”, “${shown(name)}”.`,
        'Give every column a name of its own.',
      );
    }
  });
  if (problems.length > 0) return { type: 'rejected', problems: problems.slice(0, maxProblems) };
  return { type: 'named', names, looksLikeData: names.filter((name) => numeral.test(name)).length * 2 >= names.length };
}

function shown(name: string): string {
  const visible = name.replace(new RegExp(invisible.source, 'g'), (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return visible.length > 60 ? `${visible.slice(0, 60)}…` : visible;
}
