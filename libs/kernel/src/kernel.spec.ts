import { z } from 'zod';
import { isId, newId, parseEnvironment } from './index.ts';

describe('ids', () => {
  it('sort in the order of their making and never repeat', () => {
    const ids = Array.from({ length: 20_000 }, () => newId('run'));
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('are UUIDs of version 7 of this moment', () => {
    const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
    let bits = 0n;
    for (const character of newId('run').slice(4)) bits = (bits << 5n) | BigInt(alphabet.indexOf(character));
    expect(bits >> 128n).toBe(0n);
    expect((bits >> 76n) & 0xfn).toBe(7n);
    expect((bits >> 62n) & 0b11n).toBe(0b10n);
    expect(Math.abs(Number(bits >> 80n) - Date.now())).toBeLessThan(10_000);
  });

  it('are told apart by kind and shape', () => {
    expect(isId('run', newId('run'))).toBe(true);
    expect(isId('run', newId('tenant'))).toBe(false);
    for (const odd of ['run_', 'run_123', `${newId('run')}x`, 'run_' + 'u'.repeat(26), 7, null, undefined]) {
      expect(isId('run', odd)).toBe(false);
    }
  });
});

describe('environment', () => {
  const schema = z.object({ PORT: z.coerce.number().int(), SECRET: z.string().min(32) });

  it('reports all problems together and never a value', () => {
    const result = parseEnvironment(schema, { PORT: 'many', SECRET: 'hunter2' });
    expect(result.type).toBe('invalid');
    const text = JSON.stringify(result);
    expect(text).toContain('PORT');
    expect(text).toContain('SECRET');
    expect(text).not.toContain('hunter2');
  });

  it('treats an empty variable as absent', () => {
    expect(parseEnvironment(z.object({ A: z.string().default('x') }), { A: '' })).toEqual({ type: 'valid', value: { A: 'x' } });
  });
});
