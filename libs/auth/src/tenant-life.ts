import { notify, type SystemTx, type Tenant } from '@millrace/database';
import { newId, type Problem } from '@millrace/kernel';
import { type Actor, actorName, requirePermission } from './actor.ts';
import { type AuditEntry, recordAudit } from './audit.ts';
import { emailProblem, type Grounds, isEmail, isPlainText, normalEmail, platformTenantId, textProblem } from './grounds.ts';
import { newInvitation } from './invitations.ts';
import { idsOf, type Page } from './page.ts';
import { slugOf } from './tenants.ts';

export interface DeleteTenantInput {
  /** the tenant's slug, typed by whoever deletes it */
  confirm: string;
  /** the data is not wanted any more */
  withoutExport: boolean;
}

export type RenameOutcome = { type: 'renamed' } | { type: 'invalid'; problems: Problem[] };

export type DeleteOutcome =
  | { type: 'deleted'; purgeAfter: Date }
  | { type: 'invalid'; problems: Problem[] }
  /** the last whole export, if there was one, is too old to hold what was made since */
  | { type: 'export-missing'; exportedAt: Date | null };

export interface CreateManagedTenantInput {
  name: string;
  ownerEmail: string;
}

export type CreateManagedTenantOutcome =
  | {
      type: 'created';
      tenant: TenantSummary;
      /** of the owner's invitation; in this answer and nowhere else */
      token: string;
    }
  | { type: 'invalid'; problems: Problem[] };

/** `wrong-state`: not in the state that this begins from; `purging`: its time is over, and its data is going or gone */
export type ChangeStateOutcome =
  | { type: 'changed'; tenant: TenantSummary }
  | { type: 'not-found' }
  | { type: 'invalid'; problems: Problem[] }
  | { type: 'wrong-state'; status: Tenant['status'] }
  | { type: 'purging' };

/** What an operator sees of a tenant: that it is there and alive, nothing of what it has. */
export interface TenantSummary extends Tenant {
  memberCount: number;
  /** the last use of a session or key, to the minute; null before the first */
  lastActivityAt: Date | null;
}

type Change = { type: 'changed'; reason?: string } | { type: 'unchanged' } | { type: 'wrong-state'; status: Tenant['status'] } | { type: 'purging' };

/** An export holds what the tenant has for so long. */
export const exportCountsForHours = 24;
const ownerLinkLifeDays = 7;

