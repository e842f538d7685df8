import type { SignatureInput } from '@millrace/packaging';
import { whatFitsNoLonger } from './other-inputs.ts';

const x: SignatureInput = { name: 'x', type: 'number', required: true, min: 0, max: 1 };
const kind: SignatureInput = { name: 'kind', type: 'category', required: false, categories: ['a', 'b'] };
const change = (after: SignatureInput[], before: SignatureInput[] = [x, kind]) => whatFitsNoLonger({ inputs: before }, { inputs: after });

it('a version that takes the same, or more, refuses nothing more', () => {
  for (const after of [[x, kind], [{ ...x, min: -5, required: false }, { ...kind, categories: ['c'] }], [x, { ...kind, type: 'binary' as const }]]) expect(change(after)).toBeNull();
  expect(change([{ ...x, min: -1, closed: true }], [{ ...x, closed: true }])).toBeNull();
});

it.each<[string, SignatureInput[]]>([
  ['takes "speed" as well', [x, kind, { ...x, name: 'speed', required: false }]],
  ['knows no "kind"', [x]],
  ['takes "speed" as well and knows no "x"', [{ ...x, name: 'speed' }, kind]],
  ['takes its inputs in another order', [kind, x]],
  ['takes less as "x"', [{ name: 'x', type: 'date', required: true, parts: ['year'], min: '2020-01-01', max: '2020-01-02' }, kind]],
  ['takes less as "kind"', [x, { ...kind, required: true }]],
  ['takes less as "x", "kind"', [{ ...x, closed: true }, { ...kind, closed: true }]],
])('one that %s is told from it', (why, after) => {
  expect(change(after)).toBe(why);
});

it('values that are no longer offered are missed', () => {
  const offered = { ...kind, closed: true as const };
  expect(change([{ ...offered, categories: ['a'] }], [offered])).toBe('takes less as "kind"');
  expect(change([{ ...offered, categories: ['a', 'b', 'c'] }], [offered])).toBeNull();
  expect(change([{ ...x, max: 0.5, closed: true }], [{ ...x, closed: true }])).toBe('takes less as "x"');
});
