import { randomBytes } from 'node:crypto';
import { type Actor, actorName, recordAudit, requirePermission } from '@millrace/auth';
import type { Database, TenantTx, Upload } from '@millrace/database';
import { DomainError, isId, newId, type Problem } from '@millrace/kernel';
import type { Quota, QuotaExceeded, TableLimits } from '@millrace/quota';
import type { FileDialect } from './file-dialect.ts';
import type { ArtefactStore, PutOutcome } from '@millrace/storage';

export interface BeginUploadInput {
  /** as the user named it: shown, never used as a path */
  filename: string;
  mediaType?: string | null;
  /** how the file is to be read; what is left out is found from the file */
  dialect?: FileDialect;
}

/** `maxBytes`: the most that the tenant may send in one file; null for what the server takes. */
export type BeginUploadOutcome = { type: 'begun'; upload: Upload; maxBytes: number | null } | { type: 'invalid'; problems: Problem[] };

export interface ReceiveUploadOptions {
  /** the server's cap of one upload; the tenant's own may be lower */
  maxBytes: number;
  /** as the sender announced it: a stream of any other length is refused */
  contentLength?: number;
  /** as the sender announced it */
  sha256?: string;
  signal?: AbortSignal;
}

export type ReceiveUploadOutcome =
  | { type: 'complete'; upload: Upload }
  | { type: 'upload-not-found' }
  /** an upload is received once; the row is the one that stands */
  | { type: 'already-complete'; upload: Upload }
  | { type: 'too-large'; limitBytes: number; message: string; remedy: string }
  | { type: 'incomplete'; receivedBytes: number; expectedBytes?: number; remedy: string }
  | { type: 'digest-mismatch'; expectedSha256: string; actualSha256: string; remedy: string }
  | QuotaExceeded;

/** The stable codes of a file that was not taken: in the answer and in the audit trail. */
export const uploadRefusalCodes = {
  'upload-not-found': 'upload_not_found',
  'already-complete': 'upload_already_complete',
  'too-large': 'file_too_large',
  incomplete: 'upload_incomplete',
  'digest-mismatch': 'digest_mismatch',
  'quota-exceeded': 'quota_exceeded',
} as const satisfies Record<Exclude<ReceiveUploadOutcome['type'], 'complete'>, string>;

interface Dependencies {
  database: Database;
  storage: ArtefactStore;
  quota: Quota;
}

const storageBytes = 'STORAGE_BYTES' as const;

