import { unfitText } from './unfit-text.ts';

const nested = (levels: number, inner: unknown): unknown => (levels === 0 ? inner : [nested(levels - 1, inner)]);

describe('text that no database keeps', () => {
  it('is found in keys and values, wherever it stands', () => {
    expect(unfitText({ a: [{ b: 'x\0' }] }, 'whole')).toMatchObject({ code: 'unfit_text', field: 'whole.a.0.b' });
    expect(unfitText({ a: { '\ud800': 1 } }, 'whole')).toMatchObject({ code: 'unfit_text', field: 'whole.a' });
    expect(unfitText({ a: nested(60, 'text') }, 'whole')).toBeNull();
  });

  it('cannot hide below the levels that are looked at', () => {
    const deep = { code: 'too_deep', field: expect.stringMatching(/^whole(\.0){65}$/), remedy: expect.any(String) };
    expect(unfitText(nested(70, '\0'), 'whole')).toMatchObject(deep);
    expect(unfitText(nested(70, 'text'), 'whole')).toMatchObject(deep);
  });
});
