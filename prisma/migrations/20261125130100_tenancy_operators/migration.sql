-- What operators and the purge of deleted tenants need, and no more of it than they need.

-- 1. An address has one open invitation a tenant: inviting again replaces it.
CREATE UNIQUE INDEX invitations_open ON invitations (tenant_id, email) WHERE accepted_at IS NULL AND revoked_at IS NULL;

-- 2. The purge. Whatever the code does, a tenant goes only when it was deleted and its time is over; the audit trail and
--    the ledger, otherwise append-only, only with it.
CREATE POLICY purge_only ON tenants AS RESTRICTIVE FOR DELETE TO millrace_system
  USING (status = 'DELETED' AND purge_after <= now());

GRANT DELETE ON usage_records, audit_events TO millrace_system;
GRANT SELECT (tenant_id, id) ON audit_events TO millrace_system; -- a deletion must find its rows
CREATE POLICY purge_only ON usage_records AS RESTRICTIVE FOR DELETE TO millrace_system
  USING (tenant_id IN (SELECT id FROM tenants WHERE status = 'DELETED' AND purge_after <= now()));
CREATE POLICY purge_sees ON audit_events FOR SELECT TO millrace_system
  USING (tenant_id IN (SELECT id FROM tenants WHERE status = 'DELETED' AND purge_after <= now()));
CREATE POLICY purge_only ON audit_events FOR DELETE TO millrace_system
  USING (tenant_id IN (SELECT id FROM tenants WHERE status = 'DELETED' AND purge_after <= now()));

-- 3. A plan sets the limits of its tenants. What they use stays theirs to count.
GRANT INSERT (tenant_id, resource, limit_value), UPDATE (limit_value) ON quota_counters TO millrace_system;

-- 4. The platform's health: how many runs wait and since when, not what they are.
CREATE POLICY health_sees ON runs FOR SELECT TO millrace_system USING (status IN ('QUEUED', 'RUNNING'));
GRANT SELECT (tenant_id, status, run_after) ON runs TO millrace_system;
DO $$
BEGIN
  -- Absent where Prisma replays the migrations to compare them with its schema.
  IF to_regclass('_prisma_migrations') IS NOT NULL THEN
    GRANT SELECT (migration_name, finished_at, rolled_back_at) ON _prisma_migrations TO millrace_system;
  END IF;
END $$;
