import { notify, Prisma, type SystemTx } from '@millrace/database';
import { recordAudit } from './audit.ts';
import { type Grounds, platformTenantId } from './grounds.ts';

/**
 * Tables that are emptied by the tenant's own handle, children before what they point to: some of these foreign keys
 * refuse rather than cascade. All others go with the tenant's row.
 */
const tables = [
  'feedback', 'recorded_predictions', 'recordings', 'truth_counts', 'probability_counts', 'metric_sums', 'error_sums', 'async_predictions', 'traffic_counts', 'traffic_shares', 'rollouts', 'endpoints', 'model_aliases', 'model_versions', 'models', 'run_metrics', 'trials', 'runs', 'dataset_versions', 'datasets', 'uploads',
  'reservations', 'quota_counters',
] as const;

/** Rows deleted in one transaction: each must end well within its time limit. */
const batch = 5_000;

export interface PurgeOptions {
  /** removes everything that the tenant has in the artefact store; doing it again does nothing */
  removeArtefacts(tenantId: string): Promise<void>;
}

export interface PurgeReport {
  purged: string[];
  /** a worker still holds a run of theirs */
  held: string[];
  /** a step failed, and is in the log; the next sweep goes on with it */
  failed: string[];
}

/**
 * Removes tenants whose time after deletion is over. Every step can be done again, and until the last one the tenant's row
 * says that there is work left: a process killed between any two of them costs nothing but time.
 */
export function createTenantPurge({ database, logger }: Grounds) {
  /** From here on the tenant cannot be restored. Without its keys, its artefacts are worthless wherever copies may lie. */
  async function begin(tenantId: string): Promise<boolean> {
    return database.system().transaction(async (tx) => {
      const due = await tx.$queryRaw<unknown[]>`
        SELECT 1 FROM tenants WHERE id = ${tenantId} AND status = 'DELETED' AND purge_after <= now() FOR UPDATE`;
      if (!due.length) return false;
      await tx.tenantKey.deleteMany({ where: { tenantId } });
      await tx.signingKey.deleteMany({ where: { tenantId } });
      await notify(tx, 'millrace_access', `${tenantId}:keys`);
      return true;
    });
  }

  async function isHeld(tenantId: string): Promise<boolean> {
    return database.forTenant(tenantId).transaction(async (tx) => {
      const held = await tx.$queryRaw<unknown[]>`SELECT 1 FROM runs WHERE status = 'RUNNING' AND lease_until > clock_timestamp() LIMIT 1`;
      return held.length > 0;
    });
  }

  async function emptyTables(tenantId: string): Promise<void> {
    for (const table of tables) {
      const name = Prisma.raw(table);
      await inBatches(() =>
        database.forTenant(tenantId).transaction(
          (tx) => tx.$executeRaw`DELETE FROM ${name} WHERE ctid = ANY (ARRAY (SELECT ctid FROM ${name} WHERE tenant_id = ${tenantId} LIMIT ${batch}))`,
        ),
      );
    }
  }

  /** The long ones among those that go with the tenant's row. The end of the chain stays: its hash is kept for good. */
  async function emptyTrailAndLedger(tenantId: string): Promise<void> {
    await inBatches(() =>
      database.system().transaction(
        (tx) => tx.$executeRaw`
          DELETE FROM audit_events WHERE tenant_id = ${tenantId} AND id IN (
            SELECT event_id FROM audit_links WHERE tenant_id = ${tenantId}
              AND number < (SELECT max(number) FROM audit_links WHERE tenant_id = ${tenantId}) ORDER BY number LIMIT ${batch})`,
      ),
    );
    await inBatches(() =>
      database.system().transaction(
        (tx) => tx.$executeRaw`
          DELETE FROM usage_records WHERE tenant_id = ${tenantId} AND at <= coalesce(
            (SELECT at FROM usage_records WHERE tenant_id = ${tenantId} ORDER BY at OFFSET ${batch} LIMIT 1), 'infinity')`,
      ),
    );
  }

  /** The tenant itself, and people whom nothing else keeps here. */
  async function finish(tenantId: string): Promise<void> {
    await database.system().transaction(async (tx) => {
      const [end] = await tx.$queryRaw<{ number: number; hash: string }[]>`
        SELECT number, hash FROM audit_links WHERE tenant_id = ${tenantId} ORDER BY number DESC LIMIT 1`;
      const people = await lockPeople(tx, tenantId);
      const gone = await tx.$executeRaw`DELETE FROM tenants WHERE id = ${tenantId}`;
      if (!gone) return; // another process was faster
      const removedPeople = await tx.$executeRaw`
        DELETE FROM people p WHERE p.id = ANY (${people}) AND NOT EXISTS (SELECT 1 FROM memberships m WHERE m.person_id = p.id)`;
      await notify(tx, 'millrace_access', `${tenantId}:*`);
      await recordAudit(tx, { type: 'system', tenantId: platformTenantId }, {
        action: 'tenant.purge',
        subject: tenantId,
        details: { people: removedPeople, auditEvents: end?.number ?? 0, auditHash: end?.hash ?? '' },
      });
    });
  }

  return {
    /** One sweep over all tenants that are due. Never throws for one of them: the others' turn comes all the same. */
    async purgeDue({ removeArtefacts }: PurgeOptions): Promise<PurgeReport> {
      const report: PurgeReport = { purged: [], held: [], failed: [] };
      const due = await database.system().transaction(
        (tx) => tx.$queryRaw<{ id: string }[]>`SELECT id FROM tenants WHERE status = 'DELETED' AND purge_after <= now() ORDER BY purge_after, id`,
      );
      for (const { id } of due) {
        try {
          if (await isHeld(id)) {
            report.held.push(id);
            continue;
          }
          if (!(await begin(id))) continue;
          await removeArtefacts(id);
          await emptyTables(id);
          await emptyTrailAndLedger(id);
          await finish(id);
          report.purged.push(id);
          logger.info({ tenantId: id }, 'a deleted tenant was purged');
        } catch (error) {
          report.failed.push(id);
          logger.error({ tenantId: id, error: String(error) }, 'purging a tenant failed; the next sweep goes on with it');
        }
      }
      return report;
    },
  };
}

async function inBatches(deleteSome: () => Promise<number>): Promise<void> {
  while ((await deleteSome()) >= batch);
}

/**
 * Everybody who was in the tenant. Locked in a statement of its own, so that whoever is just becoming a member elsewhere
 * has either become one before the next statement looks, or waits for the end.
 */
async function lockPeople(tx: SystemTx, tenantId: string): Promise<string[]> {
  const rows = await tx.$queryRaw<{ id: string }[]>`
    SELECT id FROM people WHERE id IN (
      SELECT person_id FROM memberships WHERE tenant_id = ${tenantId}
      UNION SELECT person_id FROM sessions WHERE tenant_id = ${tenantId}
      UNION SELECT person_id FROM sso_identities WHERE tenant_id = ${tenantId})
    ORDER BY id FOR UPDATE`;
  return rows.map(({ id }) => id);
}
