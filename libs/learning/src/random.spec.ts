import fc from 'fast-check';
import { createRandom, fromState } from './random.ts';

test('the generator gives the published first outputs of xoshiro128** for the state 1, 2, 3, 4', () => {
  const random = fromState(Uint32Array.of(1, 2, 3, 4));
  expect([random.uint32(), random.uint32(), random.uint32(), random.uint32()]).toEqual([11520, 0, 5927040, 70819200]);
});

test('the same seed and stream give the same numbers, another stream others', () => {
  const take = (...names: [number, ...number[]]) => {
    const random = createRandom(...names);
    return Array.from({ length: 8 }, () => random.uint32());
  };
  expect(take(7, 1, 2)).toEqual(take(7, 1, 2));
  expect(take(7, 1, 2)).not.toEqual(take(7, 2, 1));
  expect(take(7)).not.toEqual(take(8));
});

test('a permutation holds every index once', () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 0, max: 300 }), (seed, length) => {
      const sorted = createRandom(seed).permutation(length).sort();
      expect(Array.from(sorted)).toEqual(Array.from({ length }, (_, index) => index));
    }),
    { seed: 20261126, numRuns: 50 },
  );
});

test('each of three outcomes comes up about equally often', () => {
  const random = createRandom(3);
  const counts = [0, 0, 0];
  for (let draw = 0; draw < 30_000; draw++) counts[random.below(3)]! += 1;
  // Five standard deviations of a binomial with n = 30000, p = 1/3.
  for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(5 * Math.sqrt((30_000 * 2) / 9));
});
