import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { importTable, readTable } from './index.ts';
import { literal, withTableEngine } from './table-engine.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'millrace-formats-spec-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function outcomeOf(content: string | Uint8Array, options: object = {}) {
  const sourcePath = path.join(folder, 'source.bin');
  await writeFile(sourcePath, content);
  return importTable({ sourcePath, targetPath: path.join(folder, 'table.parquet'), ...options });
}

async function read(content: string | Uint8Array) {
  const outcome = await outcomeOf(content);
  if (outcome.type === 'rejected') throw new Error(JSON.stringify(outcome.problems));
  const { columns } = await readTable(path.join(folder, 'table.parquet'));
  return {
    cells: Object.fromEntries(columns.map(({ name, values }) => [name, [...values]])),
    types: Object.fromEntries(columns.map(({ name, type }) => [name, type])),
    warnings: outcome.warnings.map(({ code, field }) => `${code} ${field}`),
  };
}

const problems = async (content: string | Uint8Array, options?: object) => {
  const outcome = await outcomeOf(content, options);
  if (outcome.type !== 'rejected') throw new Error('accepted');
  for (const problem of outcome.problems) expect(problem).toMatchObject({ message: expect.stringMatching(/\.$/), remedy: expect.stringMatching(/\.$/) });
  return outcome.problems.map(({ code, field, row }) => [code, field, ...(row === undefined ? [] : [row])].join(' '));
};

/** A Parquet file as another program writes it. */
async function parquet(select: string): Promise<Uint8Array> {
  const target = path.join(folder, 'foreign.parquet');
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run(`SET TimeZone = 'UTC'`);
  await connection.run(`COPY (${select}) TO '${target}' (FORMAT parquet)`);
  connection.closeSync();
  instance.closeSync();
  return readFile(target);
}

describe('A text', () => {
  const text = 'größe,wert\nä,1\n€,2\n😀,3\n';
  const expected = { größe: ['ä', '€', '😀'], wert: [1, 2, 3] };
  const le = (content: string): Buffer => Buffer.from(content, 'utf16le');

  it.each([
    ['UTF-8', Buffer.from(text)],
    ['UTF-8 with a mark', Buffer.from(`\uFEFF${text}`)],
    ['UTF-16 LE with a mark', le(`\uFEFF${text}`)],
    ['UTF-16 BE with a mark', le(`\uFEFF${text}`).swap16()],
    ['UTF-16 LE without a mark', le(text)],
    ['UTF-16 BE without a mark', le(text).swap16()],
  ])('may be in %s', async (_name, bytes) => {
    expect(await read(bytes)).toMatchObject({ cells: expected, warnings: [] });
  });

  it('in UTF-16 is read in pieces, wherever its characters fall', async () => {
    const rows = Array.from({ length: 40_000 }, (_, i) => `${'x'.repeat(i % 3)}😀,${i}`);
    const { cells } = await read(le(`\uFEFFword,n\n${rows.join('\n')}`));
    expect(cells['word']).toEqual(rows.map((row) => row.split(',')[0]));
  });

  it('in Windows-1252 is recognised, and said to be so', async () => {
    // 0x80 is the euro sign there, and a control in Latin-1.
    const bytes = Buffer.from('ort;preis\nM\xfcnchen;1,5 \x80\nK\xf6ln;2,5 \x80\n', 'latin1');
    expect(await read(bytes)).toMatchObject({ cells: { ort: ['München', 'Köln'], preis: ['1,5 €', '2,5 €'] }, warnings: ['encoding_guessed file', 'unit_in_number preis'] });
  });

  it('may have decimal commas, where no cell leaves a doubt', async () => {
    expect(await read('a;b;c;d\n1,5;1,500;0,125;3\n-2,25;2,250;1,250;NA\n3;4;7;4,75\n')).toEqual({
      cells: { a: [1.5, -2.25, 3], b: ['1,500', '2,250', '4'], c: [0.125, 1.25, 7], d: [3, NaN, 4.75] },
      types: { a: 'number', b: 'category', c: 'number', d: 'number' },
      warnings: ['decimal_comma_read a', 'decimal_comma b', 'decimal_comma_read c', 'decimal_comma_read d', 'missing_marks d'],
    });
  });
});

