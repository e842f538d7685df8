import { createBatch } from './batch.ts';
import type { RequestContext } from './request-context.ts';

const request = (name: string): RequestContext => ({ name }) as unknown as RequestContext;

it('loads once for all that a request asks for in one turn, apart from other requests', async () => {
  const calls: string[] = [];
  const length = createBatch<string, number>(async (keys, context) => {
    calls.push(`${(context as unknown as { name: string }).name}: ${keys.join(' ')}`);
    return new Map(keys.filter((key) => key !== 'missing').map((key) => [key, key.length]));
  });
  const [one, other] = [request('one'), request('other')];
  const answers = await Promise.all([length('a', one), length('bb', one), length('a', one), length('missing', one), length('ccc', other)]);
  expect(answers).toEqual([1, 2, 1, undefined, 3]);
  expect(calls).toEqual(['one: a bb missing', 'other: ccc']);
  expect(await length('a', one)).toBe(1); // asked anew: what it was may have changed
  expect(calls).toHaveLength(3);
});

it('fails for all of them when the loading fails, and tries again later', async () => {
  let isAway = true;
  const load = createBatch<string, number>(async (keys) => {
    if (isAway) throw new Error('away');
    return new Map(keys.map((key) => [key, 1]));
  });
  const context = request('one');
  const outcomes = await Promise.allSettled([load('a', context), load('b', context)]);
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  isAway = false;
  expect(await load('a', context)).toBe(1);
});
