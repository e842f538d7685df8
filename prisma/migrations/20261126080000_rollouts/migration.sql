-- Several versions behind one endpoint: how its requests are divided, how each version fares, and the rollouts that shift
-- them step by step.
CREATE TYPE "traffic_variant" AS ENUM ('STABLE', 'CANARY', 'SHADOW');
CREATE TYPE "rollout_status" AS ENUM ('RUNNING', 'SUCCEEDED', 'ROLLED_BACK', 'CANCELLED');

CREATE TABLE "traffic_shares" (
    "tenant_id" TEXT NOT NULL,
    "endpoint_id" TEXT NOT NULL,
    "version_id" TEXT NOT NULL,
    "percent" INTEGER NOT NULL,
    "mirror_percent" INTEGER NOT NULL,

    CONSTRAINT "traffic_shares_pkey" PRIMARY KEY ("tenant_id", "endpoint_id", "version_id"),
    CONSTRAINT "traffic_shares_percents" CHECK (percent BETWEEN 0 AND 100 AND mirror_percent BETWEEN 0 AND 100 AND percent + mirror_percent > 0)
);
CREATE INDEX "traffic_shares_tenant_id_version_id_idx" ON "traffic_shares"("tenant_id", "version_id");
ALTER TABLE "traffic_shares" ADD CONSTRAINT "traffic_shares_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "traffic_shares" ADD CONSTRAINT "traffic_shares_tenant_id_endpoint_id_fkey" FOREIGN KEY ("tenant_id", "endpoint_id") REFERENCES "endpoints"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "traffic_shares" ADD CONSTRAINT "traffic_shares_tenant_id_version_id_fkey" FOREIGN KEY ("tenant_id", "version_id") REFERENCES "model_versions"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

CREATE TABLE "traffic_counts" (
    "tenant_id" TEXT NOT NULL,
    "endpoint_id" TEXT NOT NULL,
    "version_id" TEXT NOT NULL,
    "variant" "traffic_variant" NOT NULL,
    "slot" TIMESTAMPTZ(3) NOT NULL,
    "requests" INTEGER NOT NULL,
    "errors" INTEGER NOT NULL,
    "refused" INTEGER NOT NULL,
    "differing" INTEGER NOT NULL,
    "latency_counts" INTEGER[] NOT NULL,

    CONSTRAINT "traffic_counts_pkey" PRIMARY KEY ("tenant_id", "endpoint_id", "version_id", "variant", "slot")
);
CREATE INDEX "traffic_counts_tenant_id_slot_idx" ON "traffic_counts"("tenant_id", "slot");
ALTER TABLE "traffic_counts" ADD CONSTRAINT "traffic_counts_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "traffic_counts" ADD CONSTRAINT "traffic_counts_tenant_id_endpoint_id_fkey" FOREIGN KEY ("tenant_id", "endpoint_id") REFERENCES "endpoints"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "traffic_counts" ADD CONSTRAINT "traffic_counts_tenant_id_version_id_fkey" FOREIGN KEY ("tenant_id", "version_id") REFERENCES "model_versions"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

CREATE TABLE "rollouts" (
    "id" TEXT NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "endpoint_id" TEXT NOT NULL,
    "version_id" TEXT NOT NULL,
    "previous_version_id" TEXT NOT NULL,
    "status" "rollout_status" NOT NULL DEFAULT 'RUNNING',
    "steps" INTEGER[] NOT NULL,
    "step" INTEGER NOT NULL DEFAULT 0,
    "step_started_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "bake_seconds" INTEGER NOT NULL,
    "min_requests" INTEGER NOT NULL,
    "rollback_on" JSONB NOT NULL,
    "reason" TEXT,
    "created_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "rollouts_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "rollouts_tenant_id_id_key" ON "rollouts"("tenant_id", "id");
CREATE INDEX "rollouts_tenant_id_endpoint_id_idx" ON "rollouts"("tenant_id", "endpoint_id");
CREATE INDEX "rollouts_tenant_id_version_id_idx" ON "rollouts"("tenant_id", "version_id");
CREATE INDEX "rollouts_tenant_id_previous_version_id_idx" ON "rollouts"("tenant_id", "previous_version_id");
-- One at a time moves an endpoint's traffic.
CREATE UNIQUE INDEX "rollouts_one_running" ON "rollouts"("tenant_id", "endpoint_id") WHERE status = 'RUNNING';
ALTER TABLE "rollouts" ADD CONSTRAINT "rollouts_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "rollouts" ADD CONSTRAINT "rollouts_tenant_id_endpoint_id_fkey" FOREIGN KEY ("tenant_id", "endpoint_id") REFERENCES "endpoints"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "rollouts" ADD CONSTRAINT "rollouts_tenant_id_version_id_fkey" FOREIGN KEY ("tenant_id", "version_id") REFERENCES "model_versions"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "rollouts" ADD CONSTRAINT "rollouts_tenant_id_previous_version_id_fkey" FOREIGN KEY ("tenant_id", "previous_version_id") REFERENCES "model_versions"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['traffic_shares', 'traffic_counts', 'rollouts'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant_isolation ON %I TO millrace_app USING (tenant_id = (SELECT current_tenant()))', name);
  END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE, DELETE ON traffic_shares, traffic_counts, rollouts TO millrace_app;

-- Whoever moves the rollouts on must find them first: whose they are, and that they run.
CREATE POLICY rollout_running ON rollouts FOR SELECT TO millrace_system USING (status = 'RUNNING');
GRANT SELECT (id, tenant_id, status) ON rollouts TO millrace_system;
