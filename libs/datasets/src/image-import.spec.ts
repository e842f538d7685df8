import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { encodePng } from '@millrace/images';
import { type ArchiveEntry as Entry, zipOf as zip } from '@millrace/testkit';
import { importImages } from './image-import.ts';
import { defaultFileLimits, importTable, type ImportOutcome, readContactSheet, readTable, sampleRows } from './index.ts';

let folder: string;
let target: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'millrace-images-'));
  target = path.join(folder, 'table.parquet');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function png(width: number, height: number, seed: number): Uint8Array {
  return encodePng({ width, height, channels: 3, data: Uint8Array.from({ length: width * height * 3 }, (_, at) => (at * 31 + seed * 57) % 256) });
}

async function load(entries: Entry[] | Buffer, more: Entry[][] = []): Promise<ImportOutcome> {
  const sources = [Buffer.isBuffer(entries) ? entries : zip(entries), ...more.map(zip)];
  const paths = sources.map((_, i) => path.join(folder, `source-${i}`));
  for (const [i, bytes] of sources.entries()) await writeFile(paths[i]!, bytes);
  return importTable({ sourcePath: paths[0]!, morePaths: paths.slice(1), targetPath: target });
}

const some = (label: string, count: number, from = 0): Entry[] => Array.from({ length: count }, (_, i) => ({ name: `parts/${label}/${from + i}.png`, bytes: png(8, 6, from + i + label.charCodeAt(0) * 100 + label.length) }));