describe('JSON Lines', () => {
  it('are read with the members in the order in which they first occur, absent and null ones missing', async () => {
    const lines = ['{"n": 1.5, "s": "a, \\"b\\"\\nc", "ok": true}', '', '{"s": "007", "n": null, "later": "2026-01-02"}', '{"n": -2e3, "ok": false, "s": "", "later": "2026-01-03"}'];
    expect(await read(lines.join('\r\n'))).toMatchObject({
      cells: { n: [1.5, NaN, -2000], s: ['a, "b"\nc', '007', null], ok: ['true', null, 'false'], later: [null, '2026-01-02', '2026-01-03'] },
      types: { n: 'number', ok: 'binary', later: 'date' },
    });
  });

  it('keep what is in quotes a word, and one column of gaps', async () => {
    expect(await read('{"zip": "10115"}\n{"zip": "20095"}\n{}\n{"zip": "50667"}\n')).toMatchObject({ cells: { zip: ['10115', '20095', null, '50667'] }, types: { zip: 'category' } });
  });

  it.each([
    ['a list in a cell', '{"a": 1, "b": [1]}', 'nested_column b 1'],
    ['an object in a cell', '{"a": 1}\n{"a": {"b": 1}}', 'nested_column a 2'],
    ['a line that is no JSON', '{"a": 1}\n\n{"a": 1', 'invalid_json file 3'],
    ['a line that is no object', '{"a": 1}\n[1]', 'invalid_json file 2'],
    ['a number that would lose digits', '{"a": 12345678901234567890}', 'number_too_large a 1'],
    ['no member at all', '{}\n{}', 'no_rows file'],
    ['a reserved name', '{"constructor": 1}', 'header_reserved constructor'],
    ['broken UTF-8', Buffer.from('{"a": "\xc3\xa9\xc3\xa9"}\n{"a": "\xff"}', 'latin1'), 'wrong_encoding file 1'],
  ])('are refused for %s', async (_what, content, problem) => {
    expect(await problems(content)).toEqual([problem]);
  });

  it('have the limits of every table', async () => {
    const lines = '{"a": 1, "b": 2}\n{"a": 1}\n{"a": 1}\n';
    expect(await problems(lines, { limits: { maxRows: 2 } })).toEqual(['too_many_rows file 3']);
    expect(await problems(lines, { limits: { maxColumns: 1 } })).toEqual(['too_many_columns file 1']);
    expect(await problems(lines, { limits: { maxRowBytes: 10 } })).toEqual(['row_too_long file 1']);
    expect(await problems('{"a": "longer than ten"}', { limits: { maxCellBytes: 10 } })).toEqual(['cell_too_long a 1']);
  });
});

