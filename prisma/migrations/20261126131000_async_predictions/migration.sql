-- Predictions that were accepted to be made later: a queue of each tenant's, from which the inference processes claim.
CREATE TYPE "prediction_status" AS ENUM ('STARTING', 'PROCESSING', 'SUCCEEDED', 'FAILED', 'CANCELED');

CREATE TABLE "async_predictions" (
    "id" TEXT NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "actor" TEXT NOT NULL,
    "caller" JSONB NOT NULL,
    "endpoint_name" TEXT NOT NULL,
    "version_number" INTEGER,
    "answered_by" INTEGER,
    "status" "prediction_status" NOT NULL DEFAULT 'STARTING',
    "input_box" BYTEA NOT NULL,
    "input_bytes" INTEGER NOT NULL,
    "result_box" BYTEA,
    "error_code" TEXT,
    "webhook_events" TEXT[] NOT NULL DEFAULT ARRAY[]::TEXT[],
    "attempt" INTEGER NOT NULL DEFAULT 0,
    "run_after" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "lease_token" UUID,
    "lease_until" TIMESTAMPTZ(3),
    "predict_ms" DOUBLE PRECISION,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "started_at" TIMESTAMPTZ(3),
    "completed_at" TIMESTAMPTZ(3),

    CONSTRAINT "async_predictions_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "async_predictions_tenant_id_id_key" ON "async_predictions"("tenant_id", "id");
CREATE INDEX "async_predictions_tenant_id_completed_at_idx" ON "async_predictions"("tenant_id", "completed_at");
-- Partial, which Prisma cannot express: what waits or is in hand, in the order in which a tenant's come.
CREATE INDEX "async_predictions_open" ON "async_predictions" ("tenant_id", "created_at", "id") WHERE "completed_at" IS NULL;
ALTER TABLE "async_predictions" ADD CONSTRAINT "async_predictions_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE async_predictions ENABLE ROW LEVEL SECURITY;
ALTER TABLE async_predictions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON async_predictions TO millrace_app USING (tenant_id = (SELECT current_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON async_predictions TO millrace_app;

-- Whoever makes them must find out first whose turn it is: of each tenant, how many wait and how many are in hand. Nothing of what they are.
CREATE POLICY queue_access ON async_predictions FOR SELECT TO millrace_system USING (true);
GRANT SELECT (tenant_id, status, run_after, lease_until, created_at, completed_at) ON async_predictions TO millrace_system;
