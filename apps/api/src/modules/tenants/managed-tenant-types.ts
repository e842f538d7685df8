import { type Actor, platformTenantId, type TenantSummary } from '@millrace/auth';
import { databaseEnums } from '@millrace/database';
import { isId } from '@millrace/kernel';
import type { TenantUse, UsageLimitView } from '@millrace/quota';
import { idConnection } from '../../id-connection.ts';
import { builder, pageComplexity } from '../../schema-builder.ts';
import type { Services } from '../../services.ts';
import { quotaCounterType, usageSummaryType } from '../quota/quota-types.ts';
import { usageLimitType } from '../quota/usage-limit-types.ts';

const tenantStatusEnum = builder.enumType(databaseEnums.TenantStatus, {
  name: 'TenantStatus',
  description: 'ACTIVE is open. SUSPENDED: nobody of it gets in and nothing of it is served; all is kept. DELETED: likewise, and purged when its time is over.',
});

export interface ManagedTenant extends TenantSummary, TenantUse {
  usageLimits: UsageLimitView[];
}

/** What the quota knows of these tenants this month, beside what is known of them already: one look for the whole page. */
export async function withUse({ quota }: Services, actor: Actor, tenants: TenantSummary[]): Promise<ManagedTenant[]> {
  const now = new Date();
  const from = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth()));
  const to = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1));
  const uses = await quota.plans.summariseTenants(actor, tenants.map(({ id }) => id), from, to);
  const limits = await quota.usageLimits.listForTenants(actor, tenants.map(({ id }) => id));
  return tenants.map((tenant) => ({ ...tenant, ...uses.get(tenant.id)!, usageLimits: limits.get(tenant.id)! }));
}

export async function findManagedTenant(services: Services, actor: Actor, id: string): Promise<ManagedTenant | null> {
  const tenant = await services.auth.tenants.find(actor, id);
  return tenant && (await withUse(services, actor, [tenant]))[0]!;
}

const usedOf = ({ counters }: ManagedTenant, resource: string): bigint => counters.find((counter) => counter.resource === resource)?.used ?? 0n;

export const managedTenantType = builder.objectRef<ManagedTenant>('ManagedTenant').implement({
  description: 'A tenant as operators see it: that it is there, and how much it uses. Nothing of what it has.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'ten_…' }),
    name: t.exposeString('name', { description: 'As the team calls itself.' }),
    slug: t.exposeString('slug', { description: 'The name as it stands in addresses.' }),
    status: t.expose('status', { type: tenantStatusEnum, description: 'Whether it is open.' }),
    reason: t.exposeString('reason', { nullable: true, description: 'Why an operator suspended or deleted it.' }),
    planName: t.exposeString('planName', { nullable: true, description: 'Its plan; null for the default limits.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was set up.' }),
    exportedAt: t.expose('exportedAt', { type: 'DateTime', nullable: true, description: 'When its data was last exported whole.' }),
    deletedAt: t.expose('deletedAt', { type: 'DateTime', nullable: true, description: 'When it was deleted, if it is.' }),
    purgeAfter: t.expose('purgeAfter', { type: 'DateTime', nullable: true, description: 'Until when it can be restored, if it is deleted.' }),
    memberCount: t.exposeInt('memberCount', { description: 'How many people are in it.' }),
    lastActivityAt: t.expose('lastActivityAt', { type: 'DateTime', nullable: true, description: 'When a session or key of it was last used, roughly.' }),
    quota: t.field({ type: [quotaCounterType], description: 'Its limits and what is used of them.', resolve: ({ counters }) => counters }),
    usageLimits: t.field({ type: [usageLimitType], description: 'Limits of what it may predict, its own and its plan’s.', resolve: ({ usageLimits }) => usageLimits }),
    storageBytes: t.field({ type: 'BigInt', description: 'What it has in the artefact store.', resolve: (tenant) => usedOf(tenant, 'STORAGE_BYTES') }),
    activeRuns: t.int({ description: 'Its runs that are queued or running.', resolve: (tenant) => Number(usedOf(tenant, 'ACTIVE_RUNS')) }),
    usageThisMonth: t.field({ type: usageSummaryType, description: 'What it used since the month began, in UTC.', resolve: ({ usage }) => usage }),
  }),
});

builder.queryFields((t) => ({
  tenants: t.connection(
    {
      type: managedTenantType,
      complexity: pageComplexity,
      authScopes: { permission: 'platform:read' },
      description: 'For operators: the tenants, newest first.',
      args: { search: t.arg.string({ description: 'Only those with this in their name or slug, or with this id.' }) },
      resolve: (_root, { search, ...args }, { services, signedIn }) =>
        idConnection(args, ({ id }: ManagedTenant) => id, async (page) =>
          withUse(services, signedIn, await services.auth.tenants.list(signedIn, { ...page, search: search ?? undefined })),
        ),
    },
    { name: 'ManagedTenantConnection' },
    { name: 'ManagedTenantEdge' },
  ),
  tenant: t.field({
    type: managedTenantType,
    nullable: true,
    authScopes: { permission: 'platform:read' },
    description: 'For operators: the tenant with this id; null if there is none.',
    args: { id: t.arg.id({ required: true, description: 'ten_…' }) },
    resolve: (_root, { id }, { services, signedIn }) => (isId('tenant', id) && id !== platformTenantId ? findManagedTenant(services, signedIn, id) : null),
  }),
}));
