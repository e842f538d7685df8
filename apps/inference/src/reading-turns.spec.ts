import { createReadingTurns } from './reading-turns.ts';

describe('the turns of large bodies', () => {
  it('are one at a time, and tenants take them by turns', async () => {
    const inTurn = createReadingTurns();
    const order: string[] = [];
    let atOnce = 0;
    const read = (tenant: string, name: string): Promise<string> =>
      inTurn(tenant, async () => {
        expect(++atOnce).toBe(1);
        order.push(name);
        await new Promise((resolve) => setImmediate(resolve));
        atOnce--;
        return name;
      });
    const all = await Promise.all([read('a', 'a1'), read('a', 'a2'), read('a', 'a3'), read('b', 'b1'), read('c', 'c1'), read('b', 'b2')]);
    expect(all).toEqual(['a1', 'a2', 'a3', 'b1', 'c1', 'b2']);
    expect(order).toEqual(['a1', 'a2', 'b1', 'c1', 'a3', 'b2']);
  });

  it('go on after one that fails', async () => {
    const inTurn = createReadingTurns();
    const [failed, next] = await Promise.allSettled([inTurn('a', () => Promise.reject(new Error('broken'))), inTurn('a', () => Promise.resolve(1))]);
    expect([failed.status, next]).toEqual(['rejected', { status: 'fulfilled', value: 1 }]);
    expect(await inTurn('b', () => Promise.resolve(2))).toBe(2);
  });
});
