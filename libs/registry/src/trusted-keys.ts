import { type Actor, actorName, keyIdOf, recordAudit, requirePermission } from '@millrace/auth';
import type { Database, TrustedKey } from '@millrace/database';
import type { Problem } from '@millrace/kernel';

export type TrustKeyOutcome = { type: 'trusted'; key: TrustedKey } | { type: 'invalid'; problems: Problem[] };
export type DistrustKeyOutcome = { type: 'distrusted'; keyId: string } | { type: 'not-found'; field: string; message: string };

/** Public keys of others whose model packages this tenant takes without a question. */
export function createTrustedKeys({ database }: { database: Database }) {
  return {
    /** Trusting a key again changes its name. */
    async trustKey(actor: Actor, input: { name: string; publicKey: string }): Promise<TrustKeyOutcome> {
      requirePermission(actor, 'model:trust');
      const { tenantId } = actor;
      const name = input.name.normalize('NFC').trim();
      const publicKey = input.publicKey.trim();
      const problems: Problem[] = [];
      if (name === '' || name.length > 100 || /\p{Cc}/u.test(name)) {
        problems.push({ code: 'name_unfit', field: 'name', message: 'The name is empty, longer than 100 characters, or holds control characters.', remedy: 'Name the installation that the key belongs to.' });
      }
      if (!/^[A-Za-z0-9_-]{43}$/.test(publicKey)) {
        problems.push({ code: 'key_unfit', field: 'publicKey', message: 'This is no Ed25519 public key of 32 bytes as base64url.', remedy: 'Copy the signing key that the other installation shows (43 characters).' });
      }
      if (problems.length) return { type: 'invalid', problems };
      const keyId = keyIdOf(publicKey);
      const key = await database.forTenant(tenantId).transaction(async (tx) => {
        await tx.trustedKey.deleteMany({ where: { tenantId, keyId } });
        const row = await tx.trustedKey.create({ data: { tenantId, keyId, publicKey, name, addedBy: actorName(actor) } });
        await recordAudit(tx, actor, { action: 'package_key.trust', subject: keyId, details: { name } });
        return row;
      });
      return { type: 'trusted', key };
    },

    /** What was imported by its word stays. */
    async distrustKey(actor: Actor, keyId: string): Promise<DistrustKeyOutcome> {
      requirePermission(actor, 'model:trust');
      const { tenantId } = actor;
      return database.forTenant(tenantId).transaction(async (tx) => {
        const { count } = await tx.trustedKey.deleteMany({ where: { tenantId, keyId } });
        if (!count) return { type: 'not-found' as const, field: 'keyId', message: 'There is no such trusted key.' };
        await recordAudit(tx, actor, { action: 'package_key.distrust', subject: keyId });
        return { type: 'distrusted' as const, keyId };
      });
    },
  };
}
