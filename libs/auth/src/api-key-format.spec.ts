import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { generateKey, parseKey } from './api-key-format.ts';

const documentation = readFile(path.join(import.meta.dirname, '../../../docs/api-keys.md'), 'utf8');

describe('the documented expression for secret scanners', () => {
  it('finds every key that is made, wherever it stands, and all of it', async () => {
    const [, expression = ''] = /```regex\n(.+)\n```/.exec(await documentation) ?? [];
    const scanner = new RegExp(expression, 'g');
    for (let i = 0; i < 1_000; i++) {
      const { key } = generateKey();
      const text = `MILLRACE_KEY=${key}\n{"key":"${key}"} curl -H 'X-API-Key: ${key}' https://x/?k=${key}&y=1, ${key}.`;
      expect(text.match(scanner)).toEqual([key, key, key, key, key]);
    }
    const others = 'mr_live_short_x mr_prod_0123456789_' + '0'.repeat(49) + ' sk_live_' + '0'.repeat(60) + ' xmr_live_0123456789_' + '0'.repeat(49);
    expect(others.match(scanner)).toBeNull();
  });
});

describe('a key', () => {
  it('has an id, a secret and a check sum that belongs to them', () => {
    const { key, publicId, secret } = generateKey();
    expect(key).toHaveLength(68);
    expect(parseKey(key)).toEqual({ publicId, secret });
    expect(key.startsWith(`mr_live_${publicId}_${secret}`)).toBe(true);
  });

  it('keeps its id with a new secret', () => {
    const first = generateKey();
    const next = generateKey(first.publicId);
    expect(next.publicId).toBe(first.publicId);
    expect(next.secret).not.toBe(first.secret);
  });

  it('uses the whole alphabet, without a favourite', () => {
    const counts = new Map<string, number>();
    for (let i = 0; i < 2_000; i++) for (const letter of generateKey().secret) counts.set(letter, (counts.get(letter) ?? 0) + 1);
    expect(counts.size).toBe(62);
    const expected = (2_000 * 43) / 62;
    // Chi-squared with 61 degrees of freedom: above 140 once in ten million honest runs.
    expect([...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)).toBeLessThan(140);
  });
});
