import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { parseJsonBody, parseLargeJsonBody } from './json-body.ts';
import { RequestError } from './request-error.ts';

const parse = (text: string) => parseJsonBody(Buffer.from(text));
const refusal = (bytes: Buffer): string => {
  try {
    parseJsonBody(bytes);
  } catch (error) {
    if (error instanceof RequestError) return `${error.status} ${error.code}`;
    throw error;
  }
  return 'accepted';
};

describe('the body of a request', () => {
  it('is read as JSON.parse reads it', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 8 }), (text) => {
        fc.pre(!text.includes('__proto__'));
        expect(parse(text)).toEqual({ value: JSON.parse(text), hasNonFinite: false });
      }),
      { seed: 20261126 },
    );
  });

  it('never causes anything but a value or a refusal, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(refusal(Buffer.from(bytes))).toMatch(/^(accepted|400 (malformed_json|nested_too_deeply|forbidden_key))$/);
      }),
      { seed: 20261126, numRuns: 2000 },
    );
  });

  it.each([
    ['nothing', ''],
    ['half an object', '{"features":[1,2'],
    ['two values', '{} {}'],
    ['a trailing comma', '[1,]'],
    ['single quotes', "{'features':[1]}"],
    ['a bare word', '{"features":[nil]}'],
    ['a form', 'features=1&features=2'],
    ['XML', '<features/>'],
    ['hexadecimal', '{"features":[0x10]}'],
  ])('is refused when it is %s', (_what, text) => {
    expect(refusal(Buffer.from(text))).toBe('400 malformed_json');
  });

  it('is refused when it is not UTF-8', () => {
    expect(refusal(Buffer.from([0x22, 0xff, 0xfe, 0x22]))).toBe('400 malformed_json');
  });

  it('is refused beyond 32 levels, and not for brackets within text', () => {
    expect(refusal(Buffer.from('['.repeat(32) + ']'.repeat(32)))).toBe('accepted');
    expect(refusal(Buffer.from('['.repeat(33) + ']'.repeat(33)))).toBe('400 nested_too_deeply');
    expect(refusal(Buffer.from('[{"a":'.repeat(500_000)))).toBe('400 nested_too_deeply');
    expect(refusal(Buffer.from(JSON.stringify('[{\\"'.repeat(100))))).toBe('accepted');
  });

  it.each(['{"__proto__":{}}', '{"a":[{"__proto__":1}]}', '{"\\u005f_proto__":1}', '{"__proto__":NaN}'])('is refused for a key that changes prototypes: %s', (text) => {
    expect(refusal(Buffer.from(text))).toBe('400 forbidden_key');
  });

  it('may hold such a name as text', () => {
    expect(parse('{"material":"__proto__"}').value).toEqual({ material: '__proto__' });
  });

  it('keeps bare NaN and Infinity visible, and marks the body', () => {
    expect(parse('{"a":[NaN,-Infinity,Infinity,"NaN \\" NaN"]}')).toEqual({ value: { a: [NaN, -Infinity, Infinity, 'NaN " NaN'] }, hasNonFinite: true });
    expect(parse('["\\\\",NaN,"\\"NaN"]')).toEqual({ value: ['\\', NaN, '"NaN'], hasNonFinite: true });
  });

  it.each([
    ['a text of quotes that never ends', `"${'\\"'.repeat(2_000_000)}`],
    ['nothing but signs', `[${'-'.repeat(4_000_000)}`],
    ['nothing but NaN', `[${'NaN,'.repeat(1_000_000)}NaN]`],
  ])('is read in one go, even %s', (_what, text) => {
    // Far more than it takes, and far less than it took to try every position anew.
    expect(runInNewContext('refusal()', { refusal: () => refusal(Buffer.from(text)) }, { timeout: 20_000 })).toBe('400 malformed_json');
  });
});

