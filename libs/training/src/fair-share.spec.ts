import fc from 'fast-check';
import { takeTurn, type Turn } from './fair-share.ts';

/** The order in which tenants with endless queues are served. */
function serve(turns: Turn[], claims: number): { order: string[]; after: Turn[] } {
  const order: string[] = [];
  let current = turns;
  for (let i = 0; i < claims; i++) {
    const { tenantId, vtimes } = takeTurn(current, Math.max(...current.map(({ vtime }) => vtime)));
    order.push(tenantId);
    current = current.map((turn) => ({ ...turn, vtime: vtimes.get(turn.tenantId)!, waiting: true }));
  }
  return { order, after: current };
}

const tenants = (weights: readonly number[]): Turn[] => weights.map((weight, index) => ({ tenantId: `t${index}`, weight, vtime: 0, waiting: false }));

const weights = fc.array(fc.oneof(fc.integer({ min: 1, max: 20 }), fc.double({ min: 0.1, max: 20, noNaN: true })), { minLength: 1, maxLength: 12 });

describe('taking turns', () => {
  it('gives each tenant its share to within one run at every moment, and within two over any window', () => {
    fc.assert(
      fc.property(weights, (all) => {
        const { order } = serve(tenants(all), 200);
        const total = all.reduce((sum, weight) => sum + weight, 0);
        for (const [index, weight] of all.entries()) {
          const share = weight / total;
          let served = 0;
          let [least, most] = [0, 0];
          for (const [claim, tenantId] of order.entries()) {
            if (tenantId === `t${index}`) served++;
            const ahead = served - share * (claim + 1);
            [least, most] = [Math.min(least, ahead), Math.max(most, ahead)];
          }
          expect(Math.max(most, -least)).toBeLessThanOrEqual(1 + 1e-6);
          expect(most - least).toBeLessThan(2); // a window is the difference of two moments
        }
      }),
      { seed: 20261126, numRuns: 60 },
    );
  });

  it('serves tenants of equal weight in turn: any window is right to within one run', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.double({ min: 0.2, max: 7, noNaN: true }), (count, weight) => {
        const { order } = serve(tenants(Array.from({ length: count }, () => weight)), 60);
        for (const [claim, tenantId] of order.slice(count).entries()) expect(tenantId).toBe(order[claim]);
      }),
      { seed: 20261126, numRuns: 30 },
    );
  });

  it('mixes the runs of light tenants with those of a heavy one', () => {
    const { order } = serve(tenants([10, ...Array.from({ length: 10 }, () => 1)]), 20);
    for (let from = 0; from < 19; from++) expect(order.slice(from, from + 2)).toContain('t0');
  });

  it('lets nobody save up turns while it has nothing to run, nor pay for its past', () => {
    fc.assert(
      fc.property(weights, fc.double({ min: 0, max: 1000, noNaN: true }), fc.integer({ min: 0, max: 100 }), (all, vtime, claims) => {
        const { after } = serve(tenants(all), claims);
        const newcomer: Turn = { tenantId: 'new', weight: 1, vtime, waiting: false };
        const { order } = serve([...after.map((turn) => ({ ...turn, waiting: claims > 0 })), newcomer], 120);
        const total = 1 + all.reduce((sum, weight) => sum + weight, 0);
        let served = 0;
        const ahead = order.map((id, claim) => (id === 'new' ? ++served : served) - (claim + 1) / total);
        expect(Math.max(...ahead.map(Math.abs))).toBeLessThanOrEqual(2 + 1e-6);
      }),
      { seed: 20261126, numRuns: 40 },
    );
  });
});
