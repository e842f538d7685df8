import type { Signature } from '@millrace/packaging';
import { backgroundOfRanges, synthesiseBackground } from './background-rows.ts';

describe('background rows', () => {
  const numbers = Array.from({ length: 1_000 }, (_, row) => (row * 7.31) % 100);
  const words = Array.from({ length: 1_000 }, (_, row) => (row % 4 === 0 ? 'rare' : 'common'));
  const gaps = Array.from({ length: 1_000 }, (_, row) => (row % 2 === 0 ? null : 5));

  it('have the quantiles of each number, each category by its share, and gaps as often as there were', () => {
    const rows = synthesiseBackground([numbers, words, gaps]);
    expect(rows).toHaveLength(32);
    const column = (place: number) => rows.map((row) => row[place]);
    const sorted = (column(0) as number[]).sort((one, other) => one - other);
    sorted.forEach((value, at) => expect(value).toBeCloseTo(((at + 0.5) / 32) * 100, -0.5));
    expect(column(1).filter((word) => word === 'rare')).toHaveLength(8);
    expect(column(2).filter((value) => value === null)).toHaveLength(16);
  });

  it('are the same for the same columns, and no row of the training', () => {
    const rows = synthesiseBackground([numbers, words, gaps]);
    expect(synthesiseBackground([numbers, words, gaps])).toEqual(rows);
    const trained = new Set(numbers.map((value, row) => JSON.stringify([value, words[row], gaps[row]])));
    expect(rows.filter((row) => trained.has(JSON.stringify(row)))).toEqual([]);
  });

  it('keep whole numbers whole, and make do with a single value', () => {
    for (const [value] of synthesiseBackground([Array.from({ length: 10 }, (_, row) => row * row)])) expect(Number.isInteger(value)).toBe(true);
    expect(new Set(synthesiseBackground([['only']]).flat())).toEqual(new Set(['only']));
  });

  it('are spread over the ranges of the signature where nothing else is known', () => {
    const signature: Signature = {
      formatVersion: 1, task: 'regression', family: 'onnx',
      inputs: [
        { name: 'x', type: 'number', required: true, min: 0, max: 64 },
        { name: 'day', type: 'date', required: true, parts: ['day', 'month'], min: '2026-01-01', max: '2026-12-31' },
        { name: 'word', type: 'category', required: false, categories: ['a', 'b'] },
      ],
      output: { name: 'y', type: 'number' },
      graph: { missingCategory: '', rowsPerCall: 1 },
    };
    const rows = backgroundOfRanges(signature)!;
    expect(rows.count).toBe(32);
    expect([...rows.numbers.filter((_, cell) => cell % 3 === 0)].sort((one, other) => one - other).slice(0, 3)).toEqual([1, 3, 5]);
    expect(rows.categories.filter((word) => word === 'a')).toHaveLength(16);
    expect(backgroundOfRanges({ ...signature, inputs: [{ name: 'p', type: 'image', required: true, width: 4, height: 4, channels: 1 }] })).toBeNull();
  });
});
