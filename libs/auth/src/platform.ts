import { listenerName } from '@millrace/database';
import { type Actor, requirePermission } from './actor.ts';
import { type Grounds, platformTenantId } from './grounds.ts';

/** What the database tells of the installation as a whole. */
export interface DatabaseHealth {
  postgresVersion: string;
  sizeBytes: bigint;
  migrations: {
    applied: number;
    /** name of the latest */
    latest: string | null;
    /** names of those that began and did not end */
    unfinished: string[];
  };
  tenants: { active: number; suspended: number; deleted: number };
  queue: {
    queued: number;
    running: number;
    /** of the run that has waited longest although it might be claimed; null when none waits */
    oldestWaitSeconds: number | null;
    /** worker processes connected at this moment, idle ones too */
    workers: number;
  };
}

/** What operators see of the installation. */
export function createPlatform({ database }: Grounds) {
  return {
    /** @throws DomainError UNAVAILABLE when the database does not answer */
    async inspectDatabase(actor: Actor): Promise<DatabaseHealth> {
      requirePermission(actor, 'platform:read');
      return database.system().transaction(async (tx) => {
        const [server] = await tx.$queryRaw<{ version: string; size: bigint; workers: number }[]>`
          SELECT current_setting('server_version') AS version, pg_database_size(current_database()) AS size,
            (SELECT count(*)::int FROM pg_stat_activity
              WHERE datname = current_database() AND usename = 'millrace_worker' AND application_name = ${listenerName}) AS workers`;
        const migrations = await tx.$queryRaw<{ name: string; finished: boolean }[]>`
          SELECT migration_name AS name, finished_at IS NOT NULL AS finished FROM _prisma_migrations WHERE rolled_back_at IS NULL ORDER BY migration_name`;
        const [queue] = await tx.$queryRaw<{ queued: number; running: number; oldestWait: number | null }[]>`
          SELECT count(*) FILTER (WHERE r.status = 'QUEUED')::int AS queued, count(*) FILTER (WHERE r.status = 'RUNNING')::int AS running,
            extract(epoch FROM clock_timestamp() - min(r.run_after)
              FILTER (WHERE r.status = 'QUEUED' AND r.run_after <= clock_timestamp() AND t.status = 'ACTIVE'))::float8 AS "oldestWait"
          FROM runs r JOIN tenants t ON t.id = r.tenant_id WHERE r.status IN ('QUEUED', 'RUNNING')`;
        const byStatus = await tx.tenant.groupBy({ by: ['status'], where: { id: { not: platformTenantId } }, _count: true });
        const countOf = (status: string): number => byStatus.find((row) => row.status === status)?._count ?? 0;
        const finished = migrations.filter((migration) => migration.finished);
        return {
          postgresVersion: server!.version,
          sizeBytes: server!.size,
          migrations: {
            applied: finished.length,
            latest: finished.at(-1)?.name ?? null,
            unfinished: migrations.filter((migration) => !migration.finished).map(({ name }) => name),
          },
          tenants: { active: countOf('ACTIVE'), suspended: countOf('SUSPENDED'), deleted: countOf('DELETED') },
          queue: { queued: queue!.queued, running: queue!.running, oldestWaitSeconds: queue!.oldestWait, workers: server!.workers },
        };
      });
    },
  };
}
