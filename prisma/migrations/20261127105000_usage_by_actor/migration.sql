-- The hours from before their table was there have never been filled: forced row-level security hid the ledger even from that
-- script. They are added up anew. The changes of the policies lock both tables, so that nobody enters anything meanwhile.
ALTER TABLE usage_records NO FORCE ROW LEVEL SECURITY;
ALTER TABLE usage_hours NO FORCE ROW LEVEL SECURITY;
INSERT INTO usage_hours (tenant_id, hour, kind, actor, endpoint_id, model_version_id, requests, rows, units, gpu_units)
SELECT tenant_id, date_trunc('hour', at, 'UTC'), kind, actor, coalesce(endpoint_id, ''), coalesce(model_version_id, ''), count(*), sum(rows), sum(units), sum(gpu_units)
  FROM usage_records GROUP BY 1, 2, 3, 4, 5, 6
ON CONFLICT (tenant_id, hour, kind, actor, endpoint_id, model_version_id) DO UPDATE SET
  requests = excluded.requests, rows = excluded.rows, units = excluded.units, gpu_units = excluded.gpu_units
  WHERE usage_hours.requests <> excluded.requests;
ALTER TABLE usage_records FORCE ROW LEVEL SECURITY;
ALTER TABLE usage_hours FORCE ROW LEVEL SECURITY;

-- What a key or a person has used is read by the hour, and so is what operators see of a tenant: how much, never what or who.
CREATE INDEX "usage_hours_tenant_id_actor_hour_idx" ON "usage_hours"("tenant_id", "actor", "hour");
CREATE POLICY system_access ON usage_hours FOR SELECT TO millrace_system USING (true);
GRANT SELECT (tenant_id, hour, kind, requests, rows, units, gpu_units) ON usage_hours TO millrace_system;
