import fc from 'fast-check';
import { splitRows } from './split.ts';

const rowsUpTo = (count: number) => Int32Array.from({ length: count }, (_, row) => row);

test('every row falls into exactly one part, and the shares are kept to the row', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 10, max: 400 }), fc.double({ min: 0.05, max: 0.95, noNaN: true }), fc.nat(),
      (count, trainFraction, seed) => {
        const split = splitRows({ rows: rowsUpTo(count), strata: null, trainFraction, validationFraction: 0, seed });
        expect([...split.train, ...split.test].sort((a, b) => a - b)).toEqual(Array.from(rowsUpTo(count)));
        const wanted = Math.max(1, Math.min(count - 1, Math.round(count * trainFraction)));
        expect(split.train.length).toBe(wanted);
        expect(split.validation.length).toBe(0);
      },
    ),
    { seed: 20261126, numRuns: 100 },
  );
});

test('a stratified split keeps the share of every class', () => {
  const strata = Int32Array.from({ length: 150 }, (_, row) => Math.floor(row / 50));
  const split = splitRows({ rows: rowsUpTo(150), strata, trainFraction: 0.8, validationFraction: 0.25, seed: 4 });
  const perClass = (part: Int32Array) => [0, 1, 2].map((stratum) => part.filter((row) => strata[row] === stratum).length);
  expect(perClass(split.train)).toEqual([30, 30, 30]);
  expect(perClass(split.validation)).toEqual([10, 10, 10]);
  expect(perClass(split.test)).toEqual([10, 10, 10]);
});

test('a stratified split leaves a training row of each class and a test row, however rare the classes', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 2, max: 9 }), { minLength: 2, maxLength: 8 }),
      fc.double({ min: 0.05, max: 0.95, noNaN: true }), fc.nat(),
      (sizes, trainFraction, seed) => {
        const strata = Int32Array.from(sizes.flatMap((size, stratum) => Array<number>(size).fill(stratum)));
        const split = splitRows({ rows: rowsUpTo(strata.length), strata, trainFraction, validationFraction: 0, seed });
        expect(new Set(split.train.map((row) => strata[row]!)).size).toBe(sizes.length);
        expect(split.test.length).toBeGreaterThan(0);
      },
    ),
    { seed: 20261126, numRuns: 200 },
  );
});

test('the test rows are the same whether or not validation rows are held back', () => {
  const request = { rows: rowsUpTo(97), strata: null, trainFraction: 0.7, seed: 11 };
  const without = splitRows({ ...request, validationFraction: 0 });
  const held = splitRows({ ...request, validationFraction: 0.3 });
  expect(held.test).toEqual(without.test);
  expect(held.validation.length).toBe(Math.round(68 * 0.3));
  expect([...held.train, ...held.validation].sort((a, b) => a - b)).toEqual(Array.from(without.train));
});

test('rows to test on that are given are the test rows, and the others are divided as ever', () => {
  const rows = rowsUpTo(50).filter((row) => row % 7 !== 0);
  const testRows = Int32Array.of(3, 7, 8, 40);
  const split = splitRows({ rows, strata: null, testRows, trainFraction: 0.5, validationFraction: 0.25, seed: 1 });
  expect(Array.from(split.test)).toEqual([3, 8, 40]);
  expect([...split.train, ...split.validation, ...split.test].sort((a, b) => a - b)).toEqual(Array.from(rows));
  expect(split.validation.length).toBe(Math.round((rows.length - 3) * 0.25));
});

test('another seed gives other rows, the same seed the same', () => {
  const split = (seed: number) =>
    splitRows({ rows: rowsUpTo(60), strata: null, trainFraction: 0.5, validationFraction: 0, seed }).train;
  expect(split(1)).toEqual(split(1));
  expect(split(1)).not.toEqual(split(2));
});

test('three hundred thousand rows of one class do not exhaust the stack', () => {
  const split = splitRows({ rows: rowsUpTo(300_000), strata: null, trainFraction: 0.8, validationFraction: 0.1, seed: 0 });
  expect(split.test.length).toBe(60_000);
});

const parts = ({ train, validation, test }: ReturnType<typeof splitRows>) => [train, validation, test];

