import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { importTable, inspectFile } from './index.ts';
import { reportOnTarget, type TargetChoice } from './target-report.ts';

const testkitData = path.join(import.meta.dirname, '../../testkit/data');
const sharedData = path.join(import.meta.dirname, '../../../../shared/data');
const hasSharedData = existsSync(sharedData);
if (!hasSharedData) console.warn(`SKIPPED: the leaks of the shared data sets, since ${sharedData} is absent.`);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'millrace-target-spec-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Numbers from 0 to 1, the same every time. */
function createNoise(seed = 7): () => number {
  let state = seed;
  return () => (state = (state * 16807) % 2147483647) / 2147483647;
}

function csv(columns: Record<string, unknown[]>): string {
  const names = Object.keys(columns);
  return [names.join(','), ...columns[names[0]!]!.map((_, i) => names.map((name) => String(columns[name]![i] ?? '')).join(','))].join('\n');
}

async function written(content: string): Promise<string> {
  const source = path.join(folder, 'source.csv');
  await writeFile(source, content);
  return source;
}

async function reportOf(source: string, target: TargetChoice) {
  const targetPath = path.join(folder, 'table.parquet');
  const outcome = await importTable({ sourcePath: source, targetPath });
  if (outcome.type === 'rejected') throw new Error(JSON.stringify(outcome.problems));
  const report = await reportOnTarget(targetPath, target);
  return { ...report, of: (column: string) => report.associations.find((one) => one.column === column)!, leaking: report.leaks.map(({ columns }) => columns.join('+')) };
}

const reportOn = async (columns: Record<string, unknown[]>, target: TargetChoice) => reportOf(await written(csv(columns)), target);
const warningsOf = async (columns: Record<string, unknown[]>) => {
  const outcome = await inspectFile(await written(csv(columns)));
  if (outcome.type === 'rejected') throw new Error(JSON.stringify(outcome.problems));
  return outcome.warnings.map(({ code, field }) => `${code} ${field}`);
};
const many = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));

describe('How columns go with a target', () => {
  it('is measured by the textbook: Pearson, Spearman, the correlation ratio and Cramér’s V', async () => {
    const x = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
    const report = await reportOn({ x, g: ['a', 'a', 'a', 'b', 'b', 'b', 'c', 'c', 'c', 'c'], y: [2, 1, 4, 3, 7, 8, 6, 5, 10, 9.5] }, { name: 'y', type: 'number' });
    // r and ρ by their definitions: sums of products of deviations, of the values and of the ranks.
    expect(report.of('x').pearson).toBeCloseTo(72.75 / Math.sqrt(82.5 * 86.225), 10);
    expect(report.of('x').spearman).toBeCloseTo(1 - (6 * (1 + 1 + 1 + 1 + 4 + 4 + 1 + 9 + 1 + 1)) / 990, 10);
    // Group means 7/3, 6 and 7.625 around 5.55; the spread in all is 86.225.
    const between = 3 * (7 / 3 - 5.55) ** 2 + 3 * (6 - 5.55) ** 2 + 4 * (7.625 - 5.55) ** 2;
    expect(report.of('g').correlationRatio).toBeCloseTo(Math.sqrt(between / 86.225), 10);

    // 2 x 2, 30 10 / 10 30: χ² = 20; corrected φ² = 20/80 - 1/79, width 1 - 1/79.
    const table = [[30, 'a', 'p'], [10, 'a', 'q'], [10, 'b', 'p'], [30, 'b', 'q']] as const;
    const classes = await reportOn({ g: table.flatMap(([n, g]) => many(n, () => g)), y: table.flatMap(([n, , y]) => many(n, () => y)), n: many(80, (i) => i % 9) }, { name: 'y', type: 'binary' });
    expect(classes.of('g').cramersV).toBeCloseTo(Math.sqrt((20 / 80 - 1 / 79) / (1 - 1 / 79)), 10);
    expect(classes.of('n').correlationRatio).toBeLessThan(0.2);
    expect(classes.leaks).toEqual([]);
  });

  it('leaves gaps aside, knows ties, and calls noise noise', async () => {
    const noise = createNoise();
    const y = many(400, () => Math.round(noise() * 20));
    const report = await reportOn({ same: y.map((value, i) => (i % 3 === 0 ? '' : value * 1e6 + 5)), noise: many(400, () => noise()), y }, { name: 'y', type: 'number' });
    expect(report.of('same')).toMatchObject({ pearson: expect.closeTo(1, 9), spearman: expect.closeTo(1, 9) });
    expect(Math.abs(report.of('noise').pearson!)).toBeLessThan(0.2);
    expect(report.of('noise').alone).toBeLessThan(0.2);
    expect(report.leaking).toEqual(['same']);
  });

  it('is judged on rows that the rule has not seen: learning by heart scores nothing', async () => {
    const noise = createNoise(5);
    const batch = many(400, () => `b${Math.floor(noise() * 150)}`);
    const number = await reportOn({ batch, y: many(400, () => noise()) }, { name: 'y', type: 'number' });
    expect(number.of('batch').alone).toBeLessThan(0.1);
    const two = await reportOn({ batch, y: many(400, () => (noise() < 0.5 ? 'a' : 'b')) }, { name: 'y', type: 'binary' });
    expect(Math.abs(two.of('batch').alone! - 0.5)).toBeLessThan(0.1);
    const three = await reportOn({ batch, y: many(400, () => 'abc'[Math.floor(noise() * 3)]) }, { name: 'y', type: 'category' });
    expect(Math.abs(three.of('batch').alone! - 1 / 3)).toBeLessThan(0.1);
  });

  it('can’t be asked of a target that isn’t there or can’t be it', async () => {
    const columns = { word: many(30, (i) => `w${i % 3}`), day: many(30, (i) => `2026-01-${String(i + 1).padStart(2, '0')}`) };
    for (const target of [{ name: 'none', type: 'number' }, { name: 'word', type: 'number' }, { name: 'day', type: 'category' }] as const) {
      await expect(reportOn(columns, target)).rejects.toMatchObject({ code: 'INVALID', field: 'target', remedy: expect.stringMatching(/\.$/) });
    }
  });
});