/** A tenant from its making to its deletion: by its owner, and by operators. The purge is in `tenant-purge.ts`. */
export function createTenantLife({ database, inSeconds, purgeDays }: Grounds) {
  /** Locks the tenant's row and changes its state; everybody of it is looked up anew within a second, in every process. */
  async function changeState(
    actor: Actor,
    tenantId: string,
    action: string,
    change: (tx: SystemTx, tenant: Tenant) => Promise<Change>,
  ): Promise<ChangeStateOutcome> {
    requirePermission(actor, 'platform:write');
    if (tenantId === platformTenantId) return { type: 'not-found' };
    return database.system().transaction(async (tx): Promise<ChangeStateOutcome> => {
      await tx.$queryRaw`SELECT 1 FROM tenants WHERE id = ${tenantId} FOR UPDATE`;
      const tenant = await tx.tenant.findUnique({ where: { id: tenantId } });
      if (!tenant) return { type: 'not-found' };
      const done = await change(tx, tenant);
      if (done.type === 'wrong-state' || done.type === 'purging') return done;
      if (done.type === 'changed') {
        await notify(tx, 'millrace_access', `${tenantId}:*`);
        await recordAudit(tx, actor, { tenantId, action, subject: tenantId, ...(done.reason ? { details: { reason: done.reason } } : {}) });
      }
      const [summary] = await summarise(tx, [await tx.tenant.findUniqueOrThrow({ where: { id: tenantId } })]);
      return { type: 'changed', tenant: summary! };
    });
  }

  return {
    async rename(actor: Actor, name: string): Promise<RenameOutcome> {
      requirePermission(actor, 'tenant:write');
      if (!isPlainText(name)) return { type: 'invalid', problems: [textProblem('name', 'The tenant’s name')] };
      const { tenantId: id } = actor;
      await database.system().transaction(async (tx) => {
        await tx.tenant.update({ where: { id }, data: { name: name.trim() } });
        await recordAudit(tx, actor, { action: 'tenant.rename', subject: id, details: { name: name.trim() } });
      });
      return { type: 'renamed' };
    },

    /**
     * Closes the actor's own tenant at once and purges it when its time is over; until then an operator can restore it.
     * Needs an export of the last day, or the word that none is wanted.
     */
    async delete(actor: Actor, { confirm, withoutExport }: DeleteTenantInput): Promise<DeleteOutcome> {
      requirePermission(actor, 'tenant:write');
      const { tenantId: id } = actor;
      return database.system().transaction(async (tx): Promise<DeleteOutcome> => {
        await tx.$queryRaw`SELECT 1 FROM tenants WHERE id = ${id} FOR UPDATE`;
        const { slug, exportedAt } = await tx.tenant.findUniqueOrThrow({ where: { id } });
        if (confirm !== slug) {
          const problem = { code: 'confirmation_unfit', field: 'confirm', message: 'This is not the name by which your tenant stands in addresses.', remedy: `Type ${slug} to confirm.` };
          return { type: 'invalid', problems: [problem] };
        }
        const [fresh] = await tx.$queryRaw<{ fresh: boolean }[]>`
          SELECT coalesce(exported_at > clock_timestamp() - make_interval(hours => ${exportCountsForHours}::int), false) AS fresh FROM tenants WHERE id = ${id}`;
        if (!withoutExport && !fresh!.fresh) return { type: 'export-missing', exportedAt };
        const purgeAfter = await markDeleted(tx, id, purgeDays, null);
        await notify(tx, 'millrace_access', `${id}:*`);
        await recordAudit(tx, actor, { action: 'tenant.delete', subject: id, details: { purgeAfter: purgeAfter.toISOString(), withoutExport } });
        return { type: 'deleted', purgeAfter };
      });
    },

    /**
     * For operators: a tenant, and the link by which its owner comes in.
     * @param settle what else belongs to the making of it, in the same transaction, and what the trail tells of it: if it
     * throws, there is no tenant
     */
    async create(
      actor: Actor,
      input: CreateManagedTenantInput,
      settle: (tx: SystemTx, tenantId: string) => Promise<NonNullable<AuditEntry['details']>> = async () => ({}),
    ): Promise<CreateManagedTenantOutcome> {
      requirePermission(actor, 'platform:write');
      const email = normalEmail(input.ownerEmail);
      const problems = [
        ...(isPlainText(input.name) ? [] : [textProblem('name', 'The tenant’s name')]),
        ...(isEmail(email) ? [] : [{ ...emailProblem(), field: 'ownerEmail' }]),
      ];
      if (problems.length) return { type: 'invalid', problems };
      return database.system().transaction(async (tx): Promise<CreateManagedTenantOutcome> => {
        const id = newId('tenant');
        await tx.tenant.createMany({ data: [{ id, slug: slugOf(input.name, id), name: input.name.trim() }] });
        const { data, token } = newInvitation({ tenantId: id, email, role: 'OWNER', createdBy: actorName(actor), expiresAt: inSeconds(ownerLinkLifeDays * 86_400) });
        await tx.invitation.createMany({ data: [data] });
        const settled = await settle(tx, id);
        await recordAudit(tx, actor, { tenantId: id, action: 'tenant.create', subject: id, details: { ownerEmail: email, invitationId: data.id, ...settled } });
        const [tenant] = await summarise(tx, [await tx.tenant.findUniqueOrThrow({ where: { id } })]);
        return { type: 'created', tenant: tenant!, token };
      });
    },

    /**
     * For operators: nobody of the tenant gets in and nothing of it is served, within a second. Its queued runs wait, its
     * running ones go back to the queue with their checkpoint: the machine is free at once, and no work is lost if the
     * tenant is resumed. Suspending twice is no error.
     */
    async suspend(actor: Actor, tenantId: string, reason: string): Promise<ChangeStateOutcome> {
      requirePermission(actor, 'platform:write');
      if (!isPlainText(reason)) return { type: 'invalid', problems: [textProblem('reason', 'The reason')] };
      return changeState(actor, tenantId, 'tenant.suspend', async (tx, { status }) => {
        if (status === 'DELETED') return { type: 'wrong-state', status };
        await tx.tenant.update({ where: { id: tenantId }, data: { status: 'SUSPENDED', reason: reason.trim() } });
        return { type: 'changed', reason: reason.trim() };
      });
    },

    /** For operators: opens a suspended tenant again. Resuming one that is open is no error. */
    async resume(actor: Actor, tenantId: string): Promise<ChangeStateOutcome> {
      return changeState(actor, tenantId, 'tenant.resume', async (tx, { status }) => {
        if (status === 'ACTIVE') return { type: 'unchanged' };
        if (status === 'DELETED') return { type: 'wrong-state', status };
        await tx.tenant.update({ where: { id: tenantId }, data: { status: 'ACTIVE', reason: null } });
        await notify(tx, 'millrace_queue');
        return { type: 'changed' };
      });
    },

    /** For operators: closes a tenant as its owner's `delete` does. Doing it twice is no error and moves no time. */
    async scheduleDeletion(actor: Actor, tenantId: string, reason: string): Promise<ChangeStateOutcome> {
      requirePermission(actor, 'platform:write');
      if (!isPlainText(reason)) return { type: 'invalid', problems: [textProblem('reason', 'The reason')] };
      return changeState(actor, tenantId, 'tenant.schedule_deletion', async (tx, { status }) => {
        if (status === 'DELETED') return { type: 'unchanged' };
        await markDeleted(tx, tenantId, purgeDays, reason.trim());
        return { type: 'changed', reason: reason.trim() };
      });
    },

    /** For operators: opens a deleted tenant again, as long as its time is not over. */
    async restore(actor: Actor, tenantId: string): Promise<ChangeStateOutcome> {
      return changeState(actor, tenantId, 'tenant.restore', async (tx, { status }) => {
        if (status !== 'DELETED') return { type: 'wrong-state', status };
        // The purge begins under the same lock and by the same clock: either it has begun, or it will not.
        const restored = await tx.$executeRaw`
          UPDATE tenants SET status = 'ACTIVE', reason = NULL, deleted_at = NULL, purge_after = NULL
          WHERE id = ${tenantId} AND purge_after > clock_timestamp()`;
        if (!restored) return { type: 'purging' };
        await notify(tx, 'millrace_queue');
        return { type: 'changed' };
      });
    },

    /** For operators: the tenants, newest first. `search` finds parts of names and slugs, and whole ids. */
    async list(actor: Actor, page: Page & { search?: string | undefined }): Promise<TenantSummary[]> {
      requirePermission(actor, 'platform:read');
      const search = page.search?.trim();
      const part = search?.replace(/[\\%_]/g, '\\$&'); // of a LIKE pattern
      return database.system().transaction(async (tx) => {
        const rows = await tx.tenant.findMany({
          where: {
            AND: [
              { id: { not: platformTenantId } },
              { id: idsOf(page) },
              ...(search && part ? [{ OR: [{ id: search }, ...['name', 'slug'].map((field) => ({ [field]: { contains: part, mode: 'insensitive' as const } }))] }] : []),
            ],
          },
          orderBy: { id: page.oldestFirst ? 'asc' : 'desc' },
          take: page.limit,
        });
        return summarise(tx, rows);
      });
    },

    /** For operators; null when there is none. */
    async find(actor: Actor, tenantId: string): Promise<TenantSummary | null> {
      requirePermission(actor, 'platform:read');
      if (tenantId === platformTenantId) return null;
      return database.system().transaction(async (tx) => {
        const tenant = await tx.tenant.findUnique({ where: { id: tenantId } });
        return tenant && (await summarise(tx, [tenant]))[0]!;
      });
    },
  };
}