describe('Parquet of others', () => {
  it('is read with its types: numbers exact, words as words, dates as dates', async () => {
    const content = await parquet(`
      SELECT i::TINYINT AS tiny, (i * 1.25)::DECIMAL(9, 2) AS price, (i / 10)::FLOAT AS single, i % 2 = 0 AS even, lpad(i::VARCHAR, 3, '0') AS code, i::VARCHAR AS digits,
        DATE '2026-01-01' + i::INTEGER AS day, TIMESTAMP '2026-01-01 10:00:00.5' + INTERVAL (i) HOUR AS moment, TIMESTAMPTZ '2026-01-01 10:00:00+02' AS zoned, CASE WHEN i = 2 THEN NULL ELSE i * 1e-7 END AS small
      FROM range(1, 4) t(i)`);
    expect(await read(content)).toMatchObject({
      cells: {
        tiny: [1, 2, 3], price: [1.25, 2.5, 3.75], single: [0.1, 0.2, 0.3], even: ['false', 'true', 'false'], code: ['001', '002', '003'], digits: ['1', '2', '3'],
        day: ['2026-01-02', '2026-01-03', '2026-01-04'], moment: ['2026-01-01T11:00:00.500Z', '2026-01-01T12:00:00.500Z', '2026-01-01T13:00:00.500Z'],
        zoned: Array(3).fill('2026-01-01T08:00:00.000Z'), small: [1e-7, NaN, 3e-7],
      },
      types: { tiny: 'number', price: 'number', single: 'number', even: 'binary', code: 'category', digits: 'category', day: 'date', moment: 'date', zoned: 'date', small: 'number' },
    });
  });

  it('keeps the order of its rows, over many row groups', async () => {
    const { cells } = await read(await parquet('SELECT i AS n FROM range(300000) t(i)'));
    expect(cells['n']!.every((value, i) => value === i)).toBe(true);
  });

  it('is refused for nested columns and unknown types, each by its name', async () => {
    const content = await parquet(`SELECT 1 AS fine, [1, 2] AS list, {'a': 1} AS struct, MAP {'k': 1} AS "map"`);
    expect(await problems(content)).toEqual(['nested_column list', 'nested_column struct', 'nested_column map']);
  });

  it('is refused for its names, its limits and its damages', async () => {
    expect(await problems(await parquet(`SELECT 1 AS a, 2 AS "__proto__"`))).toEqual(['header_reserved __proto__']);
    const content = await parquet(`SELECT i AS a, repeat('x', 20) AS b FROM range(10) t(i)`);
    expect(await problems(content, { limits: { maxRows: 9 } })).toEqual(['too_many_rows file']);
    expect(await problems(content, { limits: { maxColumns: 1 } })).toEqual(['too_many_columns file']);
    expect(await problems(content, { limits: { maxCellBytes: 10 } })).toEqual(['cell_too_long b']);
    expect(await problems(await parquet('SELECT 1 AS a WHERE false'))).toEqual(['no_rows file']);
    for (const cut of [8, 100, content.length - 1]) expect(await problems(content.subarray(0, cut))).toEqual(['damaged_file file']);
    const bent = Buffer.from(content);
    bent.fill(0xff, 20, 60);
    expect(await problems(bent)).toEqual(['damaged_file file']);
  });

  it('gets the engine to read nothing but itself', async () => {
    const secret = path.join(folder, 'secret.csv');
    await writeFile(secret, 'password\nhunter2\n');
    const source = path.join(folder, 'allowed.parquet');
    await writeFile(source, await parquet(`SELECT '${secret}' AS path`));
    await withTableEngine({ files: [source], memoryMb: 64, threads: 1 }, async (engine) => {
      expect(await engine.rows(`SELECT * FROM read_parquet(${literal(source)})`)).toEqual([[secret]]);
      const attempts = [
        `SELECT * FROM read_csv(${literal(secret)})`, `SELECT * FROM read_text(${literal(secret)})`, `SELECT * FROM ${literal(secret)}`, `SELECT * FROM glob(${literal(`${folder}/*`)})`,
        `SELECT * FROM read_parquet(${literal(`${folder}/*.parquet`)})`, `COPY (SELECT 1) TO ${literal(path.join(folder, 'leak.csv'))}`, `ATTACH ${literal(path.join(folder, 'x.db'))}`,
        `SELECT * FROM read_parquet('http://127.0.0.1:9/x.parquet')`, 'INSTALL httpfs', `LOAD ${literal(path.join(folder, 'x.duckdb_extension'))}`,
        'SET enable_external_access = true', 'RESET enable_external_access', `SET allowed_directories = ['/']`,
      ];
      for (const attempt of attempts) await expect(engine.run(attempt)).rejects.toThrow();
    });
    // What a file's cells and names say is never a statement or a path.
    const named = await parquet(`SELECT 1 AS "x') ; COPY (SELECT 1) TO '${folder}/leak.csv' --", 2 AS "read_csv('${secret}')"`);
    expect(Object.keys((await read(named)).cells)).toHaveLength(2);
    await expect(readFile(path.join(folder, 'leak.csv'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