test('a grouped split keeps every group whole, in all three parts, and comes close to the share', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat({ max: 30 }), { minLength: 40, maxLength: 300 }), fc.double({ min: 0.2, max: 0.8, noNaN: true }), fc.nat(),
      (numbers, trainFraction, seed) => {
        fc.pre(new Set(numbers).size >= 3);
        const groups = Int32Array.from(numbers);
        const request = { rows: rowsUpTo(numbers.length), strata: null, trainFraction, seed, by: { type: 'grouped' as const, groups } };
        const split = splitRows({ ...request, validationFraction: 0.3 });
        const groupsOf = parts(split).map((part) => new Set(part.map((row) => groups[row]!)));
        expect(groupsOf.reduce((sum, some) => sum + some.size, 0)).toBe(new Set(numbers).size);
        expect(parts(split).reduce((sum, part) => sum + part.length, 0)).toBe(numbers.length);
        expect(split.train.length).toBeGreaterThan(0);
        expect(split.test.length).toBeGreaterThan(0);
        expect(splitRows({ ...request, validationFraction: 0 }).test).toEqual(split.test);
        const largest = Math.max(...[...new Set(numbers)].map((group) => numbers.filter((one) => one === group).length));
        const learned = numbers.length - split.test.length;
        const wanted = numbers.length * trainFraction;
        // Within half of the largest group, unless a part would be left without any.
        if (groupsOf[2]!.size > 1 && groupsOf[0]!.size + groupsOf[1]!.size > 1) expect(Math.abs(learned - wanted)).toBeLessThanOrEqual(largest / 2 + 1e-9);
      },
    ),
    { seed: 20261126, numRuns: 150 },
  );
});

test('a grouped split depends on its seed', () => {
  const groups = Int32Array.from({ length: 90 }, (_, row) => row % 9);
  const test = (seed: number) => splitRows({ rows: rowsUpTo(90), strata: null, trainFraction: 0.7, validationFraction: 0, seed, by: { type: 'grouped', groups } }).test;
  expect(test(1)).toEqual(test(1));
  expect(new Set([1, 2, 3, 4, 5].map((seed) => String(test(seed)))).size).toBeGreaterThan(1);
});

test('a split by time learns from the past only, whatever the order of the rows, and never divides a moment', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 20 }), { minLength: 20, maxLength: 200 }), fc.double({ min: 0.1, max: 0.9, noNaN: true }), (moments, trainFraction) => {
      fc.pre(new Set(moments).size >= 3);
      const ranks = Int32Array.from(moments);
      const split = splitRows({ rows: rowsUpTo(moments.length), strata: null, trainFraction, validationFraction: 0.2, seed: 0, by: { type: 'time', ranks } });
      const bounds = parts(split).map((part) => [Math.min(...part.map((row) => ranks[row]!)), Math.max(...part.map((row) => ranks[row]!))]);
      const filled = bounds.filter((_, index) => parts(split)[index]!.length > 0);
      for (let i = 1; i < filled.length; i++) expect(filled[i - 1]![1]).toBeLessThan(filled[i]![0]!);
      expect(split.test.length).toBeGreaterThan(0);
    }),
    { seed: 20261126, numRuns: 150 },
  );
  const ranks = Int32Array.from({ length: 10 }, (_, row) => 9 - row);
  const split = splitRows({ rows: rowsUpTo(10), strata: null, trainFraction: 0.8, validationFraction: 0.25, seed: 3, by: { type: 'time', ranks } });
  expect(parts(split).map((part) => [...part])).toEqual([[4, 5, 6, 7, 8, 9], [2, 3], [0, 1]]);
});

test('a split by fold tests on that fold and holds back a share of each class of the others', () => {
  const isTest = Uint8Array.from({ length: 50 }, (_, row) => (row % 5 === 2 ? 1 : 0));
  const strata = Int32Array.from({ length: 50 }, (_, row) => Math.floor(row / 25));
  const split = splitRows({ rows: rowsUpTo(50), strata, trainFraction: 0.5, validationFraction: 0.2, seed: 0, by: { type: 'fold', isTest } });
  expect([...split.test]).toEqual([...rowsUpTo(50)].filter((row) => row % 5 === 2));
  expect([...split.validation].map((row) => strata[row])).toEqual([0, 0, 0, 0, 1, 1, 1, 1]);
});

test('groups, moments or folds too few to divide leave a part empty', () => {
  const request = { rows: rowsUpTo(9), strata: null, trainFraction: 0.5, validationFraction: 0.5, seed: 0 };
  expect(parts(splitRows({ ...request, by: { type: 'grouped', groups: new Int32Array(9) } })).map(({ length }) => length)[2]).toBe(0);
  expect(splitRows({ ...request, by: { type: 'time', ranks: new Int32Array(9) } }).test.length).toBe(0);
  expect(splitRows({ ...request, by: { type: 'fold', isTest: new Uint8Array(9) } }).test.length).toBe(0);
});
