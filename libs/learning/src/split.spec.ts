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
    { numRuns: 100 },
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
    { numRuns: 200 },
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
