import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import path from 'node:path';
import type { ExportSummary, TenantExport } from '@millrace/auth';
import { DomainError } from '@millrace/kernel';
import type { ArtefactStore } from '@millrace/storage';
import { type Pack, pack } from 'tar-stream';

export interface TenantArchiveOptions {
  source: TenantExport;
  storage: Pick<ArtefactStore, 'list' | 'stat' | 'open'>;
  /** for one table at a time, whose size must be known before its first byte is sent */
  scratchDirectory: string;
  /** of Millrace, for the manifest */
  version: string;
}

export interface TenantArchive {
  /** the bytes of the tar, made as they are read: nothing is read ahead but a few chunks */
  chunks: AsyncIterable<Uint8Array>;
  /** what went into it, once all chunks are read */
  summary(): ExportSummary;
  /** ends the chunks with this error */
  abort(error: Error): void;
}

interface Digest {
  bytes: number;
  sha256: string;
}

/** Everything of a tenant as a tar: README, tables as JSON Lines, artefacts as the files they are, and a manifest of all of it at the end. */
export function createTenantArchive(options: TenantArchiveOptions): TenantArchive {
  const tar = pack();
  let summary: ExportSummary | null = null;
  const filled = fill(tar, options).then(
    (result) => {
      summary = result;
      tar.finalize();
    },
    (error: unknown) => tar.destroy(error as Error),
  );
  async function* chunks(): AsyncGenerator<Uint8Array, void, void> {
    try {
      yield* tar as unknown as AsyncIterable<Uint8Array>;
    } finally {
      tar.destroy();
      await filled;
    }
  }
  return {
    chunks: chunks(),
    summary() {
      if (!summary) throw new Error('the archive is not whole yet');
      return summary;
    },
    abort: (error) => tar.destroy(error),
  };
}

async function fill(tar: Pack, { source, storage, scratchDirectory, version }: TenantArchiveOptions): Promise<ExportSummary> {
  const { tenant } = source;
  const root = `${tenant.slug}-export`;
  const artefactsOf = `tenants/${tenant.id}`;
  const total = { tables: 0, rows: 0, artefacts: 0, bytes: 0 };
  const add = async (name: string, size: number, content: AsyncIterable<Uint8Array> | Uint8Array, mtime = source.begunAt): Promise<Digest> => {
    const digest = await addEntry(tar, { name: `${root}/${name}`, size, mtime }, content);
    total.bytes += digest.bytes;
    return digest;
  };

  const readme = Buffer.from(readmeOf(tenant.name, source.begunAt));
  await add('README.txt', readme.length, readme);

  const tables: (Digest & { path: string; rows: number; columns: readonly string[] })[] = [];
  for (const { name, columns, pages } of source.tables) {
    let rows = 0;
    const lines = async function* (): AsyncGenerator<Uint8Array, void, void> {
      for await (const page of pages()) {
        rows += page.length;
        yield Buffer.from(`${page.join('\n')}\n`);
      }
    };
    const file = `tables/${name}.jsonl`;
    const digest = await spooled(scratchDirectory, lines(), (size, content) => add(file, size, content));
    tables.push({ path: file, rows, ...digest, columns });
    total.tables++;
    total.rows += rows;
  }

  const artefacts: (Digest & { path: string })[] = [];
  const vanished: string[] = [];
  for (const { key } of await storage.list(artefactsOf)) {
    const file = `artefacts/${key.slice(artefactsOf.length + 1)}`;
    const digest = await addArtefact(key, file).catch((error: unknown) => {
      if (error instanceof DomainError && error.code === 'NOT_FOUND') return null;
      throw error;
    });
    if (digest) artefacts.push({ path: file, ...digest });
    else vanished.push(file);
    if (digest) total.artefacts++;
  }

  async function addArtefact(key: string, file: string): Promise<Digest | null> {
    const content = await storage.open(key);
    try {
      // A checkpoint is replaced again and again while its run goes on; all other artefacts are what they are for good.
      if (key.startsWith(`${artefactsOf}/checkpoints/`)) return await spooled(scratchDirectory, content, (size, copy) => add(file, size, copy));
      const info = await storage.stat(key);
      return info && (await add(file, info.sizeBytes, content, info.modifiedAt));
    } finally {
      content.destroy();
    }
  }

  const manifest = Buffer.from(
    JSON.stringify(
      {
        format: 'millrace-export/1', millraceVersion: version, tenant, begunAt: source.begunAt, endedAt: new Date(), tables, artefacts,
        // Removed by their run's end while the export went on.
        vanished,
      },
      null,
      2,
    ),
  );
  const { sha256 } = await add('manifest.json', manifest.length, manifest);
  return { ...total, manifestSha256: sha256 };
}

/** One file of the tar, with as much read of its content as there is room for behind it. */
async function addEntry(tar: Pack, header: { name: string; size: number; mtime: Date }, content: AsyncIterable<Uint8Array> | Uint8Array): Promise<Digest> {
  const hash = createHash('sha256');
  let bytes = 0;
  let entry!: ReturnType<Pack['entry']>;
  const done = new Promise<void>((resolve, reject) => {
    entry = tar.entry(header, (error) => (error ? reject(error) : resolve()));
  });
  done.catch(() => undefined); // awaited below, unless something else fails first
  entry.on('error', () => undefined); // comes to the callback as well
  for await (const chunk of content instanceof Uint8Array ? [content] : content) {
    bytes += chunk.length;
    if (bytes > header.size) throw new Error(`${header.name} has more than the ${header.size} bytes that it should have`);
    hash.update(chunk);
    if (!entry.write(chunk)) await Promise.race([new Promise<void>((resume) => entry.once('drain', () => resume())), done]);
  }
  if (bytes < header.size) throw new Error(`${header.name} has ${bytes} bytes and should have ${header.size}`);
  entry.end(null);
  await done;
  return { bytes, sha256: hash.digest('hex') };
}

/** Lets the content pass through a file, so that its size is known before it is used. The file has no name: it goes with its use. */
async function spooled<T>(directory: string, content: AsyncIterable<Uint8Array>, use: (size: number, content: AsyncIterable<Uint8Array>) => Promise<T>): Promise<T> {
  const file = path.join(directory, `millrace-export-${randomUUID()}`);
  const handle: FileHandle = await open(file, 'wx+', 0o600);
  try {
    await rm(file);
    let size = 0;
    for await (const chunk of content) {
      for (let written = 0; written < chunk.length; ) written += (await handle.write(chunk, written, chunk.length - written, size + written)).bytesWritten;
      size += chunk.length;
    }
    return await use(size, handle.createReadStream({ start: 0, autoClose: false }));
  } finally {
    await handle.close();
  }
}

function readmeOf(name: string, begunAt: Date): string {
  return `Export of the tenant “${name}” from Millrace, begun at ${begunAt.toISOString()}.

manifest.json   what is in here, with the number of rows, the size and the SHA-256 of each file. It is the last file:
                an archive without it is not whole.
tables/         one file a table, one JSON object a line, in the order of its key. No secrets: digests of passwords,
                tokens and keys are not part of it. audit_events and audit_links are the audit trail and its hash chain.
artefacts/      the files themselves, decrypted: uploads as they came, data sets as Parquet, model packages
                (ONNX with a manifest each), checkpoints of runs that were going on.

The tables were read one after another while work went on, so that a row may name one that a table before it does not
hold yet.
`;
}
