import { byPieces } from './index.ts';

const mebibyte = 1024 ** 2;

describe('work by pieces', () => {
  it.each([0, 1, mebibyte, mebibyte + 1, 3.5 * mebibyte])('sees each of %d bytes once, in order', async (bytes) => {
    const ends = [0];
    await byPieces(bytes, (from, to) => {
      expect(from).toBe(ends.at(-1));
      expect(to - from).toBeLessThanOrEqual(mebibyte);
      ends.push(to);
    });
    expect(ends.at(-1)).toBe(bytes);
    expect(ends).toHaveLength(1 + Math.max(1, Math.ceil(bytes / mebibyte)));
  });

  it('lets others in between two pieces, and rejects with what the work throws', async () => {
    const order: string[] = [];
    const working = byPieces(3 * mebibyte, (from) => {
      order.push(`piece ${from / mebibyte}`);
      setImmediate(() => order.push('another'));
    });
    await working;
    expect(order).toEqual(['piece 0', 'another', 'piece 1', 'another', 'piece 2']);
    await expect(byPieces(2 * mebibyte, (from) => { if (from) throw new Error('damaged'); })).rejects.toThrow('damaged');
  });
});
