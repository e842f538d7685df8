import { timingSafeEqual } from 'node:crypto';
import { newId } from '@millrace/kernel';
import { hmacOf, parseKey } from './api-key-format.ts';
import { recordAudit } from './audit.ts';
import { type Grounds, platformTenantId } from './grounds.ts';
import type { ApiKeyScope } from './permissions.ts';

export type RegisterKeyOutcome =
  | { type: 'registered'; tenantId: string }
  /** it was registered by an earlier start; revoked or changed since, it stays so */
  | { type: 'known' }
  /** no key of ours, or one with a typo */
  | { type: 'malformed' }
  /** another key begins with the same id */
  | { type: 'taken' }
  | { type: 'no-tenant' };

const scopes: ApiKeyScope[] = ['PREDICT', 'TRAIN', 'READ'];

/** A key that was chosen before the installation was there. */
export function createInitialKey({ database, keyPepper }: Grounds) {
  return {
    /** Registers the text as an API key of the first tenant: for a headless start, never reachable over the network. */
    async registerInitial(text: string): Promise<RegisterKeyOutcome> {
      const parsed = parseKey(text);
      if (!parsed) return { type: 'malformed' };
      const secretHmac = hmacOf(parsed.secret, keyPepper);
      const { tenant, known } = await database.system().transaction(async (tx) => ({
        tenant: await tx.tenant.findFirst({ where: { id: { not: platformTenantId } }, orderBy: { id: 'asc' }, select: { id: true } }),
        known: await tx.apiKey.findUnique({ where: { publicId: parsed.publicId } }),
      }));
      if (known) {
        const matches = [known.secretHmac, known.previousHmac].some((hmac) => hmac !== null && timingSafeEqual(Buffer.from(hmac), Buffer.from(secretHmac)));
        return { type: matches ? 'known' : 'taken' };
      }
      if (!tenant) return { type: 'no-tenant' };
      const tenantId = tenant.id;
      await database.forTenant(tenantId).transaction(async (tx) => {
        const { count } = await tx.apiKey.createMany({
          data: [
            {
              id: newId('apiKey'), tenantId, publicId: parsed.publicId, secretHmac, lastFour: text.slice(-4), alias: 'MILLRACE_INIT_API_KEY', scopes,
              createdBy: 'system',
            },
          ],
          skipDuplicates: true, // of two processes that start at once, one is enough
        });
        if (count) await recordAudit(tx, { type: 'system', tenantId }, { action: 'key.create', details: { alias: 'MILLRACE_INIT_API_KEY', scopes } });
      });
      return { type: 'registered', tenantId };
    },
  };
}
