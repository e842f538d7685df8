import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import type { TenantExport } from '@millrace/auth';
import { DomainError } from '@millrace/kernel';
import { extract } from 'tar-stream';
import { createTenantArchive, type TenantArchiveOptions } from './tenant-archive.ts';

let scratchDirectory: string;
beforeEach(async () => (scratchDirectory = await mkdtemp(path.join(tmpdir(), 'millrace-archive-'))));
afterEach(() => rm(scratchDirectory, { recursive: true, force: true }));

const root = 'tenants/ten_1';
const source: TenantExport = {
  tenant: { id: 'ten_1', slug: 'acme-1', name: 'Acme' },
  begunAt: new Date('2026-01-02T03:04:05Z'),
  tables: [
    { name: 'runs', columns: ['id'], async *pages() {
      yield ['{"id":"run_1"}', '{"id":"run_2"}'];
      yield ['{"id":"run_3"}'];
    } },
    { name: 'trials', columns: ['number'], async *pages() {} },
  ],
  finish: async () => undefined,
};

type Files = Record<string, { chunk: Buffer; chunks: number; sizeBytes?: number }>;

/** A store that makes its bytes as they are asked for, and counts them. */
function storeOf(files: Files) {
  const read = { bytes: 0 };
  const storage: TenantArchiveOptions['storage'] = {
    list: async () => Object.keys(files).map((key) => ({ key, sizeBytes: 0, modifiedAt: new Date(0) })),
    async stat(key) {
      const { chunk, chunks, sizeBytes = chunk.length * chunks } = files[key]!;
      return { key, sizeBytes, modifiedAt: new Date(0) };
    },
    async open(key) {
      const { chunk, chunks } = files[key]!;
      if (!chunks) throw new DomainError('NOT_FOUND', 'gone');
      return Readable.from(
        (function* () {
          for (let n = 0; n < chunks; n++) {
            read.bytes += chunk.length;
            yield chunk;
          }
        })(),
        { objectMode: false },
      );
    },
  };
  return { storage, read };
}

async function unpack(chunks: AsyncIterable<Uint8Array>): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  const unpacking = extract();
  const feeding = (async () => {
    for await (const chunk of chunks) if (!unpacking.write(chunk)) await new Promise<void>((resume) => unpacking.once('drain', () => resume()));
    unpacking.end(null);
  })();
  for await (const entry of unpacking) {
    const parts: Buffer[] = [];
    for await (const part of entry as unknown as AsyncIterable<Buffer>) parts.push(part);
    files.set(entry.header.name, Buffer.concat(parts));
  }
  await feeding;
  return files;
}

it('holds a README, the tables, the artefacts, and a manifest with the digest of each', async () => {
  const { storage } = storeOf({
    [`${root}/uploads/upl_1/a`]: { chunk: Buffer.from('abc'), chunks: 3 },
    [`${root}/checkpoints/run_1/t`]: { chunk: Buffer.from('check'), chunks: 2, sizeBytes: 3 }, // replaced since it was looked at
    [`${root}/checkpoints/run_2/t`]: { chunk: Buffer.from(''), chunks: 0 }, // removed since it was listed
    [`${root}/packages/${'x'.repeat(150)}/model.onnx`]: { chunk: Buffer.alloc(70_000, 1), chunks: 2 },
  });
  const archive = createTenantArchive({ source, storage, scratchDirectory, version: '9.9.9' });
  const files = await unpack(archive.chunks);
  expect([...files.keys()]).toEqual([
    'acme-1-export/README.txt', 'acme-1-export/tables/runs.jsonl', 'acme-1-export/tables/trials.jsonl', 'acme-1-export/artefacts/uploads/upl_1/a',
    'acme-1-export/artefacts/checkpoints/run_1/t', `acme-1-export/artefacts/packages/${'x'.repeat(150)}/model.onnx`, 'acme-1-export/manifest.json',
  ]);
  expect(files.get('acme-1-export/tables/runs.jsonl')!.toString()).toBe('{"id":"run_1"}\n{"id":"run_2"}\n{"id":"run_3"}\n');
  expect(files.get('acme-1-export/artefacts/uploads/upl_1/a')!.toString()).toBe('abcabcabc');
  const manifestFile = files.get('acme-1-export/manifest.json')!;
  const manifest = JSON.parse(manifestFile.toString());
  expect(manifest).toMatchObject({ format: 'millrace-export/1', millraceVersion: '9.9.9', tenant: source.tenant, vanished: ['artefacts/checkpoints/run_2/t'] });
  expect(manifest.tables.map(({ path: name, rows }: { path: string; rows: number }) => [name, rows])).toEqual([['tables/runs.jsonl', 3], ['tables/trials.jsonl', 0]]);
  const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
  for (const entry of [...manifest.tables, ...manifest.artefacts]) {
    const bytes = files.get(`acme-1-export/${entry.path}`)!;
    expect([entry.path, entry.bytes, entry.sha256]).toEqual([entry.path, bytes.length, sha256(bytes)]);
  }
  const bytes = [...files.values()].reduce((sum, file) => sum + file.length, 0);
  expect(archive.summary()).toEqual({ tables: 2, rows: 3, artefacts: 3, bytes, manifestSha256: sha256(manifestFile) });
  expect(await readdir(scratchDirectory)).toEqual([]);
});

it('reads ahead of a slow reader no more than a few chunks', async () => {
  const chunk = Buffer.alloc(64 * 1024);
  const { storage, read } = storeOf({ [`${root}/uploads/big`]: { chunk, chunks: 4096 } });
  const archive = createTenantArchive({ source, storage, scratchDirectory, version: '1' });
  let taken = 0;
  let most = 0;
  for await (const bytes of archive.chunks) {
    taken += bytes.length;
    if (taken > 16 * 1024 * 1024) break;
    await new Promise((resolve) => setImmediate(resolve)); // time enough to read ahead
    most = Math.max(most, read.bytes - taken);
  }
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThan(16 * chunk.length);
  expect(() => archive.summary()).toThrow('not whole');
});

it.each([2, 4])('breaks off when an artefact is not as long as it should be (%i of 3 bytes)', async (length) => {
  const { storage } = storeOf({ [`${root}/uploads/odd`]: { chunk: Buffer.alloc(length), chunks: 1, sizeBytes: 3 } });
  const archive = createTenantArchive({ source, storage, scratchDirectory, version: '1' });
  const reading = (async () => {
    for await (const _ of archive.chunks);
  })();
  await expect(reading).rejects.toThrow(/uploads\/odd has/);
  expect(await readdir(scratchDirectory)).toEqual([]);
});

it('ends at once when it is aborted', async () => {
  const { storage } = storeOf({ [`${root}/uploads/big`]: { chunk: Buffer.alloc(64 * 1024), chunks: 4096 } });
  const archive = createTenantArchive({ source, storage, scratchDirectory, version: '1' });
  const reading = (async () => {
    for await (const _ of archive.chunks) archive.abort(new Error('access has ended'));
  })();
  await expect(reading).rejects.toThrow('access has ended');
});
