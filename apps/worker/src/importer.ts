import fs from 'node:fs/promises';
import path from 'node:path';
import { millraceVersion } from '@millrace/kernel';
import { checkPackage, importOnnx, isArchive, type ModelPackage, readArchive, tryPackage, withRowsPerCall } from '@millrace/packaging';
import type { ImportEnd, ImportJob, ImportMessage } from './import-protocol.ts';

/**
 * The importing process: looks at one file of unknown origin, without database, secret or network. Its worker watches what it
 * takes of time and memory, and kills it without harm to anything else. It ends with its worker.
 */

process.on('disconnect', () => process.exit(1));
process.on('message', (job: ImportJob) => {
  importFile(job).then((end) => send(end, () => process.exit(0)), (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(1);
  });
});

send({ type: 'ready' }, () => undefined);

function send(message: ImportMessage, onSent: () => void): void {
  process.send!(message, undefined, {}, onSent);
}

type Read = Extract<ImportEnd, { type: 'refused' }> | (Pick<Extract<ImportEnd, { type: 'fit' }>, 'source' | 'metrics' | 'provenance'> & { type: 'read'; modelPackage: ModelPackage; isTrusted: boolean });

async function importFile(job: ImportJob): Promise<ImportEnd> {
  const bytes = await fs.readFile(job.file);
  const read = isArchive(bytes) ? await readPackage(bytes, job) : readOnnx(bytes, job);
  if (read.type === 'refused') return read;
  const { source, metrics, provenance, isTrusted } = read;
  const tried = await tryPackage(read.modelPackage.files, job.sampleRows, { isTrusted });
  if (tried.type === 'refused') return tried;
  const { rowsPerCall } = tried.speed;
  const modelPackage = rowsPerCall < read.modelPackage.signature.graph.rowsPerCall ? withRowsPerCall(read.modelPackage, rowsPerCall) : read.modelPackage;
  await fs.mkdir(job.packageFolder, { recursive: true });
  for (const [name, content] of modelPackage.files) await fs.writeFile(path.join(job.packageFolder, name), content);
  return { type: 'fit', packageSha256: modelPackage.digest, agreement: tried.agreement, metrics, source, provenance: { ...provenance, speed: tried.speed } };
}

async function readPackage(bytes: Uint8Array, job: ImportJob): Promise<Read> {
  const archive = readArchive(bytes);
  if ('problem' in archive) return { type: 'refused', problems: [archive.problem] };
  const checked = await checkPackage(archive.files, { trusted: new Map(job.trusted), acceptUntrusted: job.acceptUntrusted });
  if (checked.type === 'refused') return checked;
  const { modelPackage, signer, lineage } = checked;
  const { test } = checked.metrics;
  const metrics = typeof test === 'object' && test !== null ? (test as Record<string, unknown>) : {};
  return { type: 'read', source: 'PACKAGE', modelPackage, isTrusted: signer?.isTrusted ?? false, metrics, provenance: { filename: job.filename, sha256: job.sha256, signer, lineage } };
}

function readOnnx(bytes: Uint8Array, { filename, sha256, signature }: ImportJob): Read {
  const imported = importOnnx({ bytes, filename, sha256, signature, tools: { millrace: millraceVersion } });
  if (imported.type === 'refused') return imported;
  return { type: 'read', source: 'ONNX', modelPackage: imported.modelPackage, isTrusted: false, metrics: {}, provenance: { filename, sha256, producer: imported.producer } };
}
