import { randomUUID } from 'node:crypto';
import { type Actor, actorName, recordAudit, requirePermission } from '@millrace/auth';
import { type Database, type ModelImport, notify, type Prisma, type TenantTx } from '@millrace/database';
import { isId, newId, type Problem } from '@millrace/kernel';
import { type Agreement, type ModelPackage, unfitText } from '@millrace/packaging';
import { createQuota } from '@millrace/quota';
import { ModelTaskConflict } from './model-task-conflict.ts';
import { nameProblem } from './names.ts';
import type { Registry } from './registry.ts';

/** What somebody says of a file that shall become a version. */
export interface ImportOptions {
  /** take a package that is signed by a key that nobody here trusts */
  acceptUntrusted?: boolean;
  /** of a plain ONNX file: what it takes and gives, where that is not to be inferred */
  signature?: Prisma.InputJsonValue | undefined;
  /** rows, each with what the model is known to answer: {inputs, prediction} */
  sampleRows?: Prisma.InputJsonValue | undefined;
}

export type RequestImportOutcome =
  | { type: 'requested'; modelImport: ModelImport }
  | { type: 'invalid'; problems: Problem[] }
  | { type: 'not-found'; field: string; message: string };

/** A file in the hands of a worker. Every write names the token: who has lost the lease can write no more. */
export interface ClaimedImport {
  tenantId: string;
  importId: string;
  token: string;
  modelName: string;
  options: ImportOptions;
  createdBy: string;
  file: { name: string; key: string; sizeBytes: number; sha256: string };
  /** public keys whose packages are taken: the tenant's own, and those that it trusts, by their names */
  trusted: ReadonlyMap<string, string>;
}

export interface ImportedVersion {
  versionId: string;
  modelPackage: ModelPackage;
  metrics: Prisma.InputJsonObject;
  agreement: Agreement;
  source: 'PACKAGE' | 'ONNX';
  provenance: Prisma.InputJsonObject;
}

/** Of text that a person wrote, as JSON. */
const maxOptionBytes = 512 * 1024;
/** An import is over in seconds: a worker that is silent for longer has died. */
const leaseSeconds = 60;
const mostAttempts = 3;

/** Imports of a tenant that may wait or be under way: they are taken in order of asking, whoever asks. */
const mostOpen = 5;
const tooManyOpen: Problem = {
  code: 'too_many_imports', field: 'uploadId', message: `${mostOpen} imports of your tenant are waiting already.`, remedy: 'Wait for one of them to end.',
};

const cut: Problem = {
  code: 'import_interrupted', field: 'file', message: 'The import was broken off several times.', remedy: 'Try again; if it stays, tell your operator the id of this import.',
};

/** Files that shall become versions: asked for here, checked and made by a worker. */
export function createModelImports({ database }: { database: Database }) {
  return {
    /** Asks for an uploaded file to become a version of the model of this name, which is made if it is new. */
    async requestImport(actor: Actor, input: { uploadId: string; modelName: string } & ImportOptions): Promise<RequestImportOutcome> {
      requirePermission(actor, 'model:write');
      const { tenantId } = actor;
      const { uploadId, modelName, acceptUntrusted = false, signature, sampleRows } = input;
      if (acceptUntrusted) requirePermission(actor, 'model:trust'); // it is signed with the tenant's own key from then on
      const options = { acceptUntrusted, ...(signature == null ? {} : { signature }), ...(sampleRows == null ? {} : { sampleRows }) };
      const problem = nameProblem(modelName, 'modelName', 'model') ?? sizeProblem(options) ?? unfitText(signature, 'signature') ?? unfitText(sampleRows, 'sampleRows');
      if (problem) return { type: 'invalid', problems: [problem] };
      return database.forTenant(tenantId).transaction(async (tx): Promise<RequestImportOutcome> => {
        const upload = isId('upload', uploadId) ? await tx.upload.findUnique({ where: { tenantId_id: { tenantId, id: uploadId } } }) : null;
        if (upload?.status !== 'COMPLETE') return { type: 'not-found', field: 'uploadId', message: 'There is no uploaded file with this id.' };
        if ((await tx.modelImport.count({ where: { tenantId, finishedAt: null } })) >= mostOpen) return { type: 'invalid', problems: [tooManyOpen] };
        const modelImport = await tx.modelImport.create({
          data: { id: newId('modelImport'), tenantId, uploadId, modelName, options, createdBy: actorName(actor) },
        });
        await recordAudit(tx, actor, { action: 'model.import', subject: modelImport.id, details: { uploadId, modelName, acceptUntrusted } });
        await notify(tx, 'millrace_queue');
        return { type: 'requested', modelImport };
      });
    },
  };
}

