import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { importTable, type ImportOutcome, inspectFile, type InspectOptions, type InspectOutcome, readTable, sampleRows } from './index.ts';

const testkitData = path.join(import.meta.dirname, '../../testkit/data');
const sharedData = path.join(import.meta.dirname, '../../../../shared/data');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'millrace-datasets-spec-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function file(content: string | Uint8Array): Promise<string> {
  const where = path.join(folder, 'source.csv');
  await writeFile(where, content);
  return where;
}

async function inspect(content: string | Uint8Array, options?: InspectOptions): Promise<InspectOutcome> {
  return inspectFile(await file(content), options);
}

async function accepted(content: string | Uint8Array, options?: InspectOptions): Promise<InspectOutcome & { type: 'tabular' }> {
  const outcome = await inspect(content, options);
  if (outcome.type !== 'tabular') throw new Error(`Refused: ${JSON.stringify(outcome.problems)}`);
  return outcome;
}

/** Imports and reads back every cell as text or number, which shows what was kept. */
async function cells(content: string | Uint8Array, options?: InspectOptions): Promise<Record<string, unknown[]>> {
  const target = path.join(folder, 'kept.parquet');
  const outcome = await importTable({ sourcePath: await file(content), targetPath: target, ...options });
  if (outcome.type === 'rejected') throw new Error(`Refused: ${JSON.stringify(outcome.problems)}`);
  const table = await readTable(target);
  expect(table.rows).toBe(outcome.rowCount);
  return Object.fromEntries(table.columns.map(({ name, values }) => [name, [...values]]));
}

async function typesOf(content: string): Promise<Record<string, string>> {
  return Object.fromEntries((await accepted(content)).columns.map(({ name, type }) => [name, type]));
}

const column = (values: unknown[], name = 'v'): string => [`${name},n`, ...values.map((value, i) => `${String(value)},${i}.5`)].join('\n');

