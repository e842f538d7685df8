import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { type FileDialect, importTable, readTable } from './index.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'millrace-dialect-spec-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const table = () => path.join(folder, 'table.parquet');

async function imported(files: [content: string | Uint8Array, dialect: FileDialect][]) {
  const paths = files.map((_, i) => path.join(folder, `source-${i}`));
  for (const [i, [content]] of files.entries()) await writeFile(paths[i]!, content);
  return importTable({ sourcePath: paths[0]!, morePaths: paths.slice(1), targetPath: table(), dialects: files.map(([, dialect]) => dialect) });
}

async function read(content: string | Uint8Array, dialect: FileDialect) {
  const outcome = await imported([[content, dialect]]);
  if (outcome.type === 'rejected') throw new Error(JSON.stringify(outcome.problems));
  const { columns } = await readTable(table());
  return { cells: Object.fromEntries(columns.map(({ name, values }) => [name, [...values]])), warnings: outcome.warnings.map(({ code }) => code) };
}

async function refusalOf(...files: [string | Uint8Array, FileDialect][]) {
  const outcome = await imported(files);
  if (outcome.type !== 'rejected') throw new Error('accepted');
  const [problem, ...others] = outcome.problems;
  expect(others).toEqual([]);
  expect(problem!.remedy).toMatch(/\.$/);
  return problem!;
}

const le = (text: string): Buffer => Buffer.from(text, 'utf16le');
const latin = (text: string): Buffer => Buffer.from(text, 'latin1');

describe('What is declared of a file', () => {
  it.each<[string, string | Uint8Array, FileDialect, Record<string, unknown[]>]>([
    ['the encoding, without a warning that it was guessed', latin('ort,x\nK\xf6ln,1\nM\xfcnchen,2\n'), { encoding: 'windows-1252' }, { ort: ['Köln', 'München'], x: [1, 2] }],
    // Hardly a byte of it is zero, so that it would not be recognised.
    ['UTF-16 of another script', le('名,値\n東京都千代田区,大阪\n名古屋市中村区,京都\n'), { encoding: 'utf-16le' }, { 名: ['東京都千代田区', '名古屋市中村区'], 値: ['大阪', '京都'] }],
    // More rows have as many commas as semicolons.
    ['the delimiter', 'a,b;c,d\n1,2;3,4\n', { delimiter: ';' }, { 'a,b': [1.2], 'c,d': [3.4] }],
    ['a decimal comma where three digits follow it', 'a;b\n1,234;1\n2,500;2\n', { delimiter: ';', decimalSign: ',' }, { a: [1.234, 2.5], b: [1, 2] }],
    ['a decimal point', 'a;b\n1.5;1,234\n2.5;2,345\n', { decimalSign: '.' }, { a: [1.5, 2.5], b: ['1,234', '2,345'] }],
    ['nothing', 'a;b\n1,234;1\n2,345;2\n', {}, { a: ['1,234', '2,345'], b: [1, 2] }],
  ])('is followed: %s', async (_name, content, dialect, cells) => {
    const found = await read(content, dialect);
    expect(found.cells).toEqual(cells);
    if (dialect.encoding) expect(found.warnings).not.toContain('encoding_guessed');
    if (dialect.decimalSign) expect(found.warnings).not.toContain('decimal_comma_read');
  });

  it.each<[string, string | Uint8Array, FileDialect, object]>([
    ['UTF-8, and a byte of Latin-1', latin('ort,x\nUlm,1\nK\xf6ln,2\n'), { encoding: 'utf-8' }, { code: 'wrong_encoding', row: 3 }],
    ['Windows-1252, and a byte without a meaning', latin('a,b\r\n1,2\r\n3,\x81\r\n'), { encoding: 'windows-1252' }, { code: 'wrong_encoding', row: 3, message: expect.stringMatching(/^Line 3 isn’t Windows-1252/) }],
    ['Windows-1252, and the mark of UTF-8', '\uFEFFa,b\n1,2\n', { encoding: 'windows-1252' }, { code: 'wrong_encoding', row: 1 }],
    ['UTF-16 the wrong way round', le('\uFEFFa,b\n1,2\n'), { encoding: 'utf-16be' }, { code: 'wrong_encoding', row: 1, message: expect.stringMatching(/little-endian/) }],
    ['UTF-16 of UTF-8', 'a,b\n1,2\n', { encoding: 'utf-16le' }, { code: 'wrong_encoding', row: 1 }],
    ['UTF-16, and half a character', Buffer.concat([le('a,b\n1,2\n3,'), Buffer.from([0x00, 0xd8]), le('\n4,5\n')]), { encoding: 'utf-16le' }, { code: 'wrong_encoding', row: 3 }],
    ['another delimiter', '\na;b\n1;2\n', { delimiter: ',' }, { code: 'wrong_delimiter', row: 2, message: expect.stringMatching(/^Line 2 has no comma.*separated by semicolon/) }],
    ['another delimiter than the file', 'sep=;\na;b\n1;2\n', { delimiter: ',' }, { code: 'wrong_delimiter', row: 1 }],
    ['a delimiter that only some rows have', 'a;b\n1;2\n3,4\n', { delimiter: ';' }, { code: 'ragged_row', row: 3 }],
    ['a decimal comma, and points', 'a;b\nx;1\ny;2.5\n', { decimalSign: ',' }, { code: 'wrong_decimal_sign', field: 'b', message: expect.stringMatching(/^Data row 2: “2.5” has a point/) }],
    ['a decimal point, and commas', 'a;b\n1;x\n2,5;y\n', { decimalSign: '.' }, { code: 'wrong_decimal_sign', field: 'a', message: expect.stringMatching(/^Data row 2: “2,5” has a comma/) }],
    ['a delimiter of JSON Lines', '{"a": 1}\n{"a": 2}\n', { delimiter: ',' }, { code: 'dialect_unfit', message: expect.stringMatching(/JSON Lines.* delimiter/) }],
  ])('and isn’t so is refused: %s', async (_name, content, dialect, expected) => {
    expect(await refusalOf([content, dialect])).toMatchObject(expected);
  });

  it('holds for each file of a table, but for the numbers of all', async () => {
    const first: [string, FileDialect] = ['a;b\n1,234;x\n', { decimalSign: ',' }];
    expect(await imported([first, [le('a\tb\n2,345\ty\n'), { encoding: 'utf-16le', delimiter: '\t' }]])).toMatchObject({ type: 'imported', rowCount: 2 });
    expect([...(await readTable(table())).columns[0]!.values]).toEqual([1.234, 2.345]);
    expect(await refusalOf(first, ['a;b\n2.3;y\n', { decimalSign: '.' }])).toMatchObject({ code: 'wrong_decimal_sign', field: 'file' });
  });
});