describe('an archive of pictures in folders', () => {
  it('becomes a table of path, image and label, with the files as they came', async () => {
    const entries = [...some('good', 3), ...some('scratch', 2).map((entry) => ({ ...entry, packed: true }))];
    const outcome = await load([...entries, { name: 'parts/empty/', bytes: Buffer.alloc(0) }, { name: '__MACOSX/parts/good/._0.png', bytes: Buffer.from('x') }, { name: 'parts/.DS_Store', bytes: Buffer.from('x') }]);
    expect(outcome).toMatchObject({
      type: 'imported', rowCount: 5,
      columns: [
        { name: 'path', type: 'text', distinct: 5 },
        {
          name: 'image', type: 'image', distinct: 5,
          summary: { kind: 'images', classes: [{ label: 'good', count: 3 }, { label: 'scratch', count: 2 }], formats: { png: 5, jpeg: 0 }, width: { min: 8, max: 8 }, height: { min: 6, max: 6 }, grey: 0, duplicates: 0, brokenCount: 0 },
        },
        { name: 'label', type: 'category', distinct: 2 },
      ],
    });
    const table = await readTable(target, [{ name: 'path', type: 'text' }, { name: 'image', type: 'image' }, { name: 'label', type: 'category' }]);
    expect(table.columns[0]!.values).toEqual(entries.map(({ name }) => name));
    expect(table.columns[2]!.values).toEqual(['good', 'good', 'good', 'scratch', 'scratch']);
    const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
    expect((table.columns[1]!.values as Uint8Array[]).map(digest)).toEqual(entries.map(({ bytes }) => digest(bytes)));
    expect((await sampleRows(target, 2))[1]).toEqual({ path: 'parts/good/2.png', image: `${entries[2]!.bytes.length} bytes`, label: 'good' });
    await expect(readTable(target, [{ name: 'image', type: 'text' }])).rejects.toMatchObject({ code: 'INVALID', field: 'image' });
  });

  it('names what is broken, too large or no picture, and goes on', async () => {
    const cut = png(20, 20, 3);
    const outcome = await load([
      ...some('a', 2), ...some('b', 2),
      { name: 'a/cut.png', bytes: cut.subarray(0, cut.length - 40) },
      { name: 'a/text.jpg', bytes: Buffer.from('no picture') },
      { name: 'b/bomb.png', bytes: Buffer.alloc(17 * 2 ** 20), packed: true },
      { name: 'b/liar.png', bytes: Buffer.alloc(100_000), size: 10, packed: true },
      { name: 'loose.png', bytes: png(4, 4, 1) },
      { name: 'a/notes.txt', bytes: Buffer.from('hello') },
    ]);
    if (outcome.type === 'rejected') throw new Error(JSON.stringify(outcome.problems));
    const { summary } = outcome.columns[1]!;
    expect(summary).toMatchObject({ brokenCount: 4, broken: [{ path: 'a/cut.png' }, { path: 'a/text.jpg' }, { path: 'b/bomb.png', message: expect.stringContaining('17825792 bytes') }, { path: 'b/liar.png' }] });
    expect(outcome.rowCount).toBe(4);
    const codes = outcome.warnings.map(({ code }) => code);
    expect(codes).toEqual(['broken_images', 'images_without_class', 'other_files', 'few_images']);
    expect(outcome.warnings[0]!.message).toContain('a/cut.png');
  });

  it('decodes large pictures aside, and is refused by the name of one that takes too long', async () => {
    const large = { name: 'parts/good/large.png', bytes: png(300, 300, 1) };
    expect(await load([...some('good', 2), large])).toMatchObject({ type: 'imported', rowCount: 3, columns: [{}, { summary: { width: { max: 300 }, brokenCount: 0 } }, {}] });
    expect((await readContactSheet(target, 5))[0]!.images.map(({ path: name }) => name)).toContain(large.name);
    const source = path.join(folder, 'source-0');
    const outcome = await importImages([source], target, defaultFileLimits, {}, undefined, 1);
    expect(outcome).toMatchObject({ type: 'rejected', problems: [{ code: 'picture_too_costly', field: 'file', message: expect.stringContaining('parts/good/large.png') }] });
  });

  it('warns of copies, contradictions, imbalance and shapes', async () => {
    const [first] = some('a', 1);
    const outcome = await load([...some('a', 30), ...some('b', 2, 500), { name: 'b/copy.png', bytes: first!.bytes }, { name: 'a/wide.png', bytes: png(30, 4, 9) }]);
    expect(outcome).toMatchObject({ type: 'imported' });
    const messages = new Map(outcome.type === 'imported' ? outcome.warnings.map(({ code, message }) => [code, message]) : []);
    expect([...messages.keys()]).toEqual(['duplicate_images', 'contradicting_images', 'imbalance', 'few_images', 'mixed_shapes']);
    expect(messages.get('contradicting_images')).toContain('b/copy.png');
  });

  it('is refused as a whole if it leads out of itself, is damaged, has no classes or no pictures', async () => {
    const codeOf = async (entries: Entry[] | Buffer) => {
      const outcome = await load(entries);
      return outcome.type === 'rejected' ? outcome.problems[0]!.code : outcome.type;
    };
    const picture = png(4, 4, 1);
    expect(await codeOf([{ name: '../a/x.png', bytes: picture }])).toBe('unsafe_path');
    expect(await codeOf([{ name: '/etc/x.png', bytes: picture }])).toBe('unsafe_path');
    expect(await codeOf([{ name: 'C:\\a\\x.png', bytes: picture }])).toBe('unsafe_path');
    expect(await codeOf(zip(some('a', 3)).subarray(0, 200))).toBe('damaged_file');
    expect(await codeOf([{ name: 'x.png', bytes: picture }])).toBe('no_classes');
    expect(await codeOf([{ name: 'a/data.csv', bytes: Buffer.from('a,b') }])).toBe('no_images');
    expect(await codeOf([{ name: 'a/x.png', bytes: Buffer.from('nothing') }])).toBe('no_images');
    expect(await codeOf([])).toBe('no_images');
    expect(await codeOf([{ name: '[Content_Types].xml', bytes: Buffer.from('<x/>') }])).toBe('wrong_file_type');
  });

  it('takes more archives below it, but no table, and its types are as they are', async () => {
    expect(await load(some('a', 2), [some('b', 3)])).toMatchObject({ type: 'imported', rowCount: 5 });
    const csv = path.join(folder, 'table.csv');
    await writeFile(csv, 'path,image,label\na,b,c\n');
    const sourcePath = path.join(folder, 'source-0');
    expect(await importTable({ sourcePath, morePaths: [csv], targetPath: target })).toMatchObject({ problems: [{ code: 'mixed_formats' }] });
    expect(await importTable({ sourcePath, targetPath: target, overrides: { image: 'text' } })).toMatchObject({ problems: [{ code: 'wrong_type', field: 'image' }] });
    expect(await importTable({ sourcePath, targetPath: target, overrides: { path: 'text', image: 'image', label: 'category' } })).toMatchObject({ type: 'imported' });
  });

  it('gives a contact sheet: a few of each class, evenly, the largest class first', async () => {
    await load([...some('b', 4), ...some('a', 10)]);
    const sheet = await readContactSheet(target, 5);
    expect(sheet.map(({ label, count, images }) => [label, count, images.map(({ path: name }) => name.split('/')[2])])).toEqual([
      ['a', 10, ['0.png', '2.png', '4.png', '6.png', '8.png']],
      ['b', 4, ['0.png', '1.png', '2.png', '3.png']],
    ]);
    expect(Buffer.from(sheet[0]!.images[0]!.thumbnail.subarray(1, 4)).toString()).toBe('PNG');
    const csv = path.join(folder, 'plain.csv');
    await writeFile(csv, 'a,b\n1,2\n');
    await importTable({ sourcePath: csv, targetPath: target });
    expect(await readContactSheet(target, 5)).toEqual([]);
  });
});
