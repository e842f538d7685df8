import * as tf from '@tensorflow/tfjs';
import { selectBackend } from './backend.ts';
import { findNeighbours, neighbourShares } from './nearest-neighbours.ts';
import { createPacer } from './pacer.ts';
import { createRandom } from './random.ts';
import type { Points } from './nearest-neighbours.ts';

/** All distances in float64, sorted by distance and then index. */
function bruteForce(points: Points, queries: Points, k: number): number[][] {
  const { width } = points;
  return Array.from({ length: queries.count }, (_, query) =>
    Array.from({ length: points.count }, (_unused, point) => {
      let distance = 0;
      for (let at = 0; at < width; at++) {
        distance += (queries.values[query * width + at]! - points.values[point * width + at]!) ** 2;
      }
      return { point, distance };
    })
      .sort((a, b) => a.distance - b.distance || a.point - b.point)
      .slice(0, k)
      .map(({ point }) => point),
  );
}

function makePoints(count: number, width: number, seed: number, value: (uniform: number) => number): Points {
  const random = createRandom(seed);
  return { count, width, values: Float64Array.from({ length: count * width }, () => value(random.uniform())) };
}

const kinds: Record<string, (uniform: number) => number> = {
  'spread points': (u) => u * 4 - 2,
  'points with many ties': (u) => Math.floor(u * 3),
  'points that float32 cannot tell apart': (u) => 1 + u * 1e-9,
  'points of enormous size': (u) => (u - 0.5) * 1e200,
  'identical points': () => 0.7,
};

describe.each(['wasm', 'cpu'] as const)('on %s', (backend) => {
  beforeAll(async () => {
    expect((await selectBackend({ prefer: backend })).name).toBe(backend);
  });

  test.each(Object.keys(kinds))('%s: the neighbours are those of a float64 brute force, in the same order', async (kind) => {
    for (const [count, width, k] of [[400, 3, 1], [300, 5, 7], [30, 2, 12], [5, 2, 5]] as const) {
      const points = makePoints(count, width, 1, kinds[kind]!);
      const queries = makePoints(60, width, 2, kinds[kind]!);
      const found = await findNeighbours(points, queries, k, createPacer());
      const rows = Array.from({ length: 60 }, (_, query) => Array.from(found!.indices.subarray(query * k, (query + 1) * k)));
      expect(rows).toEqual(bruteForce(points, queries, k));
    }
  });

  test('a search leaves no tensor behind', async () => {
    const points = makePoints(500, 4, 3, kinds['spread points']!);
    const before = tf.memory().numTensors;
    await findNeighbours(points, points, 3, createPacer());
    expect(tf.memory().numTensors).toBe(before);
  });

  test('a cancelled search ends without a result and without a leak', async () => {
    const points = makePoints(500, 4, 3, kinds['spread points']!);
    const before = tf.memory().numTensors;
    expect(await findNeighbours(points, points, 3, createPacer(AbortSignal.abort()))).toBeNull();
    expect(tf.memory().numTensors).toBe(before);
  });
});

test('neighbours count alike, or by the inverse of their distance', () => {
  expect(Array.from(neighbourShares(Float64Array.of(1, 4, 9, 16), 'uniform'))).toEqual([0.25, 0.25, 0.25, 0.25]);
  const shares = neighbourShares(Float64Array.of(1, 4), 'distance');
  expect(shares[0]).toBeCloseTo(2 / 3, 12);
  expect(shares[1]).toBeCloseTo(1 / 3, 12);
});

test('neighbours that lie on the query outvote all others', () => {
  expect(Array.from(neighbourShares(Float64Array.of(0, 0, 1e-300), 'distance'))).toEqual([0.5, 0.5, 0]);
});