export function createUploads({ database, storage, quota }: Dependencies) {
  /**
   * A file comes in any number of attempts, of which the first that is whole counts. Each attempt has a key and a
   * reservation of its own, named alike, so that neither can be mistaken for another's after a crash.
   */
  async function attempt(actor: Actor, uploadId: string, source: AsyncIterable<Uint8Array>, options: ReceiveUploadOptions): Promise<ReceiveUploadOutcome> {
    const { tenantId } = actor;
    const tenant = database.forTenant(tenantId);
    const { contentLength, sha256, signal } = options;
    let { maxBytes } = options;
    let whose: Whose = 'server';
    const subject = `${uploadId}/${randomBytes(8).toString('hex')}`;

    const claim = await tenant.transaction(async (tx): Promise<ReceiveUploadOutcome | null> => {
      const upload = await tx.upload.findFirst({ where: { tenantId, id: uploadId } });
      if (!upload) return { type: 'upload-not-found' };
      if (upload.status === 'COMPLETE') return { type: 'already-complete', upload };
      const own = ownCap(await quota.tableLimits(tx, tenantId));
      if (own !== null && own < maxBytes) [maxBytes, whose] = [own, 'tenant'];
      if (contentLength !== undefined && contentLength > maxBytes) {
        const refusal = tooLarge(maxBytes, whose);
        await fail(tx, actor, uploadId, uploadRefusalCodes[refusal.type], sentenceOf(refusal));
        return refusal;
      }
      // Of a stream of unknown length, all that it may become is held until it has ended.
      const amount = BigInt(Math.max(1, contentLength ?? maxBytes));
      const reserved = await quota.reserve(tx, tenantId, { resource: storageBytes, amount, subject });
      if (reserved.type === 'quota-exceeded') {
        await fail(tx, actor, uploadId, uploadRefusalCodes[reserved.type], reserved.message);
        return reserved;
      }
      return null;
    });
    if (claim) return claim;

    const key = keyOfAttempt(tenantId, subject);
    const giveUp = (result: string, failure: string): Promise<void> =>
      tenant.transaction(async (tx) => {
        await quota.release(tx, tenantId, subject, storageBytes);
        await fail(tx, actor, uploadId, result, failure);
      });

    let stored: PutOutcome;
    try {
      stored = await storage.put(key, source, {
        maxBytes,
        ...(contentLength === undefined ? {} : { expectedBytes: contentLength }),
        ...(sha256 === undefined ? {} : { expectedSha256: sha256 }),
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      await giveUp('internal_error', 'The file could not be stored.');
      throw error;
    }
    if (stored.type !== 'stored') {
      const refusal = refusalOf(stored, whose);
      await giveUp(uploadRefusalCodes[refusal.type], sentenceOf(refusal));
      return refusal;
    }

    // If this transaction fails, nobody knows whether it did: the file stays, and is cleared away a day later with
    // its reservation unless the row points at it.
    const { sizeBytes } = stored;
    const outcome = await tenant.transaction(async (tx): Promise<ReceiveUploadOutcome> => {
      const [current] = await tx.$queryRaw<{ status: string }[]>`
        SELECT status::text FROM uploads WHERE tenant_id = ${tenantId} AND id = ${uploadId} FOR UPDATE`;
      const held = await tx.reservation.findFirst({ where: { tenantId, subject, status: 'HELD' } });
      if (!current || current.status === 'COMPLETE' || !held) {
        await quota.release(tx, tenantId, subject, storageBytes);
        const upload = await tx.upload.findFirst({ where: { tenantId, id: uploadId } });
        if (!upload) return { type: 'upload-not-found' };
        if (upload.status === 'COMPLETE') return { type: 'already-complete', upload };
        throw new DomainError('CONFLICT', 'The upload took more than a day.', { remedy: 'Send the file again, over a faster connection.' });
      }
      if (sizeBytes > 0) await quota.settle(tx, tenantId, subject, storageBytes, BigInt(sizeBytes));
      else await quota.release(tx, tenantId, subject, storageBytes);
      const upload = await tx.upload.update({
        where: { tenantId_id: { tenantId, id: uploadId } },
        data: { status: 'COMPLETE', sizeBytes: BigInt(sizeBytes), sha256: stored.sha256, objectKey: key, failure: null, completedAt: await databaseTime(tx) },
      });
      await recordAudit(tx, actor, { action: 'upload.receive', subject: uploadId, details: { sizeBytes, sha256: stored.sha256 } });
      return { type: 'complete', upload };
    });
    if (outcome.type !== 'complete') await storage.remove(key);
    return outcome;
  }

  return {
    /** Announces a file. Its bytes follow with `receiveUpload`. */
    async beginUpload(actor: Actor, input: BeginUploadInput): Promise<BeginUploadOutcome> {
      requirePermission(actor, 'dataset:write');
      const { tenantId } = actor;
      const filename = input.filename.normalize('NFC').trim();
      const mediaType = input.mediaType?.trim() || null;
      const problems: Problem[] = [];
      if (filename === '' || filename.length > 255 || /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u.test(filename)) {
        problems.push({ code: 'filename_invalid', field: 'filename', message: 'The file name is empty, longer than 255 characters, or holds invisible characters.', remedy: 'Give a plain file name such as measurements.csv.' });
      }
      if (mediaType !== null && !/^[\w.+-]{1,60}\/[\w.+-]{1,60}(;[\x20-\x7e]{0,100})?$/.test(mediaType)) {
        problems.push({ code: 'media_type_invalid', field: 'mediaType', message: 'The media type isn’t of the form type/subtype.', remedy: 'Leave it out, or send one such as text/csv.' });
      }
      if (problems.length > 0) return { type: 'invalid', problems };

      await clearAbandoned(tenantId, { database, storage, quota });
      return database.forTenant(tenantId).transaction(async (tx) => {
        const upload = await tx.upload.create({ data: { id: newId('upload'), tenantId, filename, mediaType, dialect: { ...input.dialect }, createdBy: actorName(actor) } });
        await recordAudit(tx, actor, { action: 'upload.begin', subject: upload.id, details: { filename } });
        return { type: 'begun', upload, maxBytes: ownCap(await quota.tableLimits(tx, tenantId)) };
      });
    },

    /**
     * Streams the bytes of an announced upload to the store. After any outcome but `complete` nothing of the file is
     * left, the upload is FAILED with the reason, and it may be sent again. Refused sources aren't destroyed.
     */
    async receiveUpload(actor: Actor, uploadId: string, source: AsyncIterable<Uint8Array>, options: ReceiveUploadOptions): Promise<ReceiveUploadOutcome> {
      requirePermission(actor, 'dataset:write');
      if (!isId('upload', uploadId)) return { type: 'upload-not-found' };
      return attempt(actor, uploadId, source, options);
    },
  };
}

export function keyOfVersion(tenantId: string, versionId: string): string {
  return `tenants/${tenantId}/datasets/${versionId}/table.parquet`;
}

/** Which reservation holds the bytes of a received file. */
export function subjectOfAttempt(tenantId: string, objectKey: string): string {
  return objectKey.slice(keyOfAttempt(tenantId, '').length);
}

function keyOfAttempt(tenantId: string, subject: string): string {
  return `tenants/${tenantId}/uploads/${subject}`;
}

/**
 * Frees what processes held that were killed half way: reservations of a day ago that nobody settled, with the files
 * that nobody's row points at. Uploads and versions both name their file by their reservation.
 */
async function clearAbandoned(tenantId: string, { database, storage, quota }: Dependencies): Promise<void> {
  const abandoned = await database.forTenant(tenantId).transaction(async (tx) => {
    const rows = await tx.$queryRaw<{ subject: string }[]>`
      SELECT subject FROM reservations
      WHERE tenant_id = ${tenantId} AND resource = 'STORAGE_BYTES' AND status = 'HELD' AND created_at < now() - interval '1 day'
        AND (subject LIKE 'upl\\_%/%' OR subject LIKE 'dsv\\_%') LIMIT 100 FOR UPDATE SKIP LOCKED`;
    for (const { subject } of rows) await quota.release(tx, tenantId, subject, storageBytes);
    return rows.map(({ subject }) => subject);
  });
  for (const subject of abandoned) {
    await storage.remove(isId('datasetVersion', subject) ? keyOfVersion(tenantId, subject) : keyOfAttempt(tenantId, subject));
  }
}

/** An upload that another attempt completed meanwhile stays complete. */
async function fail(tx: TenantTx, actor: Actor, uploadId: string, result: string, failure: string): Promise<void> {
  await tx.upload.updateMany({ where: { tenantId: actor.tenantId, id: uploadId, status: { not: 'COMPLETE' } }, data: { status: 'FAILED', failure } });
  await recordAudit(tx, actor, { action: 'upload.receive', subject: uploadId, result });
}

type Refusal = Extract<ReceiveUploadOutcome, { type: 'too-large' | 'incomplete' | 'digest-mismatch' }>;

/** Whose limit a file went beyond. */
type Whose = 'server' | 'tenant';

const ownCap = ({ fileMb }: TableLimits): number | null => (fileMb === null ? null : fileMb * 1_000_000);

function refusalOf(outcome: Exclude<PutOutcome, { type: 'stored' }>, whose: Whose): Refusal {
  switch (outcome.type) {
    case 'too-large':
      return tooLarge(outcome.limitBytes, whose);
    case 'digest-mismatch':
      return { ...outcome, remedy: 'Send the file again: it was changed on its way, or the digest is of another file.' };
    case 'incomplete':
      return {
        type: 'incomplete',
        receivedBytes: outcome.receivedBytes,
        ...(outcome.expectedBytes === undefined ? {} : { expectedBytes: outcome.expectedBytes }),
        remedy: 'Send the whole file again to the same upload.',
      };
  }
}

function tooLarge(limitBytes: number, whose: Whose): Refusal & { type: 'too-large' } {
  return {
    type: 'too-large',
    limitBytes,
    message: `The file is larger than the ${limitBytes} bytes that ${whose === 'tenant' ? 'your tenant may send in one' : 'this server takes'}.`,
    remedy: `Send a smaller file: fewer rows or columns, or several uploads.${whose === 'tenant' ? ' Or ask your operator for a higher limit.' : ''}`,
  };
}

function sentenceOf(refusal: Refusal): string {
  switch (refusal.type) {
    case 'too-large':
      return refusal.message;
    case 'digest-mismatch':
      return 'The file isn’t the one whose digest was announced.';
    case 'incomplete':
      return refusal.expectedBytes === undefined
        ? `The transfer broke off after ${refusal.receivedBytes} bytes.`
        : `The transfer broke off: ${refusal.receivedBytes} of ${refusal.expectedBytes} bytes came.`;
  }
}

async function databaseTime(tx: TenantTx): Promise<Date> {
  const [row] = await tx.$queryRaw<{ now: Date }[]>`SELECT now() AS now`;
  return row!.now;
}
