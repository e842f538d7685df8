import type { SystemTx, TenantTx } from '@millrace/database';

/** The person who made a key, themselves or by a key of theirs; null for one that no member made. */
export async function makerOf(tx: TenantTx | SystemTx, { tenantId, createdBy }: { tenantId: string; createdBy: string }): Promise<string | null> {
  const own = personIn(createdBy);
  if (own !== null || !createdBy.startsWith('key:')) return own;
  const makers = await tx.$queryRaw<{ createdBy: string }[]>`
    WITH RECURSIVE makers AS (
      SELECT created_by FROM api_keys WHERE tenant_id = ${tenantId} AND 'key:' || id = ${createdBy}
      UNION SELECT k.created_by FROM makers m JOIN api_keys k ON k.tenant_id = ${tenantId} AND 'key:' || k.id = m.created_by
    ) SELECT created_by AS "createdBy" FROM makers`;
  return makers.map((maker) => personIn(maker.createdBy)).find((person) => person !== null) ?? null;
}

const personIn = (name: string): string | null => (name.startsWith('person:') ? name.slice('person:'.length) : null);