function sizeProblem(options: object): Problem | null {
  if (Buffer.byteLength(JSON.stringify(options)) <= maxOptionBytes) return null;
  return { code: 'too_large', field: 'sampleRows', message: `Signature and sample rows have more than ${maxOptionBytes} bytes.`, remedy: 'Give fewer sample rows: some twenty will do.' };
}

export type ImportQueue = ReturnType<typeof createImportQueue>;

/** The only way for a worker to hold a file that shall become a version: oldest first, whatever the tenant. */
export function createImportQueue({ database, registry }: { /** its system handle logs in as millrace_worker */ database: Database; registry: Registry }) {
  const quota = createQuota({ database });

  /**
   * Gives back what an attempt held of the tenant's storage for a version that did not come about. Whoever holds the import
   * removes the package, which nobody can make the version's any more.
   */
  async function dropVersion(tx: TenantTx, tenantId: string, id: string): Promise<string | null> {
    const row = await tx.modelImport.findUnique({ where: { tenantId_id: { tenantId, id } }, select: { versionId: true } });
    if (row?.versionId == null) return null;
    await quota.release(tx, tenantId, row.versionId, 'STORAGE_BYTES');
    await tx.modelImport.update({ where: { tenantId_id: { tenantId, id } }, data: { versionId: null } });
    return row.versionId;
  }

  /** Ends an import that is still held, in one transaction; false when it is not. */
  async function end(held: Pick<ClaimedImport, 'tenantId' | 'importId' | 'token'>, data: Prisma.ModelImportUpdateManyMutationInput): Promise<boolean> {
    const { tenantId, importId: id, token } = held;
    const ended = await database.forTenant(tenantId).transaction(async (tx) => {
      const [{ now }] = await tx.$queryRaw<[{ now: Date }]>`SELECT now() AS now`;
      const { count } = await tx.modelImport.updateMany({
        where: { tenantId, id, leaseToken: token, status: 'RUNNING' },
        data: { ...data, finishedAt: now, leaseToken: null, leaseUntil: null },
      });
      return count > 0 && { dropped: await dropVersion(tx, tenantId, id) };
    });
    if (ended && ended.dropped !== null) await registry.removePackage(tenantId, ended.dropped);
    return ended !== false;
  }

  return {
    /** Hands out the next import, or null. One whose worker has died is handed out again, three times in all. */
    async claim(): Promise<ClaimedImport | null> {
      const token = randomUUID();
      const [next] = await database.system().transaction(
        (tx) => tx.$queryRaw<{ id: string; tenantId: string; attempt: number }[]>`
          UPDATE model_imports SET status = 'RUNNING', attempt = attempt + 1, lease_token = ${token}::uuid, lease_until = now() + ${leaseSeconds} * interval '1 second'
          WHERE id = (
            SELECT id FROM model_imports WHERE finished_at IS NULL AND (status = 'QUEUED' OR lease_until < now())
              AND tenant_id IN (SELECT t.id FROM tenants t WHERE t.status = 'ACTIVE')
            ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
          RETURNING id, tenant_id AS "tenantId", attempt`,
      );
      if (!next) return null;
      const { tenantId, id: importId, attempt } = next;
      if (attempt > mostAttempts) {
        await end({ tenantId, importId, token }, { status: 'FAILED', problems: [{ ...cut }] });
        return null;
      }
      const { dropped, ...claimed } = await database.forTenant(tenantId).transaction(async (tx) => {
        const row = await tx.modelImport.findUniqueOrThrow({ where: { tenantId_id: { tenantId, id: importId } }, include: { upload: true } });
        const own = await tx.signingKey.findMany({ where: { tenantId }, select: { publicKey: true } });
        const others = await tx.trustedKey.findMany({ where: { tenantId } });
        const { upload } = row;
        return {
          dropped: await dropVersion(tx, tenantId, importId), // of a worker that died over it
          tenantId, importId, token,
          modelName: row.modelName,
          options: row.options as ImportOptions,
          createdBy: row.createdBy,
          file: { name: upload.filename, key: upload.objectKey!, sizeBytes: Number(upload.sizeBytes), sha256: upload.sha256! },
          trusted: new Map([...others.map(({ publicKey, name }): [string, string] => [publicKey, name]), ...own.map(({ publicKey }): [string, string] => [publicKey, 'this tenant'])]),
        };
      });
      if (dropped !== null) await registry.removePackage(tenantId, dropped);
      return claimed;
    },

    /**
     * Holds storage of the tenant for the package of a version that is about to be, before it is stored. What is held ends
     * with the version or with the attempt: also with one that dies, when the import is handed out again.
     */
    async holdStorage({ tenantId, importId: id, token }: ClaimedImport, versionId: string, bytes: number): Promise<{ type: 'held' } | { type: 'lost' } | { type: 'refused'; problem: Problem }> {
      return database.forTenant(tenantId).transaction(async (tx) => {
        const { count } = await tx.modelImport.updateMany({ where: { tenantId, id, leaseToken: token, status: 'RUNNING' }, data: { versionId: null } });
        if (!count) return { type: 'lost' };
        const reserved = await quota.reserve(tx, tenantId, { resource: 'STORAGE_BYTES', amount: BigInt(bytes), subject: versionId });
        if (reserved.type === 'quota-exceeded') {
          return { type: 'refused', problem: { code: 'quota_exceeded', field: 'file', message: reserved.message, remedy: 'Delete files or versions that you no longer need, or ask your operator for a higher limit.' } };
        }
        await tx.modelImport.update({ where: { tenantId_id: { tenantId, id } }, data: { versionId } });
        return { type: 'held' };
      });
    },

    /** Enters the version, whose package is stored, and ends the import: both or neither. */
    async complete(held: ClaimedImport, version: ImportedVersion): Promise<'recorded' | 'refused' | 'lost'> {
      const { tenantId, importId: id, token } = held;
      const { source, provenance, ...facts } = version;
      try {
        return await database.forTenant(tenantId).transaction(async (tx) => {
          const { count } = await tx.modelImport.updateMany({
            where: { tenantId, id, leaseToken: token, status: 'RUNNING' },
            data: { status: 'SUCCEEDED', versionId: facts.versionId, leaseToken: null, leaseUntil: null },
          });
          if (!count) return 'lost' as const;
          await tx.$executeRaw`UPDATE model_imports SET finished_at = now() WHERE tenant_id = ${tenantId} AND id = ${id}`;
          const made = await registry.addVersion(tx, { ...facts, tenantId, modelName: held.modelName, runId: null, datasetVersionId: null, imported: { source, provenance } });
          await quota.settle(tx, tenantId, made.id, 'STORAGE_BYTES', made.sizeBytes);
          const details = { model: held.modelName, modelId: made.modelId, version: made.number, source, packageSha256: made.packageSha256, requestedBy: held.createdBy };
          await recordAudit(tx, { type: 'system', tenantId }, { action: 'version.import', subject: made.id, details });
          return 'recorded' as const;
        });
      } catch (error) {
        if (!(error instanceof ModelTaskConflict)) throw error;
        const problem = { code: 'other_task', field: 'modelName', message: error.message, remedy: 'Choose another name for the model.' };
        return (await end(held, { status: 'FAILED', problems: [problem] })) ? 'refused' : 'lost';
      }
    },

    /** The file cannot become a version, and why. */
    async refuse(held: ClaimedImport, problems: readonly Problem[]): Promise<void> {
      await end(held, { status: 'FAILED', problems: problems.map((problem) => ({ ...problem })) });
    },

    /** Gives it back for another worker. */
    async giveBack({ tenantId, importId: id, token }: ClaimedImport): Promise<void> {
      await database.forTenant(tenantId).transaction(async (tx) => {
        const data = { status: 'QUEUED' as const, attempt: { decrement: 1 }, leaseToken: null, leaseUntil: null };
        await tx.modelImport.updateMany({ where: { tenantId, id, leaseToken: token, status: 'RUNNING' }, data });
        await notify(tx, 'millrace_queue');
      });
    },
  };
}
