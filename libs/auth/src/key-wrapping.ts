import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { MasterKeys } from './master-key.ts';

/** A key of a tenant as it lies in the database. */
export interface WrappedKey {
  wrapped: string;
  masterKeyId: string;
}

export type KeyWrapping = ReturnType<typeof createKeyWrapping>;

const nonceBytes = 12;
const tagBytes = 16;

/** Seals tenants' keys with the installation's master key: nonce, key and tag as base64url, bound to what `context` says they are. */
export function createKeyWrapping(masterKeys: MasterKeys) {
  const masterKeyById = new Map([masterKeys.current, ...masterKeys.retired].map(({ id, key }) => [id, key]));

  return {
    currentId: masterKeys.current.id,
    isKnown: (masterKeyId: string): boolean => masterKeyById.has(masterKeyId),

    wrap(key: Uint8Array, context: string): WrappedKey {
      const nonce = randomBytes(nonceBytes);
      const sealing = createCipheriv('aes-256-gcm', masterKeys.current.key, nonce, { authTagLength: tagBytes }).setAAD(Buffer.from(context));
      const wrapped = Buffer.concat([nonce, sealing.update(key), sealing.final(), sealing.getAuthTag()]).toString('base64url');
      return { wrapped, masterKeyId: masterKeys.current.id };
    },

    /** @param whose for the messages: `Key 1 of tenant …` */
    unwrap({ wrapped, masterKeyId }: WrappedKey, context: string, whose: string, table: string): Uint8Array {
      const masterKey = masterKeyById.get(masterKeyId);
      if (!masterKey) {
        throw new Error(`${whose} is wrapped with master key ${masterKeyId}, which is not here (here: ${[...masterKeyById.keys()].join(', ')}). Give it as the master key, or as a retired one.`);
      }
      const bytes = Buffer.from(wrapped, 'base64url');
      const end = bytes.length - tagBytes;
      try {
        const opening = createDecipheriv('aes-256-gcm', masterKey, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes })
          .setAAD(Buffer.from(context))
          .setAuthTag(bytes.subarray(end));
        return new Uint8Array(Buffer.concat([opening.update(bytes.subarray(nonceBytes, end)), opening.final()]));
      } catch (cause) {
        throw new Error(`${whose} is not what was stored. Restore the table ${table} from a backup.`, { cause });
      }
    },
  };
}
