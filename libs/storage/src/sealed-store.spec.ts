import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describeArtefactStore } from '../test/artefact-store-contract.ts';
import { createMemoryKeyring } from '../test/memory-keyring.ts';
import { type ArtefactStore, createFileStore, createSealedStore, type SealedStore } from './index.ts';

const folders: string[] = [];
const newFolder = async (): Promise<string> => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'millrace-sealed-'));
  folders.push(folder);
  return folder;
};
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

interface Vault {
  root: string;
  scratchDirectory: string;
  inner: ArtefactStore;
  keyring: ReturnType<typeof createMemoryKeyring>;
  store: SealedStore;
}

async function newVault(): Promise<Vault> {
  const root = await newFolder();
  const scratchDirectory = await newFolder();
  const inner = createFileStore({ root });
  const keyring = createMemoryKeyring();
  return { root, scratchDirectory, inner, keyring, store: createSealedStore({ inner, keyring, scratchDirectory }) };
}

describeArtefactStore('The sealed store over the file store', async () => (await newVault()).store);

const chunk = 64 * 1024;
const headerBytes = 44;
const tagBytes = 16;
const key = 'tenants/ten_1/uploads/upl_1/original';
const otherKey = 'tenants/ten_1/uploads/upl_2/original';
const damaged = { name: 'DamagedArtefactError', message: expect.stringMatching(/is damaged.*Restore it from a backup/s) };

