import { completeSettings } from '@millrace/configuration';
import { familyNames, familyOf } from '../families/families.ts';
import { createRandom } from '../random.ts';
import { perturbPoint, samplePoint, type SearchSpace } from './search-space.ts';

const space: SearchSpace = {
  settings: {
    share: { type: 'uniform', low: 0.25, high: 0.75 },
    units: { type: 'integer', low: 3, high: 5 },
    neighbours: { type: 'logInteger', low: 1, high: 100 },
    kind: { type: 'choice', of: ['a', 'b', 'c'] },
  },
  trainer: { learningRate: { type: 'logUniform', low: 0.001, high: 0.1 } },
};

test('draws stay within their bounds, reach both ends and are spread by the kind of the dimension', () => {
  const random = createRandom(1);
  const points = Array.from({ length: 3000 }, () => samplePoint(space, random));
  const of = (name: string) => points.map(({ settings }) => settings[name] as number);
  expect(Math.min(...of('share'))).toBeGreaterThanOrEqual(0.25);
  expect(Math.max(...of('share'))).toBeLessThanOrEqual(0.75);
  expect([...new Set(of('units'))].sort()).toEqual([3, 4, 5]);
  expect(new Set(points.map(({ settings }) => settings['kind'])).size).toBe(3);
  // Half of a logarithmic range lies below its geometric mean.
  const below = points.filter(({ trainer }) => trainer!.learningRate! < 0.01).length / points.length;
  expect(Math.abs(below - 0.5)).toBeLessThan(0.04);
  expect(of('neighbours').filter((value) => value <= 10).length / points.length).toBeGreaterThan(0.4);
});

test('neighbours stay near and within bounds; a value that the point lacks is drawn', () => {
  const random = createRandom(2);
  const point = { settings: { share: 0.3, units: 3, neighbours: 1 }, trainer: { learningRate: 0.01 } };
  for (let draw = 0; draw < 500; draw++) {
    const { settings, trainer } = perturbPoint(space, point, random);
    expect(settings['share']).toBeGreaterThanOrEqual(0.25);
    expect(settings['share']).toBeLessThanOrEqual(0.4);
    expect(settings['units']).toBeLessThanOrEqual(4);
    expect(trainer!.learningRate!).toBeGreaterThan(0.0039);
    expect(trainer!.learningRate!).toBeLessThan(0.026);
    expect(['a', 'b', 'c']).toContain(settings['kind']);
  }
});

test.each(familyNames)('%s: its portfolio and whatever is drawn from its space are settings that it takes', (family) => {
  const random = createRandom(3);
  for (const rows of [40, 700, 100_000]) {
    for (const classes of [0, 3]) {
      const facts = { task: classes === 0 ? ('regression' as const) : ('classification' as const), rows, features: 8, classes };
      const search = familyOf(family).search;
      if (!search) continue;
      const space = search.space?.(facts) ?? { settings: {} };
      const drawn = Array.from({ length: 30 }, () => samplePoint(space, random));
      const points = [...search.portfolio(facts).map(({ point }) => point), ...drawn];
      for (const { settings } of [...points, perturbPoint(space, points[0]!, random)]) {
        expect(() => completeSettings({ family, ...settings })).not.toThrow();
      }
    }
  }
});
