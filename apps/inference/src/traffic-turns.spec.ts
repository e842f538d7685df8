import { type ServedEndpoint, type ServedVersion, servingDefaults } from '@millrace/registry';
import { createTrafficTurns } from './traffic-turns.ts';

const version = (number: number) => ({ id: `ver_${number}`, number }) as ServedVersion;
const served = (shares: [number: number, percent: number, mirrorPercent: number][]): ServedEndpoint => ({
  endpoint: { id: 'end_1', name: 'e', serving: servingDefaults },
  version: version(1),
  isStable: true,
  shares: shares.map(([number, percent, mirrorPercent]) => ({ version: version(number), percent, mirrorPercent })),
});

function count(endpoint: ServedEndpoint, requests: number) {
  const take = createTrafficTurns();
  const answered: Record<number, number> = {};
  const mirrored: Record<number, number> = {};
  for (let request = 0; request < requests; request++) {
    const turn = take(endpoint);
    answered[turn.version.number] = (answered[turn.version.number] ?? 0) + 1;
    for (const mirror of turn.mirrors) mirrored[mirror.number] = (mirrored[mirror.number] ?? 0) + 1;
  }
  return { answered, mirrored };
}

it.each([10, 100, 1000])('after %i requests each version has had its share to within two', (requests) => {
  const { answered, mirrored } = count(served([[2, 10, 0], [3, 25, 0], [4, 0, 50]]), requests);
  expect(Math.abs((answered[2] ?? 0) - requests * 0.1)).toBeLessThanOrEqual(2);
  expect(Math.abs((answered[3] ?? 0) - requests * 0.25)).toBeLessThanOrEqual(2);
  expect(Math.abs((answered[1] ?? 0) - requests * 0.65)).toBeLessThanOrEqual(2);
  expect(answered[4]).toBeUndefined();
  expect(Math.abs((mirrored[4] ?? 0) - requests * 0.5)).toBeLessThanOrEqual(2);
});

it('a version with all of the traffic gets all of it, and is not shown its own requests', () => {
  expect(count(served([[2, 100, 100]]), 50)).toEqual({ answered: { 2: 50 }, mirrored: {} });
});

it('what is shown of a version does not depend on what is answered by it, or by another', () => {
  for (const shares of [[[2, 20, 20]], [[2, 20, 0], [3, 0, 20]]] as const) {
    const { mirrored } = count(served(shares.map(([...share]) => share)), 1000);
    expect(Math.abs(mirrored[shares.length + 1]! - 200)).toBeLessThanOrEqual(2);
  }
  const take = createTrafficTurns();
  const turns = Array.from({ length: 1000 }, () => take(served([[2, 20, 0], [3, 0, 20]])));
  expect(turns.filter(({ variant, mirrors }) => variant === 'CANARY' && mirrors.length)).toEqual([]); // a shadow is compared with the stable version
});

it('what a caller is served is the stable version, unless they asked for another by its number', () => {
  expect(createTrafficTurns()(served([]))).toMatchObject({ version: { number: 1 }, variant: 'STABLE' });
  expect(createTrafficTurns()({ ...served([]), isStable: false })).toMatchObject({ variant: 'CANARY' });
});
