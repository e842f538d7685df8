import type { Database } from '@millrace/database';
import type { ResealReport, SealedStore } from '@millrace/storage';

export interface ResealTenantsOptions {
  database: Database;
  storage: SealedStore;
  /** id or short name; all of them if left out */
  tenant?: string;
  sealPlain: boolean;
  /** @param share 0 to 1 */
  onProgress?: (share: number, tenant: string) => void;
}

/** Seals the artefacts of the tenants with their current keys. What lies there of tenants that are gone is left alone. */
export async function resealTenants({ database, storage, tenant, sealPlain, onProgress }: ResealTenantsOptions): Promise<ResealReport> {
  const report: ResealReport = { current: 0, resealed: 0, sealed: 0, plain: 0, destroyed: 0, damaged: [] };
  const tenants = tenant === undefined ? await allTenants(database) : [await findTenant(database, tenant)];
  const sizes = new Map<string, number>();
  for (const { id } of tenants) sizes.set(id, (await storage.list(`tenants/${id}`)).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  let before = 0;
  for (const { id, slug } of tenants) {
    const size = sizes.get(id)!;
    const one = await storage.reseal(`tenants/${id}`, {
      sealPlain,
      onProgress: ({ doneBytes, totalBytes }) => onProgress?.((before + (doneBytes / totalBytes) * size) / total, slug),
    });
    before += size;
    for (const count of ['current', 'resealed', 'sealed', 'plain', 'destroyed'] as const) report[count] += one[count];
    report.damaged.push(...one.damaged);
  }
  return report;
}

interface TenantName {
  id: string;
  slug: string;
}

/** @throws Error when there is none */
export async function findTenant(database: Database, idOrSlug: string): Promise<TenantName> {
  const found = await database
    .system()
    .transaction((tx) => tx.tenant.findFirst({ where: { OR: [{ id: idOrSlug }, { slug: idOrSlug }] }, select: { id: true, slug: true } }));
  if (!found) throw new Error(`there is no tenant "${idOrSlug}". Give its id (ten_…) or its short name.`);
  return found;
}

/** But those about to be purged whose keys are destroyed already: they get no new ones. */
async function allTenants(database: Database): Promise<TenantName[]> {
  return database.system().transaction((tx) =>
    tx.tenant.findMany({
      where: { OR: [{ status: { not: 'DELETED' } }, { keys: { some: {} } }] },
      select: { id: true, slug: true },
      orderBy: { id: 'asc' },
    }),
  );
}
