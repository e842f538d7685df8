-- The ledger by the hour: each batch that enters the ledger adds what of it was new, in the same statement.
CREATE TABLE "usage_hours" (
    "tenant_id" TEXT NOT NULL,
    "hour" TIMESTAMPTZ(3) NOT NULL,
    "kind" "usage_kind" NOT NULL,
    "actor" TEXT NOT NULL,
    "endpoint_id" TEXT NOT NULL DEFAULT '',
    "model_version_id" TEXT NOT NULL DEFAULT '',
    "requests" BIGINT NOT NULL,
    "rows" BIGINT NOT NULL,
    "units" DOUBLE PRECISION NOT NULL,
    "gpu_units" DOUBLE PRECISION NOT NULL DEFAULT 0,

    CONSTRAINT "usage_hours_pkey" PRIMARY KEY ("tenant_id", "hour", "kind", "actor", "endpoint_id", "model_version_id")
);
ALTER TABLE "usage_hours" ADD CONSTRAINT "usage_hours_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE usage_hours ENABLE ROW LEVEL SECURITY;
ALTER TABLE usage_hours FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON usage_hours TO millrace_app USING (tenant_id = (SELECT current_tenant()));
GRANT SELECT, INSERT, UPDATE ON usage_hours TO millrace_app;

INSERT INTO usage_hours (tenant_id, hour, kind, actor, endpoint_id, model_version_id, requests, rows, units, gpu_units)
SELECT tenant_id, date_trunc('hour', at, 'UTC'), kind, actor, coalesce(endpoint_id, ''), coalesce(model_version_id, ''), count(*), sum(rows), sum(units), sum(gpu_units)
FROM usage_records GROUP BY 1, 2, 3, 4, 5, 6;