describe('A leak', () => {
  const noise = createNoise();
  const y = many(600, () => (noise() < 0.3 ? 'bad' : 'good'));
  const other = many(600, () => noise().toFixed(3));

  it.each([
    ['a copy under other names', y.map((value) => (value === 'bad' ? 'NOK' : 'OK'))],
    ['a number with a threshold', y.map((value) => (value === 'bad' ? 5 + noise() : noise()).toFixed(4))],
    ['a number that is missing where the class is one', y.map((value) => (value === 'bad' ? noise().toFixed(4) : ''))],
  ])('is %s', async (_what, leak) => {
    expect((await reportOn({ other, leak, y }, { name: 'y', type: 'binary' })).leaking).toEqual(['leak']);
  });

  it('is found for more than two classes and for numbers, whatever the form of the copy', async () => {
    const classes = many(900, (i) => 'abc'[i % 3]);
    expect((await reportOn({ other: many(900, () => noise()), leak: classes.map((one) => 'abc'.indexOf(one!) * 10 + noise()), y: classes }, { name: 'y', type: 'category' })).leaking).toEqual(['leak']);
    const values = many(600, () => noise() * 50);
    const report = await reportOn({ other, square: values.map((value) => value ** 4), noisy: values.map((value) => value + 30 * noise()), y: values }, { name: 'y', type: 'number' });
    expect(report.leaking).toEqual(['square']);
  });

  it('is a pair of numbers that add up to the target, and no pair that only goes with it', async () => {
    const [a, b] = [many(300, () => Math.round(noise() * 900)), many(300, () => Math.round(noise() * 500))];
    const sum = a.map((value, i) => value + b[i]!);
    const report = await reportOn({ a, other: many(300, () => noise()), b, sum }, { name: 'sum', type: 'number' });
    expect(report.leaks).toMatchObject([{ kind: 'sum', columns: ['a', 'b'], message: expect.stringMatching(/add up/) }]);
    const mixed = await reportOn({ a, b, y: sum.map((value) => value + noise() * 200) }, { name: 'y', type: 'number' });
    expect(mixed.leaks.filter(({ kind }) => kind === 'sum')).toEqual([]);
  });

  it('is no honest column, and none is claimed on a handful of rows', async () => {
    expect((await reportOf(path.join(testkitData, 'iris.csv'), { name: 'species', type: 'category' })).leaks).toEqual([]);
    expect((await reportOf(path.join(testkitData, 'wine.csv'), { name: 'cultivar', type: 'category' })).leaks).toEqual([]);
    expect((await reportOn({ x: many(12, (i) => i), y: many(12, (i) => (i < 6 ? 'a' : 'b')) }, { name: 'y', type: 'binary' })).leaks).toEqual([]);
  });

  (hasSharedData ? it : it.skip)('is what the authors of the shared data sets name, and nothing else', async () => {
    const shared = (name: string) => path.join(sharedData, `${name}.csv`);
    const machines = await reportOf(shared('ai4i2020'), { name: 'Machine failure', type: 'binary' });
    expect(machines.leaking.sort()).toEqual(['HDF', 'OSF', 'PWF', 'TWF']);
    expect(machines.warnings.map(({ code, field }) => `${code} ${field}`)).toEqual(['imbalance Machine failure', 'beside_leak RNF']);
    expect((await reportOf(shared('bike_sharing_day'), { name: 'cnt', type: 'number' })).leaking).toEqual(['registered+casual']);
    expect((await reportOf(shared('concrete'), { name: 'strength', type: 'number' })).leaks).toEqual([]);
    expect((await reportOf(shared('auto_mpg'), { name: 'miles_per_gallon', type: 'number' })).leaks).toEqual([]);
  });
});