async function markDeleted(tx: SystemTx, tenantId: string, purgeDays: number, reason: string | null): Promise<Date> {
  const [row] = await tx.$queryRaw<{ purgeAfter: Date }[]>`
    UPDATE tenants SET status = 'DELETED', deleted_at = clock_timestamp(), reason = ${reason},
      purge_after = clock_timestamp() + make_interval(secs => ${purgeDays * 86_400}::float8)
    WHERE id = ${tenantId} RETURNING purge_after AS "purgeAfter"`;
  return row!.purgeAfter;
}

async function summarise(tx: SystemTx, tenants: Tenant[]): Promise<TenantSummary[]> {
  const ids = tenants.map(({ id }) => id);
  const rows = await tx.$queryRaw<{ id: string; members: number; activity: Date | null }[]>`
    SELECT t.id, (SELECT count(*)::int FROM memberships m WHERE m.tenant_id = t.id) AS members,
      greatest((SELECT max(s.last_used_at) FROM sessions s WHERE s.tenant_id = t.id AND s.method <> 'GRANT'),
        (SELECT max(k.last_used_at) FROM api_keys k WHERE k.tenant_id = t.id)) AS activity
    FROM tenants t WHERE t.id = ANY (${ids})`;
  const of = new Map(rows.map((row) => [row.id, row]));
  return tenants.map((tenant) => ({ ...tenant, memberCount: of.get(tenant.id)?.members ?? 0, lastActivityAt: of.get(tenant.id)?.activity ?? null }));
}
