-- Whoever asked for a prediction is told of it at an address of theirs: signed, again and again until it is received.
CREATE TYPE "webhook_delivery_status" AS ENUM ('PENDING', 'DELIVERED', 'FAILED');

ALTER TABLE "async_predictions" ADD COLUMN "webhook_receiver" TEXT;

CREATE TABLE "webhook_secrets" (
    "id" TEXT NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "secret_sealed" BYTEA NOT NULL,
    "created_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "ends_at" TIMESTAMPTZ(3),

    CONSTRAINT "webhook_secrets_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "webhook_secrets_tenant_id_id_key" ON "webhook_secrets"("tenant_id", "id");

CREATE TABLE "webhook_deliveries" (
    "id" TEXT NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "prediction_id" TEXT NOT NULL,
    "event" TEXT NOT NULL,
    "receiver" TEXT NOT NULL,
    "status" "webhook_delivery_status" NOT NULL DEFAULT 'PENDING',
    "attempt" INTEGER NOT NULL DEFAULT 0,
    "next_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "lease_token" UUID,
    "lease_until" TIMESTAMPTZ(3),
    "last_status" INTEGER,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "webhook_deliveries_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "webhook_deliveries_tenant_id_id_key" ON "webhook_deliveries"("tenant_id", "id");
-- Each event of a prediction once, whoever enters it again.
CREATE UNIQUE INDEX "webhook_deliveries_tenant_id_prediction_id_event_key" ON "webhook_deliveries"("tenant_id", "prediction_id", "event");
-- Partial, which Prisma cannot express: what is still to be delivered.
CREATE INDEX "webhook_deliveries_open" ON "webhook_deliveries" ("tenant_id", "receiver", "next_at") WHERE "ended_at" IS NULL;

CREATE TABLE "webhook_receivers" (
    "tenant_id" TEXT NOT NULL,
    "receiver" TEXT NOT NULL,
    "failing_since" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "paused_until" TIMESTAMPTZ(3),

    CONSTRAINT "webhook_receivers_pkey" PRIMARY KEY ("tenant_id", "receiver")
);

ALTER TABLE "webhook_secrets" ADD CONSTRAINT "webhook_secrets_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "webhook_deliveries" ADD CONSTRAINT "webhook_deliveries_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "webhook_deliveries" ADD CONSTRAINT "webhook_deliveries_tenant_id_prediction_id_fkey" FOREIGN KEY ("tenant_id", "prediction_id") REFERENCES "async_predictions"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "webhook_receivers" ADD CONSTRAINT "webhook_receivers_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE CASCADE ON UPDATE CASCADE;

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['webhook_secrets', 'webhook_deliveries', 'webhook_receivers'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant_isolation ON %I TO millrace_app USING (tenant_id = (SELECT current_tenant()))', name);
  END LOOP;
END $$;
GRANT SELECT (id, tenant_id, created_by, created_at, ends_at), INSERT, UPDATE (ends_at), DELETE ON webhook_secrets TO millrace_app; -- never the secret
GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_deliveries, webhook_receivers TO millrace_app;

-- Whoever delivers signs, and must find out first for whom there is something to deliver.
CREATE POLICY system_access ON webhook_secrets FOR SELECT TO millrace_system USING (true);
GRANT SELECT (id, tenant_id, secret_sealed, created_at, ends_at) ON webhook_secrets TO millrace_system;
CREATE POLICY queue_access ON webhook_deliveries FOR SELECT TO millrace_system USING (ended_at IS NULL);
GRANT SELECT (tenant_id, receiver, next_at, lease_until, ended_at) ON webhook_deliveries TO millrace_system;
