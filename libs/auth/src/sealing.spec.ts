import { open, seal } from './sealing.ts';

describe('a sealed text', () => {
  const key = Buffer.alloc(32, 1);

  it('opens with its key and for its context only', () => {
    const sealed = seal(key, 'geheim ✓', 'per_1');
    expect(sealed).not.toContain('geheim');
    expect(seal(key, 'geheim ✓', 'per_1')).not.toBe(sealed);
    expect(open([key], sealed, 'per_1')).toBe('geheim ✓');
    expect(open([Buffer.alloc(32, 3), Buffer.alloc(32, 2), key], sealed, 'per_1')).toBe('geheim ✓');
    expect(() => open([key], sealed, 'per_2')).toThrow();
    expect(() => open([Buffer.alloc(32, 2)], sealed, 'per_1')).toThrow();
  });

  it('does not open once it was changed', () => {
    const sealed = seal(key, 'geheim', 'per_1');
    const bytes = Buffer.from(sealed.slice(3), 'base64url');
    for (let i = 0; i < bytes.length; i++) {
      const changed = Buffer.from(bytes);
      changed[i]! ^= 1;
      expect(() => open([key], `v1.${changed.toString('base64url')}`, 'per_1')).toThrow();
    }
    for (const broken of ['', 'v1', 'v1.', `v2.${sealed.slice(3)}`, `v1.${bytes.subarray(0, 20).toString('base64url')}`]) {
      expect(() => open([key], broken, 'per_1')).toThrow();
    }
  });
});