describe('A table in text', () => {
  it('is read whole: names with spaces and brackets, numbers exact, empty cells missing, rows in order', async () => {
    expect(await cells('sepal length (cm),"a, b",species\n5.1,0.1,setosa\n,-2e-3,"virginica, ""x"""\n4.9,.5,\n')).toEqual({
      'sepal length (cm)': [5.1, NaN, 4.9],
      'a, b': [0.1, -0.002, 0.5],
      species: ['setosa', 'virginica, "x"', null],
    });
  });

  it.each([
    ['semicolons', 'a;b\nx,5;x\ny,5;y\n', ';'],
    ['tabs', 'a\tb\nx,5\tx\ny,5\ty\n', '\t'],
    ['bars', 'a|b\nx,5|x\ny,5|y\n', '|'],
    ['commas', 'a,b\n"x,5",x\n"y,5",y\n', ','],
    ['semicolons declared by “sep=”', 'sep=;\r\na;b\r\nx,5;x\r\ny,5;y\r\n', ';'],
  ])('may be delimited by %s', async (_name, content, delimiter) => {
    expect(await accepted(content)).toMatchObject({ delimiter, rowCount: 2 });
    expect(await cells(content)).toEqual({ a: ['x,5', 'y,5'], b: ['x', 'y'] });
  });

  it.each([
    ['LF', 'a,b\n1,x\n2,y\n'],
    ['no LF at the end', 'a,b\n1,x\n2,y'],
    ['CRLF', 'a,b\r\n1,x\r\n2,y\r\n'],
    ['CR alone', 'a,b\r1,x\r2,y\r'],
    ['several kinds mixed', 'a,b\r\n1,x\n2,y\r'],
    ['a byte order mark', '\uFEFFa,b\n1,x\n2,y\n'],
    ['blank lines', '\n\na,b\n\n1,x\n  \n2,y\n\n\n'],
    ['space around cells', ' a ,  "b" \n 1 , x\t\n2,  "y"  \n'],
  ])('may have %s', async (_name, content) => {
    expect(await cells(content)).toEqual({ a: [1, 2], b: ['x', 'y'] });
  });

  it('keeps delimiters, line ends and quotes inside quoted cells, and quotes inside plain ones', async () => {
    const content = 'text,size\n"one, two\nthree",5"\n"a ""b"" \r\nc",6\' 2"\n"x\ry",7\n';
    expect(await cells(content)).toEqual({ text: ['one, two\nthree', 'a "b" \r\nc', 'x\ry'], size: ['5"', '6\' 2"', '7'] });
  });

  it('keeps characters of every length in UTF-8, wherever they fall in the file', async () => {
    const rows = Array.from({ length: 30_000 }, (_, i) => `${'x'.repeat(i % 7)}é€😀${i},${i}`);
    const read = await cells(['größe,n', ...rows].join('\n'));
    expect(read['größe']).toEqual(rows.map((row) => row.split(',')[0]));
  });

  it('comes back cell for cell, whatever the cells, the delimiter, the quoting and the line ends', async () => {
    const alphabet = [',', ';', '\t', '|', '"', '\n', '\r\n', 'a', 'é', '😀', ' b', '0', '\'', '\\', '-'];
    const cell = fc.array(fc.constantFrom(...alphabet), { maxLength: 6 }).map((parts) => `x${parts.join('')}y`);
    const tables = fc.record({
      rows: fc.integer({ min: 2, max: 4 }).chain((width) => fc.array(fc.array(cell, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 8 })),
      delimiter: fc.constantFrom(',', ';', '\t', '|'),
      lineEnd: fc.constantFrom('\n', '\r\n', '\r'),
      quoteAll: fc.boolean(),
    });
    const property = fc.asyncProperty(tables, async ({ rows, delimiter, lineEnd, quoteAll }) => {
      const write = (text: string): string => (quoteAll || /[,;\t|"\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
      const header = rows[0]!.map((_, i) => `column ${i}`);
      const lines = [header, ...rows].map((row) => row.map(write).join(delimiter) + lineEnd);
      const read = await cells(lines.join(''), { overrides: Object.fromEntries(header.map((name) => [name, 'text' as const])) });
      expect(read).toEqual(Object.fromEntries(header.map((name, i) => [name, rows.map((row) => row[i])])));
    });
    await fc.assert(property, { numRuns: 30, seed: 20261123 });
  });

  it('or any other bytes never harm the process: they are read or refused with a remedy', async () => {
    const pieces = fc.constantFrom(...['a,b\n', '1,2\n', '"', ',', '\r', '\n', ';', '\t', 'x', '\u0000', '\xff', '\xc3', '\xa9', '\xef\xbb\xbf', '\xff\xfe', 'PK\x03\x04', '9'.repeat(400), ' ', '-', 'NaN', '1e999'].map((piece) => Buffer.from(piece, 'latin1')));
    const property = fc.asyncProperty(fc.array(pieces, { maxLength: 25 }), fc.boolean(), async (parts, withHeader) => {
      const outcome = await inspect(Buffer.concat(withHeader ? [Buffer.from('c,d\n'), ...parts] : parts));
      if (outcome.type === 'rejected') {
        for (const problem of outcome.problems) expect(problem).toMatchObject({ code: expect.stringMatching(/^[a-z_]+$/), message: expect.stringMatching(/\.$/), remedy: expect.stringMatching(/\.$/) });
      } else expect(JSON.parse(JSON.stringify(outcome))).toEqual(outcome);
    });
    await fc.assert(property, { numRuns: 80, seed: 20261123 });
  });

  it('may be hundreds of columns wide', async () => {
    const names = Array.from({ length: 300 }, (_, i) => `c${i}`);
    const rows = Array.from({ length: 500 }, (_, r) => names.map((_name, i) => ((r * 31 + i * 17) % 1000) / 10).join(','));
    const outcome = await accepted([names.join(','), ...rows].join('\n'), { limits: { memoryMb: 256 } });
    expect(outcome.columns).toHaveLength(300);
    expect(outcome.columns.every(({ type, missing }) => type === 'number' && missing === 0)).toBe(true);
  });

  it('says what was left out: blank lines and space', async () => {
    const { warnings } = await accepted('a,b\n\n1, x\n2,y\n');
    expect(warnings.map(({ code, message }) => [code, message])).toEqual([
      ['blank_lines', '1 blank line was left out.'],
      ['spaces_trimmed', 'Space around 1 cell was removed.'],
    ]);
  });

  it('may have one column, in which blank lines between values are missing values', async () => {
    expect(await cells('v\n1\n\n3\n""\n5\n\n\n')).toEqual({ v: [1, NaN, 3, NaN, 5] });
    expect((await accepted('v\n1\n2\n')).warnings).toMatchObject([{ code: 'one_column' }]);
  });

  it('may be as wide, long and full as the limits say', async () => {
    const limits = { maxColumns: 3, maxRows: 2, maxCellBytes: 10, maxRowBytes: 20, maxNameLength: 5 };
    expect(await accepted('aaaaa,b,c\n1234567890,1234567890,\n1,2,3\n', { limits })).toMatchObject({ rowCount: 2 });
  });

  it('with very long cells and rows within the defaults is kept to the byte', async () => {
    const long = `"${'""'.repeat(65_536)}"`;
    const content = `a,b,c,d,e,f\n${[long, long, long, long, long, long].join(',')}\n${'x'.repeat(65_536)},,,,,\n`;
    const read = await cells(content);
    expect((read['f'] as string[])[0]).toBe('"'.repeat(65_536));
    expect((read['a'] as string[])[1]).toHaveLength(65_536);
  });
});

describe('A file is refused with a code, a field, a sentence and a remedy when it is', () => {
  const utf16 = (text: string): Buffer => Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, 'utf16le')]);
  const limits = { maxColumns: 3, maxRows: 2, maxCellBytes: 10, maxRowBytes: 20, maxNameLength: 5 };
  const png = Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), Buffer.alloc(200, 7)]);
  const workbook = Buffer.concat([Buffer.from('PK\x03\x04\x14\0\x06\0', 'latin1'), Buffer.alloc(18), Buffer.from([19, 0, 0, 0]), Buffer.from('[Content_Types].xml')]);

  const refusals: [string, string | Uint8Array, { code: string; message: RegExp; row?: number; field?: string }][] = [
    ['a PNG image', png, { code: 'wrong_file_type', message: /PNG/ }],
    ['a zip archive', Buffer.from('PK\x03\x04\x14\0\0\0\x08\0data.csv', 'latin1'), { code: 'wrong_file_type', message: /zip/ }],
    ['an Excel workbook', workbook, { code: 'wrong_file_type', message: /Excel/ }],
    ['an old Excel file', Buffer.from('d0cf11e0a1b11ae10000', 'hex'), { code: 'wrong_file_type', message: /\.xls/ }],
    ['a gzip archive', gzipSync('a,b\n1,2\n'), { code: 'wrong_file_type', message: /gzip/ }],
    ['a Parquet file cut off', Buffer.from('PAR1\x15\x04\x15', 'latin1'), { code: 'damaged_file', message: /Parquet/ }],
    ['a JSON document', '[{"a": 1}]', { code: 'wrong_file_type', message: /JSON/ }],
    ['a web page', '<!DOCTYPE html><p>a,b</p>', { code: 'wrong_file_type', message: /web page/ }],
    ['a PDF document', '%PDF-1.7\n', { code: 'wrong_file_type', message: /PDF/ }],
    ['of unknown binary content', Buffer.from(Array.from({ length: 1000 }, (_, i) => (i * 37) % 31 || 1)), { code: 'wrong_file_type', message: /binary/ }],
    ['empty', '', { code: 'empty_file', message: /empty/ }],
    ['only a byte order mark', '\uFEFF', { code: 'empty_file', message: /blank/ }],
    ['only blank lines', '\n \r\n\n', { code: 'empty_file', message: /blank/ }],
    ['only a header', 'a,b\n', { code: 'no_rows', message: /no row/ }],
    ['only a header and blank lines', 'a\n\n\n', { code: 'no_rows', message: /no row/ }],
    ['UTF-16 cut inside a character', utf16('a,b\n1,2\n').subarray(0, -1), { code: 'wrong_encoding', message: /UTF-16 \(little-endian\)/ }],
    ['UTF-16 of the other order with half a pair', utf16('a,b\n1,\ud800,2\n').swap16(), { code: 'wrong_encoding', message: /UTF-16 \(big-endian\)/ }],
    ['UTF-8 with one broken byte', Buffer.from('a,b\n1,\xc3\xa9\n2,\xc3\xa9\xff\n', 'latin1'), { code: 'wrong_encoding', message: /Line 3.*0xff/, row: 3 }],
    ['of bytes that no encoding explains', Buffer.from('a,b\n1,x\n2,M\x81nchen\n', 'latin1'), { code: 'wrong_encoding', message: /Line 3.*0x81/, row: 3 }],
    ['UTF-8 in overlong form', Buffer.from('a,b\n1,\xc0\xaf\n', 'latin1'), { code: 'wrong_encoding', message: /0xc0/, row: 2 }],
    ['UTF-8 with surrogates', Buffer.from('a,b\n1,\xed\xa0\x80\n', 'latin1'), { code: 'wrong_encoding', message: /0xa0/, row: 2 }],
    ['UTF-8 cut inside a character', Buffer.from('a,b\n1,\xe2\x82', 'latin1'), { code: 'wrong_encoding', message: /ends inside/, row: 2 }],
    ['holding a zero byte', 'a,b\n1,2\n3,\u00004\n', { code: 'nul_byte', message: /Line 3/, row: 3 }],
    ['of a row too long', 'a,b\n1,2\n3,4,5\n', { code: 'ragged_row', message: /Line 3 has 3 cells, the header has 2/, row: 3 }],
    ['of a row too short', 'a,b\n1,2\n\n"x\ny",2\n3\n', { code: 'ragged_row', message: /Line 6 has 1 cell, the header has 2/, row: 6 }],
    ['of delimiters at the ends of rows', 'a,b\n1,2,\n', { code: 'ragged_row', message: /Line 2/, row: 2 }],
    ['of a column without a name', 'a,,c\n1,2,3\n', { code: 'header_empty', message: /Column 2/, field: 'column 2' }],
    ['of a header ending with a delimiter', 'a,b,\n1,2,\n', { code: 'header_empty', message: /ends with a delimiter/, field: 'column 3' }],
    ['of two columns with one name', 'x,y,x\n1,2,3\n', { code: 'header_duplicate', message: /Columns 1 and 3/, field: 'x' }],
    ['of one name composed differently', 'é,e\u0301\n1,2\n', { code: 'header_duplicate', message: /both called/, field: 'é' }],
    ['of names that differ by case only', 'Pos,pos\n1,2\n', { code: 'header_duplicate', message: /upper and lower case/, field: 'pos' }],
    ['of a name with a line break', '"a\nb",c\n1,2\n', { code: 'header_unreadable', message: /control/, field: 'a\\u000ab' }],
    ['of a name that reverses its surroundings', 'a\u202Eb,c\n1,2\n', { code: 'header_unreadable', message: /text-direction/, field: 'a\\u202eb' }],
    ['of a name that the engine reserves', 'a,File_Row_Number\n1,2\n', { code: 'header_reserved', message: /File_Row_Number/, field: 'File_Row_Number' }],
    ['of a name that JSON objects reserve', 'a,__proto__\n1,2\n', { code: 'header_reserved', message: /__proto__/, field: '__proto__' }],
    ['of no header at all', '5.1,3.5,1.4\n4.9,3.0,1.4\n', { code: 'header_missing', message: /looks like data/, row: 1 }],
    ['of too many columns', 'a,b,c,d\n1,2,3,4\n', { code: 'too_many_columns', message: /more than 3/ }],
    ['of too many rows', 'a,b\n1,2\n3,4\n5,6\n', { code: 'too_many_rows', message: /more than 2/, row: 4 }],
    ['of a cell too long', 'a,b\n1,12345678901\n', { code: 'cell_too_long', message: /line 2/, row: 2, field: 'b' }],
    ['of a row too many bytes', 'a,b,c\n1234567,1234567,1234567\n', { code: 'row_too_long', message: /line 2/, row: 2 }],
    ['of a name too long', 'abcdef,b\n1,2\n', { code: 'header_too_long', message: /6 characters; 5/, field: 'abcdef' }],
    ['of a quote never closed', 'a,b\n1,x\n2,"y\n3,z\n', { code: 'unterminated_quote', message: /line 3/, row: 3 }],
    ['of text behind a closing quote', 'a,b\n1,"x"y\n', { code: 'stray_quote', message: /Line 2/, row: 2, field: 'b' }],
  ];

  it.each(refusals)('%s', async (_name, content, { message, ...expected }) => {
    const source = await file(content);
    const target = path.join(folder, 'refused.parquet');
    const outcome = await importTable({ sourcePath: source, targetPath: target, limits: _name.includes('too') && expected.code !== 'ragged_row' ? limits : {} });
    if (outcome.type !== 'rejected') throw new Error(`Accepted: ${JSON.stringify(outcome)}`);
    const problem = outcome.problems[0]!;
    expect(problem).toMatchObject({ field: 'file', ...expected });
    expect(problem.message).toMatch(message);
    expect(problem.remedy).toMatch(/^[A-Z].*\.$/);
    expect((await readdir(folder)).filter((name) => name.startsWith('refused'))).toEqual([]);
  });

  it('whatever its name says, and a text that begins like a binary format is still text', async () => {
    expect(await accepted('ORC,BZhang,x\n1,2,3\n')).toMatchObject({ rowCount: 1 });
    expect(await accepted('BZh,PAR1\n1,2\n')).toMatchObject({ rowCount: 1 });
    expect(await accepted('GIF8,b\n1,2\n')).toMatchObject({ rowCount: 1 });
  });

  it('ragged in many rows: the first five are named, no more', async () => {
    const outcome = await inspect(`a,b\n${'1\n'.repeat(100)}`);
    expect(outcome).toMatchObject({ type: 'rejected', problems: [2, 3, 4, 5, 6].map((row) => ({ code: 'ragged_row', row })) });
  });

  it('wrong in several names: each is named', async () => {
    const outcome = await inspect('a,,a,__proto__\n1,2,3,4\n');
    expect(outcome).toMatchObject({ problems: [{ code: 'header_empty' }, { code: 'header_duplicate' }, { code: 'header_reserved' }] });
  });
});

