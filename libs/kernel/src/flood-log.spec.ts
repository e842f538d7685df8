import { createFloodLog } from './index.ts';

describe('the log of a flood', () => {
  it('has the first of a kind at once, and then one line in ten seconds with the count since the last', () => {
    let at = 1_000;
    const lines: unknown[] = [];
    const log = createFloodLog({ warn: (fields, message) => lines.push({ ...fields, message }) }, 'put off', () => at);
    log('full', { request: 1 });
    log('full', { request: 2 });
    log('late', { request: 3 });
    at += 9_999;
    log('full', { request: 4 });
    expect(lines).toEqual([
      { request: 1, count: 1, message: 'put off' },
      { request: 3, count: 1, message: 'put off' },
    ]);
    at += 1;
    log('full', { request: 5 });
    log('full', { request: 6 });
    expect(lines.slice(2)).toEqual([{ request: 5, count: 3, message: 'put off' }]);
    at += 60_000;
    log('full', { request: 7 });
    expect(lines.slice(3)).toEqual([{ request: 7, count: 2, message: 'put off' }]);
  });
});
