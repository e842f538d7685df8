import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { ArtefactStore } from '../src/index.ts';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function* chunks(...parts: (string | Uint8Array | Error)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Error) throw part;
    yield typeof part === 'string' ? Buffer.from(part) : part;
  }
}

/** A source that gives `first` and then nothing more, neither bytes nor an end. */
async function* silentAfter(first: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(first);
  await new Promise(() => {});
}

const tenant = 'tenants/ten_1';
const key = `${tenant}/uploads/upl_1/original`;
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

/** What every artefact store must keep, wherever its bytes lie. `makeStore` gives a new, empty store for each test. */
export function describeArtefactStore(name: string, makeStore: () => Promise<ArtefactStore>): void {
  describe(`${name} as an artefact store`, () => {
    let store: ArtefactStore;
    beforeEach(async () => {
      store = await makeStore();
    });

    const put = async (where: string, what: string): Promise<void> => {
      expect(await store.put(where, Buffer.from(what))).toMatchObject({ type: 'stored' });
    };

    it('gives back the bytes, the size and the digest of what was streamed in', async () => {
      const parts = [randomBytes(70_000), Buffer.alloc(0), randomBytes(1), randomBytes(300_000)];
      const whole = Buffer.concat(parts);
      expect(await store.put(key, chunks(...parts))).toEqual({ type: 'stored', key, sizeBytes: whole.length, sha256: sha256(whole) });
      expect(Buffer.from(await store.read(key)).equals(whole)).toBe(true);
      expect((await buffer(await store.open(key))).equals(whole)).toBe(true);
      expect((await store.withLocalFile(key, (path) => readFile(path))).equals(whole)).toBe(true);
      expect(await store.stat(key)).toMatchObject({ key, sizeBytes: whole.length });
    });

    it('takes bytes in memory, Node streams and an empty source', async () => {
      await put(key, 'plain');
      expect(text(await store.read(key))).toBe('plain');
      expect(await store.put(key, Readable.from([Buffer.from('from '), Buffer.from('a stream')]))).toMatchObject({ sizeBytes: 13 });
      expect(text(await store.read(key))).toBe('from a stream');
      expect(await store.put(key, chunks())).toMatchObject({ type: 'stored', sizeBytes: 0, sha256: sha256(Buffer.alloc(0)) });
      expect(await store.stat(key)).toMatchObject({ sizeBytes: 0 });
    });

    it('replaces an artefact in one step: a reader of the old one finishes with the old bytes', async () => {
      const old = randomBytes(2_000_000);
      await store.put(key, old);
      const reader = await store.open(key);
      await put(key, 'new');
      expect((await buffer(reader)).equals(old)).toBe(true);
      expect(text(await store.read(key))).toBe('new');
    });

    describe('leaves nothing behind, and what was there untouched, when', () => {
      const refused = async (source: () => AsyncIterable<Uint8Array> | Uint8Array, options: Parameters<ArtefactStore['put']>[2]) => {
        await store.remove(key);
        const outcome = await store.put(key, source(), options);
        expect(await store.list(tenant)).toEqual([]);
        await put(key, 'before');
        expect(await store.put(key, source(), options)).toMatchObject({ type: outcome.type });
        expect(text(await store.read(key))).toBe('before');
        expect(await store.list(tenant)).toHaveLength(1);
        return outcome;
      };

      it('the source is longer than the cap', async () => {
        expect(await refused(() => chunks('12345', '67890', '!'), { maxBytes: 10 })).toEqual({ type: 'too-large', limitBytes: 10 });
        expect(await refused(() => Buffer.from('12345678901'), { maxBytes: 10 })).toEqual({ type: 'too-large', limitBytes: 10 });
      });

      it('the source fails half way', async () => {
        const cut = new Error('socket hang up');
        expect(await refused(() => chunks('half', cut), {})).toEqual({ type: 'incomplete', reason: 'cut', receivedBytes: 4, cause: cut });
      });

      it('the source ends before, or goes on after, the length announced', async () => {
        expect(await refused(() => chunks('half'), { expectedBytes: 8 })).toEqual({
          type: 'incomplete', reason: 'too-short', receivedBytes: 4, expectedBytes: 8,
        });
        expect(await refused(() => chunks('half', ' and more'), { expectedBytes: 8 })).toMatchObject({ type: 'incomplete', reason: 'too-long' });
      });

      it('the digest is another than the one expected', async () => {
        const expectedSha256 = sha256(Buffer.from('right'));
        expect(await refused(() => chunks('wrong'), { expectedSha256 })).toEqual({
          type: 'digest-mismatch', expectedSha256, actualSha256: sha256(Buffer.from('wrong')),
        });
      });

      it('the caller gives up on a source that has fallen silent', async () => {
        const outcome = await refused(() => silentAfter('half'), { signal: AbortSignal.timeout(100) });
        expect(outcome).toMatchObject({ type: 'incomplete', reason: 'aborted' });
      });

      it('the source gives something other than bytes', async () => {
        const strings = (): AsyncIterable<Uint8Array> => Readable.from(['text']);
        expect(await refused(strings, {})).toMatchObject({ type: 'incomplete', reason: 'cut' });
      });
    });

    it('accepts a source exactly as long as the cap and the announced length, with the digest in capitals', async () => {
      const expectedSha256 = sha256(Buffer.from('12345')).toUpperCase();
      expect(await store.put(key, chunks('123', '45'), { maxBytes: 5, expectedBytes: 5, expectedSha256 })).toMatchObject({ type: 'stored' });
    });

    it('leaves a refused Node stream undestroyed and free, so that a server can drain it and still answer on its socket', async () => {
      const source = Readable.from([Buffer.from('12345'), Buffer.from('67890'), ...Array.from({ length: 50 }, () => Buffer.alloc(50_000))]);
      expect(await store.put(key, source, { maxBytes: 7 })).toMatchObject({ type: 'too-large' });
      expect(source.destroyed).toBe(false);
      source.resume();
      await once(source, 'end');
    });

    it('lets a refused generator end, so that it can free what it holds', async () => {
      let freed = (): void => {};
      const done = new Promise<void>((resolve) => (freed = resolve));
      const source = async function* (): AsyncGenerator<Uint8Array> {
        try {
          yield Buffer.from('12345');
          yield Buffer.from('67890');
        } finally {
          freed();
        }
      };
      expect(await store.put(key, source(), { maxBytes: 4 })).toMatchObject({ type: 'too-large' });
      await done;
    });

    it('shows no artefact before it is whole', async () => {
      let release = (): void => {};
      const gate = new Promise<void>((resolve) => (release = resolve));
      let begun = (): void => {};
      const started = new Promise<void>((resolve) => (begun = resolve));
      const slow = async function* (): AsyncGenerator<Uint8Array> {
        yield Buffer.from('first half, ');
        begun();
        await gate;
        yield Buffer.from('second half');
      };
      const putting = store.put(key, slow());
      await started;
      expect(await store.stat(key)).toBeNull();
      expect(await store.list('tenants')).toEqual([]);
      release();
      await putting;
      expect(text(await store.read(key))).toBe('first half, second half');
    });

    it('keeps one whole artefact when several writers put to the same key at once', async () => {
      const bodies = Array.from({ length: 8 }, (_, i) => Buffer.alloc(200_000, `${i}`));
      const outcomes = await Promise.all(bodies.map((body) => store.put(key, chunks(body.subarray(0, 100_000), body.subarray(100_000)))));
      expect(outcomes.every((outcome) => outcome.type === 'stored')).toBe(true);
      const kept = Buffer.from(await store.read(key));
      expect(bodies.some((body) => body.equals(kept))).toBe(true);
    });

    it('survives putting and removing neighbours at the same time', async () => {
      const keys = Array.from({ length: 40 }, (_, i) => `${tenant}/runs/run_${i % 4}/part-${i}`);
      for (let round = 0; round < 5; round++) {
        await Promise.all(keys.map((one) => store.put(one, Buffer.from(one))));
        expect(await store.list(tenant)).toHaveLength(keys.length);
        await Promise.all(keys.map(async (one, i) => (i % 2 ? store.remove(one) : store.put(one, Buffer.from('again')))));
        expect(await store.list(tenant)).toHaveLength(keys.length / 2);
        await Promise.all(keys.map((one) => store.remove(one)));
      }
      expect(await store.list(tenant)).toEqual([]);
    });

    it('stores into a folder that loses its last artefact at the same moment', async () => {
      const comeAndGo = async (own: string): Promise<void> => {
        for (let round = 0; round < 100; round++) {
          await put(own, own);
          expect(text(await store.read(own))).toBe(own);
          await store.remove(own);
        }
      };
      await Promise.all(['a', 'b', 'c', 'd'].map((one) => comeAndGo(`${tenant}/folder/below/${one}`)));
    });

    it('says NOT_FOUND for a key without an artefact, null in stat, and removes it without complaint', async () => {
      await put(`${tenant}/folder/file`, 'x');
      for (const absent of [key, `${tenant}/folder`, `${tenant}/folder/file/deeper`]) {
        await expect(store.open(absent)).rejects.toMatchObject({ name: 'DomainError', code: 'NOT_FOUND' });
        await expect(store.read(absent)).rejects.toMatchObject({ code: 'NOT_FOUND' });
        await expect(store.withLocalFile(absent, async () => 'used')).rejects.toMatchObject({ code: 'NOT_FOUND' });
        expect(await store.stat(absent)).toBeNull();
        await store.remove(absent);
      }
      expect(text(await store.read(`${tenant}/folder/file`))).toBe('x');
    });

    it('refuses to read more into memory than asked for', async () => {
      await put(key, '12345');
      await expect(store.read(key, 4)).rejects.toThrow(/more than the 4/);
      expect(text(await store.read(key, 5))).toBe('12345');
    });

    it('lists and removes by whole segments: ten_1 is no prefix of ten_10', async () => {
      await put(`${tenant}/b`, '1');
      await put(`${tenant}/a/two`, '22');
      await put('tenants/ten_10/a/one', '333');
      expect((await store.list(tenant)).map((one) => [one.key, one.sizeBytes])).toEqual([[`${tenant}/a/two`, 2], [`${tenant}/b`, 1]]);
      expect(await store.list(`${tenant}/nothing`)).toEqual([]);
      await store.removeAll(tenant);
      await store.removeAll(tenant);
      expect((await store.list('tenants')).map((one) => one.key)).toEqual(['tenants/ten_10/a/one']);
    });

    it.each([
      '', '/', 'tenants', 'tenants/ten_1', '/tenants/ten_1/x', 'tenants/ten_1/../ten_2/x', 'tenants/ten_1/./x', 'tenants//x', 'tenants/ten_1/x/',
      'tenants/ten_1/a b', 'tenants/ten_1/a\\b', 'tenants/ten_1/a\0b', 'tenants/ten_1/ä', 'tenants/ten_1/.hidden', 'other/ten_1/x', '.incoming/a/b',
      '../tenants/ten_1/x', 'C:/tenants/x',
    ])('refuses the key %j whatever the verb', async (wrong) => {
      await expect(store.put(wrong, Buffer.from('x'))).rejects.toThrow(TypeError);
      await expect(store.open(wrong)).rejects.toThrow(TypeError);
      await expect(store.read(wrong)).rejects.toThrow(TypeError);
      await expect(store.stat(wrong)).rejects.toThrow(TypeError);
      await expect(store.remove(wrong)).rejects.toThrow(TypeError);
      await expect(store.withLocalFile(wrong, async () => 'used')).rejects.toThrow(TypeError);
    });

    it('refuses keys that some store could not hold: long segments, long keys', async () => {
      await expect(store.put(`tenants/ten_1/${'x'.repeat(201)}`, Buffer.from('x'))).rejects.toThrow(TypeError);
      await expect(store.put(`tenants/ten_1${'/x'.repeat(500)}`, Buffer.from('x'))).rejects.toThrow(TypeError);
    });

    it.each(['', 'tenants', 'tenants/', 'tenants/..', 'tenants/ten_1/', 'tenants/ten_1/..', '/tenants/ten_1'])(
      'refuses to remove everything below %j',
      async (wrong) => {
        await put(key, 'kept');
        await expect(store.removeAll(wrong)).rejects.toThrow(TypeError);
        expect(text(await store.read(key))).toBe('kept');
      },
    );
  });
}