describe('A column’s type', () => {
  it('is number when every cell is one, few whole numbers included', async () => {
    const { columns } = await accepted(column([1, '+2.50', '-.5', '3e4', '5.', 1]));
    expect(columns[0]).toMatchObject({ type: 'number', summary: { kind: 'numbers', min: -0.5, max: 30_000, whole: false } });
    expect(await typesOf(column([0, 1, 0, 1, 1]))).toMatchObject({ v: 'number' });
    expect((await accepted(column([0, 1, 0, 1, 1]))).columns[0]!.flags).toEqual(['two_valued']);
  });

  it('is binary with two words, category with few, text with many or long ones', async () => {
    expect(await typesOf(column(['yes', 'no', 'yes']))).toMatchObject({ v: 'binary' });
    expect(await typesOf(column(['a', 'b', 'c', 'a']))).toMatchObject({ v: 'category' });
    expect(await typesOf(column(Array.from({ length: 60 }, (_, i) => `machine ${i % 30}`)))).toMatchObject({ v: 'category' });
    expect(await typesOf(column(Array.from({ length: 60 }, (_, i) => `remark ${i % 31}`)))).toMatchObject({ v: 'text' });
    expect(await typesOf(column(['x'.repeat(201), 'b', 'c', 'c']))).toMatchObject({ v: 'text' });
  });

  it('is date for days, months and times that have one meaning, moved to UTC', async () => {
    const at = async (...values: string[]): Promise<unknown> => (await cells(column(values)))['v'];
    expect(await at('2026-03-31', '2024-02-29')).toEqual(['2026-03-31', '2024-02-29']);
    expect(await at('1949-01', '1949-12')).toEqual(['1949-01-01', '1949-12-01']);
    expect(await at('31.3.2026', '01.12.2025')).toEqual(['2026-03-31', '2025-12-01']);
    expect(await at('2026/03/31', '2026/04/01')).toEqual(['2026-03-31', '2026-04-01']);
    expect(await at('2026-03-31T10:00:00+02:00', '2026-03-31 10:00', '2026-03-31T10:00Z', '2026-03-31 10:00:00.250-0530')).toEqual([
      '2026-03-31T08:00:00.000Z', '2026-03-31T10:00:00.000Z', '2026-03-31T10:00:00.000Z', '2026-03-31T15:30:00.250Z',
    ]);
    const { columns } = await accepted(column(['2026-03-31', '2024-02-29', '']));
    expect(columns[0]).toMatchObject({ missing: 1, summary: { kind: 'dates', min: '2024-02-29', max: '2026-03-31' } });
    expect(await typesOf(column(['2026-02-30', '2026-01-01', '2026-01-02']))).toMatchObject({ v: 'category' });
  });

  it.each([
    ['decimal_comma', ['"1,500"', '"2,250"', '3']],
    ['decimal_comma', ['"1,5"', '2.5', '"3,5"', '"1,7"', '"2,1"', '"4,4"', '"5,5"', '"6,6"', '"7,7"', '"8,8"']],
    ['thousands_separator', ['"1,234,567"', '"2,000,000"', '12']],
    ['thousands_separator', ['1 234', '22 000', '3']],
    ['unit_in_number', ['12 kg', '3.5 kg', '7kg']],
    ['unit_in_number', ['12%', '3 %', '7 %']],
    ['unit_in_number', ['$12', '€ 3', '£7.50']],
    ['leading_zeros', ['01067', '80331', '04109']],
    ['number_too_large', ['9007199254740993', '1', '2']],
    ['number_too_large', ['1e999', '1', '2']],
    ['ambiguous_date', ['3/4/2026', '12/31/2025', '1/2/26']],
    ['infinite_number', ['inf', '1', '-Infinity']],
    ['mixed_numbers', ['1', '2', 'broken']],
  ])('stays text rather than being bent, with the hint %s for %j', async (code, values) => {
    const { columns, warnings } = await accepted(column(values));
    expect(columns[0]!.type).not.toBe('number');
    expect(warnings).toMatchObject([{ code, field: 'v' }]);
    expect((await cells(column(values)))['v']).toEqual(values.map((value) => value.replaceAll('"', '')));
  });

  it('names the cell that keeps a column from being a number', async () => {
    const { warnings } = await accepted(column(['1', '2', '', 'broken', '5']));
    expect(warnings[0]!.message).toContain('“broken” in data row 4');
  });

  it('counts marks such as NA as missing among numbers and dates, and says so, but not among words', async () => {
    expect((await cells(column(['1', 'NA', '?', '4'])))['v']).toEqual([1, NaN, NaN, 4]);
    const { warnings, columns } = await accepted(column(['1', 'NA', '?', '4']));
    expect(warnings).toMatchObject([{ code: 'missing_marks', field: 'v' }]);
    expect(columns[0]).toMatchObject({ type: 'number', missing: 2 });
    expect((await cells(column(['2026-01-01', '-', '2026-01-02'])))['v']).toEqual(['2026-01-01', null, '2026-01-02']);
    expect((await cells(column(['US', 'NA', 'DE', 'NA'])))['v']).toEqual(['US', 'NA', 'DE', 'NA']);
  });

  it('is the one that the user chose, if the cells allow', async () => {
    const choose = (type: 'number' | 'category' | 'binary' | 'text' | 'date', values: string[]) => cells(column(values), { overrides: { v: type } });
    expect((await choose('category', ['1', '2.0', '']))['v']).toEqual(['1', '2.0', null]);
    expect((await choose('number', ['007', '12', 'NA']))['v']).toEqual([7, 12, NaN]);
    expect((await choose('binary', ['0', '1', '0']))['v']).toEqual(['0', '1', '0']);
    expect((await choose('text', ['2026-01-01', 'x']))['v']).toEqual(['2026-01-01', 'x']);
  });

  it.each([
    ['number', ['1', '2', 'three'], /Data row 3: “three” isn't a number/],
    ['number', ['1', '9007199254740993'], /Data row 2.*too large/],
    ['date', ['2026-01-01', '1/2/2026'], /Data row 2: “1\/2\/2026” isn't a date/],
    ['binary', ['a', 'b', 'c'], /3 different values/],
  ] as const)('can’t be chosen as %s for %j', async (type, values, message) => {
    const outcome = await inspect(column([...values]), { overrides: { v: type } });
    expect(outcome).toMatchObject({ type: 'rejected', problems: [{ code: 'type_mismatch', field: 'v', message: expect.stringMatching(message) }] });
  });

  it('can’t be chosen for a column, or as a type, that doesn’t exist', async () => {
    expect(await inspect('a,b\n1,2\n', { overrides: { c: 'number' } })).toMatchObject({ problems: [{ code: 'unknown_column', field: 'c' }] });
    const overrides = { a: 'integer' } as unknown as InspectOptions['overrides'] & object;
    expect(await inspect('a,b\n1,2\n', { overrides })).toMatchObject({ problems: [{ code: 'unknown_type', field: 'a' }] });
  });
});

describe('A profile', () => {
  it('of numbers equals the figures calculated by hand', async () => {
    const { columns } = await accepted('v,w\n1,x\n2,x\n3,x\n4,x\n,x\n10,x\n');
    expect(columns[0]).toEqual({
      name: 'v',
      type: 'number',
      missing: 1,
      distinct: 5,
      flags: [],
      summary: {
        kind: 'numbers',
        min: 1,
        max: 10,
        mean: 4,
        std: Math.sqrt(12.5), // squares of -3 -2 -1 0 6 sum to 50, over n - 1 = 4
        whole: true,
        quantiles: { p1: expect.closeTo(1.04, 12), p5: expect.closeTo(1.2, 12), p25: 2, p50: 3, p75: 4, p95: expect.closeTo(8.8, 12), p99: expect.closeTo(9.76, 12) },
        histogram: {
          edges: Array.from({ length: 21 }, (_, i) => expect.closeTo(1 + i * 0.45, 12)),
          counts: [1, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        },
      },
    });
  });

  it('of words has the most frequent first', async () => {
    const { columns } = await accepted(column(['b', 'a', 'c', 'b', '', 'a', 'b']));
    expect(columns[0]).toMatchObject({
      missing: 1,
      distinct: 3,
      summary: { kind: 'values', top: [{ value: 'b', count: 3 }, { value: 'a', count: 2 }, { value: 'c', count: 1 }], maxLength: 1 },
    });
  });

  it('shows long values shortened, so that a profile stays small', async () => {
    const { columns } = await accepted(column(['x'.repeat(50_000), 'y', 'y']));
    expect(columns[0]!.summary).toEqual({
      kind: 'values',
      top: [{ value: 'y', count: 2 }, { value: `${'x'.repeat(199)}…`, count: 1 }],
      maxLength: 50_000,
    });
  });

  it('stays finite for the largest and the smallest numbers', async () => {
    for (const values of [['1e300', '-1e300', '1e299'], ['1e-300', '3e-300', '2e-300'], ['5', '5', '5'], ['7']]) {
      const [profile] = (await accepted(column(values))).columns;
      expect(JSON.parse(JSON.stringify(profile))).toEqual(profile);
      expect(JSON.stringify(profile)).not.toContain('null');
    }
    const [small] = (await accepted(column(['1e-300', '3e-300', '2e-300']))).columns;
    expect(small!.summary).toMatchObject({ mean: expect.closeTo(2e-300, 310), std: expect.any(Number) });
    expect((small!.summary as { std: number }).std / 1e-300).toBeCloseTo(1, 10);
  });

  it('flags constants, empty columns and identifiers, and warns of them', async () => {
    const rows = Array.from({ length: 30 }, (_, i) => `${i + 100},M${i * 7},${i * 3},${i * 1.5 + 0.1},same,,${i < 20 ? '' : 'x'}`);
    const { columns, warnings } = await accepted(['row,serial,order_id,measured,constant,nothing,rare', ...rows].join('\n'));
    expect(Object.fromEntries(columns.map(({ name, flags }) => [name, flags]))).toEqual({
      row: ['identifier'], serial: ['identifier'], order_id: ['identifier'], measured: [], constant: ['constant'], nothing: ['empty'], rare: ['constant'],
    });
    expect(warnings.map(({ code, field }) => [field, code])).toEqual([
      ['row', 'identifier_column'], ['serial', 'identifier_column'], ['order_id', 'identifier_column'],
      ['constant', 'constant_column'], ['nothing', 'empty_column'], ['rare', 'constant_column'], ['rare', 'mostly_missing'],
    ]);
  });

  it('of iris has the published figures', async () => {
    const { columns, rowCount, warnings } = await accepted(await readFile(path.join(testkitData, 'iris.csv')));
    expect(rowCount).toBe(150);
    expect(warnings.map(({ code }) => code)).toEqual(['duplicate_rows']); // as published, one flower is in it twice
    expect(columns.map(({ name, type }) => [name, type])).toEqual([
      ['sepal length (cm)', 'number'], ['sepal width (cm)', 'number'], ['petal length (cm)', 'number'], ['petal width (cm)', 'number'], ['species', 'category'],
    ]);
    // R's documentation of the data set: means 5.843, 3.057, 3.758, 1.199; standard deviations 0.828, 0.436, 1.765, 0.762.
    const figures = columns.slice(0, 4).map(({ summary }) => (summary.kind === 'numbers' ? [summary.mean, summary.std].map((x) => x.toFixed(3)) : []));
    expect(figures).toEqual([['5.843', '0.828'], ['3.057', '0.436'], ['3.758', '1.765'], ['1.199', '0.762']]);
    expect(columns[4]!.summary).toMatchObject({ top: [{ value: 'setosa', count: 50 }, { value: 'versicolor', count: 50 }, { value: 'virginica', count: 50 }] });
  });
});

describe('Importing', () => {
  const target = (): string => path.join(folder, 'target.parquet');
  const importing = async (content: string | Uint8Array, options: object = {}): Promise<ImportOutcome> =>
    importTable({ sourcePath: await file(content), targetPath: target(), ...options });

  it('tells the size of the Parquet file, which alone remains', async () => {
    const outcome = await importing('a,b\n1,x\n');
    expect(outcome).toMatchObject({ type: 'imported', rowCount: 1, sizeBytes: (await stat(target())).size });
    expect((await readdir(folder)).filter((name) => name.startsWith('target'))).toEqual(['target.parquet']);
    await rm(target());
  });

  it('keeps what was there when the new file is refused', async () => {
    await importing('a,b\n1,x\n');
    const before = await readFile(target());
    expect(await importing('a,b\n1\n')).toMatchObject({ type: 'rejected' });
    expect((await readFile(target())).equals(before)).toBe(true);
    await rm(target());
  });

  it('leaves nothing behind when it is broken off', async () => {
    const signal = AbortSignal.timeout(150);
    const rows = Array.from({ length: 400_000 }, (_, i) => `${i},${i / 7},word ${i % 1000}`).join('\n');
    await expect(importing(`a,b,c\n${rows}`, { signal })).rejects.toMatchObject({ name: 'TimeoutError' });
    expect((await readdir(folder)).filter((name) => name.startsWith('target'))).toEqual([]);
    expect((await readdir(os.tmpdir())).filter((name) => name.startsWith(`millrace-table-${process.pid}-`))).toEqual([]);
  });

  it('refuses a table that needs more memory than it may use, and the next import works', async () => {
    const rows = Array.from({ length: 60_000 }, (_, i) => `${i}${'x'.repeat(400)},${i}`).join('\n');
    expect(await importing(`a,b\n${rows}`, { limits: { memoryMb: 12, threads: 1 } })).toMatchObject({
      type: 'rejected',
      problems: [{ code: 'table_too_large', field: 'file' }],
    });
    expect(await importing('a,b\n1,x\n')).toMatchObject({ type: 'imported' });
    await rm(target());
  });

  it('can do several files at the same time', async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 6 }, async (_, i) => {
        const source = path.join(folder, `source-${i}.csv`);
        await copyFile(path.join(testkitData, i % 2 ? 'iris.csv' : 'wine.csv'), source);
        return importTable({ sourcePath: source, targetPath: path.join(folder, `many-${i}.parquet`) });
      }),
    );
    expect(outcomes.map((outcome) => (outcome.type === 'imported' ? outcome.rowCount : outcome))).toEqual([178, 150, 178, 150, 178, 150]);
  });

  it('fails with the reason when there is no such file', async () => {
    await expect(inspectFile(path.join(folder, 'absent.csv'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('Reading a stored table', () => {
  let stored: string;
  beforeAll(async () => {
    stored = path.join(folder, 'stored.parquet');
    const source = await file('n,flag,word,number in words,day\n1,0,a,1.50,2026-01-01\n2.5,1,,2,2026-01-02\n,0,c,x,\n');
    expect(await importTable({ sourcePath: source, targetPath: stored })).toMatchObject({ type: 'imported' });
  });

  it('gives every column with its own type', async () => {
    expect(await readTable(stored)).toEqual({
      rows: 3,
      columns: [
        { name: 'n', type: 'number', values: Float64Array.of(1, 2.5, NaN) },
        { name: 'flag', type: 'number', values: Float64Array.of(0, 1, 0) },
        { name: 'word', type: 'binary', values: ['a', null, 'c'] },
        { name: 'number in words', type: 'category', values: ['1.50', '2', 'x'] },
        { name: 'day', type: 'date', values: ['2026-01-01', '2026-01-02', null] },
      ],
    });
  });

  it('gives the columns asked for, in that order, numbers as words if asked', async () => {
    const table = await readTable(stored, [{ name: 'flag', type: 'binary' }, { name: 'n', type: 'category' }, { name: 'n', type: 'number' }]);
    expect(table.columns).toEqual([
      { name: 'flag', type: 'binary', values: ['0', '1', '0'] },
      { name: 'n', type: 'category', values: ['1', '2.5', null] },
      { name: 'n', type: 'number', values: Float64Array.of(1, 2.5, NaN) },
    ]);
  });

  it.each([
    ['absent', 'number', /no such column/],
    ['number in words', 'number', /“x” isn’t a number/],
    ['day', 'number', /dates/],
    ['n', 'date', /dates/],
  ] as const)('refuses %s as %s, naming the field', async (name, type, message) => {
    await expect(readTable(stored, [{ name, type }])).rejects.toMatchObject({ name: 'DomainError', code: 'INVALID', field: name, message: expect.stringMatching(message) });
  });

  it('samples rows spread over the file, the same every time', async () => {
    const source = await file(`i,w\n${Array.from({ length: 1000 }, (_, i) => `${i},w${i % 3}`).join('\n')}`);
    const many = path.join(folder, 'thousand.parquet');
    await importTable({ sourcePath: source, targetPath: many });
    expect(await sampleRows(many, 4)).toEqual([0, 250, 500, 750].map((i) => ({ i, w: `w${i % 3}` })));
    expect(await sampleRows(stored, 10)).toEqual([
      { n: 1, flag: 0, word: 'a', 'number in words': '1.50', day: '2026-01-01' },
      { n: 2.5, flag: 1, word: null, 'number in words': '2', day: '2026-01-02' },
      { n: null, flag: 0, word: 'c', 'number in words': 'x', day: null },
    ]);
    expect(await sampleRows(stored, 0)).toEqual([]);
  });

  it('keeps the order of rows in a table of several row groups', async () => {
    const count = 300_000;
    const source = await file(`i,w\n${Array.from({ length: count }, (_, i) => `${i},w${i % 3}`).join('\n')}`);
    const large = path.join(folder, 'large.parquet');
    await importTable({ sourcePath: source, targetPath: large });
    const { columns } = await readTable(large, [{ name: 'i', type: 'number' }]);
    expect((columns[0]!.values as Float64Array).every((value, i) => value === i)).toBe(true);
  });
});

const shared = existsSync(sharedData) ? describe : describe.skip;
if (!existsSync(sharedData)) console.warn(`SKIPPED: no ${sharedData}, so the larger data sets aren't read.`);
shared('The shared data sets', () => {
  it.each([
    ['ai4i2020.csv', 10_000, 14], ['digits.csv', 1797, 65], ['auto_mpg.csv', 406, 9], ['bike_sharing_day.csv', 731, 16], ['concrete.csv', 1030, 9], ['air_passengers.csv', 144, 2],
  ])('%s is read whole', async (name, rows, columns) => {
    const outcome = await inspectFile(path.join(sharedData, name));
    expect(outcome).toMatchObject({ type: 'tabular', rowCount: rows });
    expect(outcome.type === 'tabular' && outcome.columns).toHaveLength(columns);
  });

  it('digits_png.zip is read as pictures, baselines.md and README.md are refused', async () => {
    expect(await inspectFile(path.join(sharedData, 'digits_png.zip'))).toMatchObject({ type: 'tabular', rowCount: 600, columns: [{ name: 'path' }, { type: 'image' }, { distinct: 10 }], warnings: [] });
    for (const name of ['baselines.md', 'README.md']) expect(await inspectFile(path.join(sharedData, name))).toMatchObject({ type: 'rejected' });
  });
});