describe('Warnings of values and rows', () => {
  const noise = createNoise(11);
  const plain = (): string[] => many(400, () => (10 + noise()).toFixed(5));
  const three = { a: plain(), b: plain(), c: plain() };

  it('are none where nothing is odd', async () => {
    expect(await warningsOf(three)).toEqual([]);
  });

  it.each([
    ['two units in one column', three.a.map((value, i) => (i % 5 === 0 ? Number(value) * 25.4 : value)), 'mixed_units'],
    ['a wrong reading', three.a.map((value, i) => (i === 77 ? '9999' : value)), 'outliers'],
    ['a change along the file', three.a.map((value, i) => Number(value) + i / 400), 'drift'],
    ['a change of words along the file', three.a.map((_, i) => (i < 200 ? 'old' : i % 2 ? 'new' : 'old')), 'drift'],
  ])('name %s', async (_what, odd, code) => {
    expect(await warningsOf({ ...three, odd })).toEqual([`${code} odd`]);
  });

  it('take no two kinds of thing for two units', async () => {
    expect(await warningsOf({ ...three, odd: three.a.map((value, i) => (i % 5 === 0 ? Number(value) * 3.3 : value)) })).toEqual([]);
  });

  it('count copies, identifiers aside, and near copies', async () => {
    const copied = (column: string[]): string[] => [...column, ...column.slice(0, 30)];
    const table = { id: many(430, (i) => i + 1), a: copied(three.a), b: copied(three.b), c: copied(three.c) };
    const outcome = await inspectFile(await written(csv(table)));
    expect(outcome).toMatchObject({ warnings: expect.arrayContaining([expect.objectContaining({ code: 'duplicate_rows', message: expect.stringMatching(/^30 rows repeat/), remedy: expect.stringMatching(/split/) })]) });
    const near = Object.fromEntries(Object.entries(three).map(([name, column]) => [name, [...column, ...column.slice(0, 30).map((value) => Number(value) + 0.00001)]]));
    expect(await warningsOf(near)).toEqual(['near_duplicate_rows file']);
  });

  it('name a moment that lies after another', async () => {
    const day = (i: number): string => new Date(Date.UTC(2026, 0, 1 + i)).toISOString().slice(0, 10);
    const begun = many(60, (i) => day(i * 3));
    expect(await warningsOf({ begun, repaired: many(60, (i) => day(i * 3 + 1 + (i % 2))) })).toEqual(['later_date repaired']);
    expect(await warningsOf({ begun, other: many(60, (i) => day(i * 3 + (i % 2 ? 5 : -5))) })).toEqual([]);
  });
});