describe('a large body', () => {
  type Read = { value: unknown; hasNonFinite: boolean } | { refused: string };
  const refused = (error: unknown): Read => {
    if (error instanceof RequestError) return { refused: `${error.status} ${error.code}` };
    throw error;
  };
  const inOneGo = (bytes: Buffer): Read => {
    try {
      return parseJsonBody(bytes);
    } catch (error) {
      return refused(error);
    }
  };
  const byPieces = (bytes: Buffer, pieceBytes: number): Promise<Read> => parseLargeJsonBody(bytes, pieceBytes).catch(refused);

  /** The text after some of its bytes were lost, doubled or exchanged for ones that mean something. */
  const damaged = (text: string, damages: [place: number, kind: number, byte: number][]): Buffer => {
    let bytes = [...Buffer.from(text)];
    for (const [place, kind, byte] of damages) {
      const at = place % (bytes.length + 1);
      const sign = '[]{},:"\\ 1N\t'.charCodeAt(byte % 12);
      bytes = [...bytes.slice(0, at), ...(kind === 0 ? [] : kind === 1 ? bytes.slice(at, at + 1) : [sign]), ...bytes.slice(kind === 2 ? at : at + 1)];
      if (kind === 1) bytes.splice(at, 0, ...bytes.slice(at, at + 1));
    }
    return Buffer.from(bytes);
  };
  const spaced = fc.tuple(fc.json({ maxDepth: 5 }), fc.nat(2)).map(([text, spaces]) => JSON.stringify(JSON.parse(text), undefined, spaces));
  const damages = fc.array(fc.tuple(fc.nat(), fc.nat(2), fc.nat()), { maxLength: 3 }) as fc.Arbitrary<[number, number, number][]>;

  it('is read, or refused, as it would be in one go, wherever it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(spaced, damages, fc.integer({ min: 1, max: 40 }), async (text, each, pieceBytes) => {
        fc.pre(!text.includes('__proto__')); // by pieces it is refused before what is damaged behind it is seen
        const bytes = damaged(text, each);
        const whole = inOneGo(bytes);
        expect(await byPieces(bytes, pieceBytes)).toEqual(whole);
      }),
      { seed: 20261126, numRuns: 3000 },
    );
  });

  it.each([
    '[1,,2]', '[1,2,]', '[,1]', '[[1],]', '[[1] [2]]', '[[1]2]', '[1[2]]', '{"a":{"b":1},}', '{"a":{"b":1} "c":2}', '{{"a":1}}', '{"a" {"b":1}}', '[{"a":[1,2}]]', '[1,2', '[1,2]]', '[1,2] [3]',
    '{"a":1,"a":{"b":2}}', '{"a":{"b":2},"a":1}', '{"b":1,"2":[1,2,3],"1":[]}', '[ ]', '[\n\n\n\n]', '[1,    ,2]', '[1,    ]', '{    }', '{"a":1,    }', '  [1,2,3]  ', '7', '"[{,"', '["a\\"",[1],"[",{"]":"}"}]', '[NaN,[1,Infinity]]', '{"a":[{"__proto__":1}]}', '{"\\u005f_proto__":[1,2]}',
  ])('is judged alike: %s', async (text) => {
    for (let pieceBytes = 1; pieceBytes < 12; pieceBytes++) expect(await byPieces(Buffer.from(text), pieceBytes)).toEqual(inOneGo(Buffer.from(text)));
  });

  it('is refused beyond 32 levels', async () => {
    expect(await byPieces(Buffer.from('['.repeat(32) + ']'.repeat(32)), 4)).toMatchObject({ hasNonFinite: false });
    expect(await byPieces(Buffer.from('['.repeat(33) + ']'.repeat(33)), 4)).toEqual({ refused: '400 nested_too_deeply' });
  });

  it('names the byte at which it breaks off, and leaves the thread to others meanwhile', async () => {
    const text = `{"instances":[${'[1,2],'.repeat(100_000)}[3 4]]}`;
    let turns = 0;
    let other = setImmediate(function turn() {
      turns++;
      other = setImmediate(turn);
    });
    await expect(parseLargeJsonBody(Buffer.from(text))).rejects.toThrow(`byte ${text.indexOf('4')}.`);
    clearImmediate(other);
    expect(turns).toBeGreaterThan(8);
  });
});