describe('The sealed store', () => {
  let vault: Vault;
  let store: SealedStore;
  beforeEach(async () => {
    vault = await newVault();
    store = vault.store;
  });
  const fileOf = (one: string): string => path.join(vault.root, ...one.split('/'));
  const readers = {
    read: async (one: string) => store.read(one),
    open: async (one: string) => buffer(await store.open(one)),
    withLocalFile: (one: string) => store.withLocalFile(one, (file) => readFile(file)),
  };
  const expectRefusal = async (one: string, error: unknown): Promise<void> => {
    for (const read of Object.values(readers)) await expect(read(one)).rejects.toMatchObject(error as object);
  };
  const expectContent = async (one: string, content: Uint8Array): Promise<void> => {
    for (const read of Object.values(readers)) expect(Buffer.from(await read(one)).equals(content)).toBe(true);
  };
  /** Changes the file behind the artefact; false when the change would change nothing. */
  const tamper = async (one: string, change: (bytes: Buffer) => Uint8Array): Promise<void> => {
    const before = await readFile(fileOf(one));
    const after = change(Buffer.from(before));
    expect(before.equals(after)).toBe(false);
    await writeFile(fileOf(one), after);
  };

  it.each([0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk - 1, 2 * chunk, 2 * chunk + 1, 5 * chunk + 7])(
    'gives back %i bytes, tells their size and digest, and takes as much more on disk as the format says',
    async (size) => {
      const content = randomBytes(size);
      const sha256 = createHash('sha256').update(content).digest('hex');
      expect(await store.put(key, content, { maxBytes: size, expectedBytes: size, expectedSha256: sha256 })).toEqual({ type: 'stored', key, sizeBytes: size, sha256 });
      await expectContent(key, content);
      expect(await store.stat(key)).toMatchObject({ key, sizeBytes: size });
      expect(await store.list('tenants/ten_1')).toMatchObject([{ key, sizeBytes: size }]);
      expect((await stat(fileOf(key))).size).toBe(headerBytes + size + tagBytes * Math.max(1, Math.ceil(size / chunk)));
      expect(await store.read(key, size)).toHaveLength(size);
      if (size > 0) await expect(store.read(key, size - 1)).rejects.toThrow(RangeError);
    },
  );

  it('leaves the plain text nowhere in its folder, nor in the scratch folder once it has been used', async () => {
    const canary = 'CANARY-9f2c41';
    await store.put(key, Buffer.from(canary.repeat(20_000)));
    await store.withLocalFile(key, async (file) => {
      expect(await readFile(file, 'utf8')).toContain(canary);
      expect((await stat(file)).mode & 0o777).toBe(0o600);
      expect(path.dirname(file)).toBe(vault.scratchDirectory);
    });
    await store.withLocalFile(key, () => Promise.reject(new Error('the user failed'))).catch(() => undefined);
    await store.put(otherKey, (async function* () {
      yield Buffer.from(canary.repeat(20_000));
      throw new Error('cut');
    })());
    expect(await readdir(vault.scratchDirectory)).toEqual([]);
    const files = (await readdir(vault.root, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
    expect(files).toHaveLength(1);
    for (const { parentPath, name } of files) expect((await readFile(path.join(parentPath, name))).includes(canary)).toBe(false);
  });

  it('seals the same bytes to other bytes each time', async () => {
    const sealed = [];
    for (const one of [key, key, otherKey]) {
      await store.put(one, Buffer.from('the same'));
      sealed.push((await readFile(fileOf(one))).subarray(headerBytes).toString('hex'));
    }
    expect(new Set(sealed).size).toBe(3);
  });

  it('passes bytes on before the source has ended, and reads no more of it than the inner store takes', async () => {
    let given = 0;
    const endless = (async function* () {
      for (;;) {
        given += chunk;
        yield Buffer.alloc(chunk);
      }
    })();
    let taken = 0;
    const inner: ArtefactStore = {
      ...vault.inner,
      async put(_key, source) {
        for await (const bytes of source as AsyncIterable<Uint8Array>) {
          taken += bytes.length;
          if (taken > 100 * chunk) break;
        }
        return { type: 'incomplete', reason: 'cut', receivedBytes: taken };
      },
    };
    const narrow = createSealedStore({ ...vault, inner });
    await expect(narrow.put(key, endless)).rejects.toThrow(/did not take the sealed bytes/);
    expect(given - taken).toBeLessThan(8 * chunk);
  });

  it('reports a source that fails while the key is looked for, rather than let that end the process', async () => {
    const source = createReadStream(path.join(vault.root, 'absent'));
    const keyring = {
      ...vault.keyring,
      async current(tenantId: string) {
        await new Promise<void>((resolve) => source.once('close', () => resolve()));
        return vault.keyring.current(tenantId);
      },
    };
    const outcome = await createSealedStore({ ...vault, keyring }).put(key, source);
    expect(outcome).toMatchObject({ type: 'incomplete', reason: 'cut', cause: { code: 'ENOENT' } });
  });

  describe('refuses to give anything back when', () => {
    const content = randomBytes(3 * chunk + 100);
    beforeEach(async () => {
      await store.put(key, content);
      await expectContent(key, content);
    });

    it.each([
      ['the first byte of the header', 0], ['the format version', 7], ['the key version', 11], ['the salt', 12], ['the end of the salt', headerBytes - 1],
      ['the first chunk', headerBytes], ['the tag of the first chunk', headerBytes + chunk], ['the second chunk', headerBytes + chunk + tagBytes + 5],
      ['the last chunk', headerBytes + 3 * (chunk + tagBytes)], ['the last tag', headerBytes + 3 * (chunk + tagBytes) + 100 + tagBytes - 1],
    ])('a bit is flipped in %s', async (_where, offset) => {
      for (const bit of [1, 128]) {
        await tamper(key, (bytes) => {
          bytes[offset]! ^= bit;
          return bytes;
        });
        // Another key version is one that there is no key for.
        await expectRefusal(key, offset === 11 ? { code: 'NOT_FOUND' } : damaged);
        await tamper(key, (bytes) => {
          bytes[offset]! ^= bit;
          return bytes;
        });
        await expectContent(key, content);
      }
    });

    it.each([
      ['in its magic', 3], ['in its header', 30], ['behind its header', headerBytes], ['in the first tag', headerBytes + chunk + 3],
      ['behind the first chunk', headerBytes + chunk + tagBytes], ['behind the third chunk', headerBytes + 3 * (chunk + tagBytes)],
      ['before the last byte', headerBytes + 3 * (chunk + tagBytes) + 100 + tagBytes - 1],
    ])('it is cut off %s', async (_where, length) => {
      await tamper(key, (bytes) => bytes.subarray(0, length));
      await expectRefusal(key, damaged);
    });

    it('something is appended, be it a byte, its own last chunk or a whole artefact', async () => {
      const whole = await readFile(fileOf(key));
      for (const more of [Buffer.from('x'), whole.subarray(headerBytes + 3 * (chunk + tagBytes)), whole.subarray(headerBytes), whole]) {
        await writeFile(fileOf(key), Buffer.concat([whole, more]));
        await expectRefusal(key, damaged);
      }
    });

    it('chunks are swapped, repeated or left out', async () => {
      const whole = await readFile(fileOf(key));
      const part = (index: number): Buffer => whole.subarray(headerBytes + index * (chunk + tagBytes), headerBytes + (index + 1) * (chunk + tagBytes));
      for (const order of [[1, 0, 2, 3], [0, 1, 1, 2, 3], [0, 2, 3], [3], [1, 2, 3], [0, 1, 2]]) {
        await writeFile(fileOf(key), Buffer.concat([whole.subarray(0, headerBytes), ...order.map(part)]));
        await expectRefusal(key, damaged);
      }
    });

    it('it lies at the place of another artefact, of its tenant or of another', async () => {
      const foreignKey = 'tenants/ten_2/uploads/upl_1/original';
      await store.put(foreignKey, content);
      await mkdir(path.dirname(fileOf(otherKey)), { recursive: true });
      await writeFile(fileOf(otherKey), await readFile(fileOf(key)));
      await expectRefusal(otherKey, damaged);
      await rename(fileOf(key), fileOf(foreignKey));
      await expectRefusal(foreignKey, damaged);
    });

    it('the header is that of another artefact of the tenant', async () => {
      await store.put(otherKey, content);
      const other = await readFile(fileOf(otherKey));
      await tamper(key, (bytes) => Buffer.concat([other.subarray(0, headerBytes), bytes.subarray(headerBytes)]));
      await expectRefusal(key, damaged);
    });

    it('the key is another one', async () => {
      store = createSealedStore({ ...vault, keyring: createMemoryKeyring() });
      await store.put(otherKey, Buffer.from('so that there is a key')); // of the same version
      await expectRefusal(key, damaged);
    });

    it('it was never sealed: it says how to mend that', async () => {
      for (const plain of ['', 'x', 'plain text that is a good deal longer than the header of a sealed artefact is']) {
        await vault.inner.put(otherKey, Buffer.from(plain));
        await expectRefusal(otherKey, { code: 'UNAVAILABLE', remedy: expect.stringContaining('npm run keys -- reseal --plain') });
      }
    });

    it('its key is destroyed: it is gone like a removed one, and the neighbour is not', async () => {
      const neighbour = 'tenants/ten_2/uploads/upl_1/original';
      await store.put(neighbour, content);
      vault.keyring.destroy('ten_1');
      await expectRefusal(key, { code: 'NOT_FOUND', message: expect.stringMatching(/key .* destroyed/) });
      await expectContent(neighbour, content);
      await store.removeAll('tenants/ten_1');
      expect((await store.list('tenants')).map((one) => one.key)).toEqual([neighbour]);
    });
  });

  it('gives what is right up to the damage when it is read as a stream, and then fails', async () => {
    const content = randomBytes(3 * chunk);
    await store.put(key, content);
    await tamper(key, (bytes) => bytes.subarray(0, headerBytes + 2 * (chunk + tagBytes)));
    const got: Buffer[] = [];
    const reading = (async () => {
      for await (const bytes of await store.open(key)) got.push(bytes as Buffer);
    })();
    await expect(reading).rejects.toMatchObject(damaged);
    expect(Buffer.concat(got).equals(content.subarray(0, chunk))).toBe(true);
  });

  it('closes the file of a stream that is destroyed before its end, read or not', async () => {
    await store.put(key, randomBytes(20 * chunk));
    const streams: NodeJS.EventEmitter[] = [];
    const inner: ArtefactStore = {
      ...vault.inner,
      async open(one) {
        const stream = await vault.inner.open(one);
        streams.push(stream);
        return stream;
      },
    };
    const watched = createSealedStore({ ...vault, inner });
    const unread = await watched.open(key);
    const read = await watched.open(key);
    await once(read, 'readable');
    const closed = Promise.all(streams.map((stream) => new Promise((resolve) => stream.once('close', resolve))));
    unread.destroy();
    read.destroy();
    expect(await closed).toHaveLength(2);
  });

  it('sweeps the plain files that a killed process left in the scratch folder, and none of a living one', async () => {
    await store.put(key, Buffer.from('x'));
    const gone = spawn(process.execPath, ['-e', '']);
    await once(gone, 'close');
    const id = '0b8f6d4e-1111-4222-8333-444455556666';
    const leftovers = [`${id}-${gone.pid}-1700000000000.plain`, `${id}-${process.pid}-1700000000000.plain`]; // the second: our number, an earlier life
    const kept = [`${id}-${process.ppid}-1700000000000.plain`, 'README'];
    for (const name of [...leftovers, ...kept]) await writeFile(path.join(vault.scratchDirectory, name), 'left over');
    await store.withLocalFile(key, async (file) => {
      createSealedStore(vault);
      expect((await readdir(vault.scratchDirectory)).sort()).toEqual([...kept, path.basename(file)].sort());
    });
  });

  it('says UNAVAILABLE with a remedy when the scratch folder is full, and leaves nothing there', async () => {
    await store.put(key, randomBytes(4 * chunk));
    const full = Object.assign(new Error('no space'), { code: 'ENOSPC' });
    const inner: ArtefactStore = {
      ...vault.inner,
      async open(one) {
        const stream = await vault.inner.open(one);
        stream.once('data', () => stream.destroy(full)); // stands for the write that fails: both end the same loop
        return stream;
      },
    };
    await expect(createSealedStore({ ...vault, inner }).withLocalFile(key, async () => 'used')).rejects.toMatchObject({
      code: 'UNAVAILABLE', message: expect.stringMatching(/scratch folder/), remedy: expect.stringContaining(vault.scratchDirectory),
    });
    expect(await readdir(vault.scratchDirectory)).toEqual([]);
  });

  describe('reseals:', () => {
    const contents = new Map<string, Buffer>();
    const keys = [0, 1, chunk, 3 * chunk + 1].map((_size, index) => `tenants/ten_1/runs/run_1/part-${index}`);
    const versionOf = async (one: string): Promise<number> => (await readFile(fileOf(one))).readUInt32BE(8);
    beforeEach(async () => {
      for (const [index, size] of [0, 1, chunk, 3 * chunk + 1].entries()) {
        contents.set(keys[index]!, randomBytes(size));
        await store.put(keys[index]!, contents.get(keys[index]!)!);
      }
    });
    const expectAll = async (): Promise<void> => {
      for (const [one, content] of contents) await expectContent(one, content);
    };
    const nothing = { current: 0, resealed: 0, sealed: 0, plain: 0, destroyed: 0, damaged: [] };

    it('after a rotation old artefacts stay readable, new ones get the new key, and resealing gives it to all', async () => {
      vault.keyring.rotate('ten_1');
      await store.put('tenants/ten_1/new', Buffer.from('new'));
      await expectAll();
      expect(await versionOf(keys[0]!)).toBe(1);
      expect(await versionOf('tenants/ten_1/new')).toBe(2);
      const progress: number[] = [];
      const report = await store.reseal('tenants', { onProgress: ({ doneBytes, totalBytes }) => progress.push(doneBytes / totalBytes) });
      expect(report).toEqual({ ...nothing, current: 1, resealed: 4 });
      expect(progress).toHaveLength(5);
      expect(progress.at(-1)).toBe(1);
      for (const one of keys) expect(await versionOf(one)).toBe(2);
      await expectAll();
      expect(await store.reseal('tenants')).toEqual({ ...nothing, current: 5 });
    });

    it('only below the prefix, and only with the tenant’s own key', async () => {
      await store.put('tenants/ten_2/a/b', Buffer.from('2'));
      vault.keyring.rotate('ten_1');
      vault.keyring.rotate('ten_2');
      expect(await store.reseal('tenants/ten_2')).toEqual({ ...nothing, resealed: 1 });
      expect(await versionOf(keys[1]!)).toBe(1);
      expect(await versionOf('tenants/ten_2/a/b')).toBe(2);
    });

    it('plain artefacts are counted, and sealed when told to', async () => {
      const plain = randomBytes(2 * chunk);
      for (const [one, content] of [[otherKey, plain], ['tenants/ten_1/short', Buffer.from('s')], ['tenants/ten_1/empty', Buffer.alloc(0)]] as const) {
        await vault.inner.put(one, content);
        contents.set(one, Buffer.from(content));
      }
      expect(await store.reseal('tenants')).toEqual({ ...nothing, current: 4, plain: 3 });
      await expectRefusal(otherKey, { code: 'UNAVAILABLE' });
      expect(await store.reseal('tenants', { sealPlain: true })).toEqual({ ...nothing, current: 4, sealed: 3 });
      await expectAll();
      for (const one of [otherKey, 'tenants/ten_1/short', 'tenants/ten_1/empty']) contents.delete(one);
    });

    it('what was cut off goes on where it stopped', async () => {
      vault.keyring.rotate('ten_1');
      const full = new Error('no space');
      let left = 2;
      const failing = createSealedStore({
        ...vault,
        inner: { ...vault.inner, put: (...given) => (left-- > 0 ? vault.inner.put(...given) : Promise.reject(full)) },
      });
      await expect(failing.reseal('tenants')).rejects.toBe(full);
      await expectAll();
      expect(await store.reseal('tenants')).toEqual({ ...nothing, current: 2, resealed: 2 });
      await expectAll();
    });

    it('damaged ones and those whose key is destroyed are named or counted, never rewritten, and hold up no other', async () => {
      await store.put('tenants/ten_2/a/b', Buffer.from('2'));
      await tamper(keys[3]!, (bytes) => bytes.subarray(0, bytes.length - 1));
      await tamper(keys[1]!, (bytes) => {
        bytes[0]! ^= 1; // a magic that is not quite one must not pass for a plain artefact
        return bytes;
      });
      const before = await Promise.all([keys[1]!, keys[3]!, 'tenants/ten_2/a/b'].map((one) => readFile(fileOf(one))));
      vault.keyring.rotate('ten_1');
      vault.keyring.destroy('ten_2');
      expect(await store.reseal('tenants', { sealPlain: true })).toEqual({ ...nothing, resealed: 2, destroyed: 1, damaged: [keys[1], keys[3]] });
      expect(await Promise.all([keys[1]!, keys[3]!, 'tenants/ten_2/a/b'].map((one) => readFile(fileOf(one))))).toEqual(before);
      expect(await vault.keyring.find('ten_2', 1)).toBeNull(); // nor was a new key made for a tenant that is gone
    });

    it('one that is replaced or removed meanwhile is neither undone nor brought back', async () => {
      vault.keyring.rotate('ten_1');
      const [replaced, removed] = [keys[2]!, keys[3]!];
      const inner: ArtefactStore = {
        ...vault.inner,
        // Between reading and publishing: as the resealed bytes are about to be whole.
        async put(one, source, options) {
          if (one === replaced) await store.put(replaced, Buffer.from('newer'));
          if (one === removed) await store.remove(removed);
          return vault.inner.put(one, source, options);
        },
      };
      expect(await createSealedStore({ ...vault, inner }).reseal('tenants')).toEqual({ ...nothing, resealed: 2, current: 1 });
      await expectContent(replaced, Buffer.from('newer'));
      expect(await store.stat(removed)).toBeNull();
      contents.clear();
    });
  });
});
