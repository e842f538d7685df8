import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import type { Database, SigningKey, SystemTx } from '@millrace/database';
import { DomainError, type Logger } from '@millrace/kernel';
import type { KeyWrapping } from './key-wrapping.ts';

/** What a tenant's key says of a text, and whose word it is. */
export interface KeySignature {
  keyId: string;
  /** 32 bytes as base64url */
  publicKey: string;
  /** Ed25519 (RFC 8032), 64 bytes as base64url */
  signature: string;
}

export interface SigningKeysOptions {
  database: Database;
  wrapping: KeyWrapping;
  logger: Logger;
}

/** The keys that tenants' model packages are signed with. The private halves lie in the database, wrapped with the master key. */
export function createSigningKeys({ database, wrapping, logger }: SigningKeysOptions) {
  async function newest(tx: SystemTx, tenantId: string): Promise<SigningKey | null> {
    return tx.signingKey.findFirst({ where: { tenantId }, orderBy: [{ createdAt: 'desc' }, { keyId: 'asc' }] });
  }

  async function make(tx: SystemTx, tenantId: string): Promise<void> {
    const [tenant] = await tx.$queryRaw<{ status: string }[]>`SELECT status::text FROM tenants WHERE id = ${tenantId}`;
    // A tenant about to be purged has lost its keys on purpose.
    if (!tenant || tenant.status === 'DELETED') throw new DomainError('NOT_FOUND', 'There is no such tenant.');
    // Two that sign for the first time make one key.
    await tx.$queryRaw`SELECT pg_advisory_xact_lock(hashtext(${`signing key ${tenantId}`}))::text`;
    if (await newest(tx, tenantId)) return;
    const { privateKey } = generateKeyPairSync('ed25519');
    const { x, d } = privateKey.export({ format: 'jwk' }) as { x: string; d: string };
    const keyId = keyIdOf(x);
    await tx.signingKey.createMany({ data: [{ tenantId, keyId, publicKey: x, ...wrapping.wrap(Buffer.from(d, 'base64url'), contextOf(tenantId, keyId)) }] });
    logger.info({ tenantId, keyId }, 'a key for the model packages of a tenant was made');
  }

  const unwrap = (row: SigningKey): Uint8Array =>
    wrapping.unwrap(row, contextOf(row.tenantId, row.keyId), `Signing key ${row.keyId} of tenant ${row.tenantId}`, 'signing_keys');

  return {
    /** Signs with the tenant's newest key, which is made at its first use. @throws DomainError NOT_FOUND */
    async sign(tenantId: string, text: Uint8Array): Promise<KeySignature> {
      const row = await database.system().transaction(async (tx) => {
        const known = await newest(tx, tenantId);
        if (known) return known;
        await make(tx, tenantId);
        return (await newest(tx, tenantId))!;
      });
      const jwk = { kty: 'OKP', crv: 'Ed25519', x: row.publicKey, d: Buffer.from(unwrap(row)).toString('base64url') };
      const key = createPrivateKey({ key: jwk, format: 'jwk' });
      // A public key that was exchanged in the database would not be that of the private one.
      const { x } = createPublicKey(key).export({ format: 'jwk' }) as { x: string };
      if (x !== row.publicKey || keyIdOf(x) !== row.keyId) throw new Error(`Signing key ${row.keyId} of tenant ${tenantId} is not what was stored.`);
      return { keyId: row.keyId, publicKey: row.publicKey, signature: sign(null, text, key).toString('base64url') };
    },

    async destroy(tx: SystemTx, tenantId: string): Promise<void> {
      await tx.signingKey.deleteMany({ where: { tenantId } });
    },

    /** All rows, for the rewrapping. */
    async list(tx: SystemTx): Promise<SigningKey[]> {
      return tx.signingKey.findMany({ orderBy: [{ tenantId: 'asc' }, { keyId: 'asc' }] });
    },

    async rewrap(tx: SystemTx, row: SigningKey): Promise<void> {
      const { tenantId, keyId, masterKeyId } = row;
      await tx.signingKey.updateMany({ where: { tenantId, keyId, masterKeyId }, data: wrapping.wrap(unwrap(row), contextOf(tenantId, keyId)) });
    },
  };
}

/** The name of a public key: the first 16 digits of the SHA-256 over its 32 bytes. */
export function keyIdOf(publicKey: string): string {
  return createHash('sha256').update(Buffer.from(publicKey, 'base64url')).digest('hex').slice(0, 16);
}

const contextOf = (tenantId: string, keyId: string): string => `millrace signing key ${tenantId} ${keyId}`;
