-- Whoever looks after an endpoint is told at an address of theirs how its rollouts end, as predictions' webhooks are.
ALTER TABLE "endpoints" ADD COLUMN "webhook_box" BYTEA, ADD COLUMN "webhook_receiver" TEXT;
ALTER TABLE "rollouts" ADD COLUMN "broken_rule" JSONB, ADD COLUMN "ended_by" TEXT;

ALTER TABLE "webhook_deliveries" ALTER COLUMN "prediction_id" DROP NOT NULL, ADD COLUMN "rollout_id" TEXT, ADD COLUMN "url_box" BYTEA;
ALTER TABLE "webhook_deliveries" ADD CONSTRAINT "webhook_deliveries_subject" CHECK (num_nonnulls("prediction_id", "rollout_id") = 1 AND ("rollout_id" IS NULL) = ("url_box" IS NULL));
-- Each event of a rollout once, however many processes look after it.
CREATE UNIQUE INDEX "webhook_deliveries_tenant_id_rollout_id_event_key" ON "webhook_deliveries"("tenant_id", "rollout_id", "event");
ALTER TABLE "webhook_deliveries" ADD CONSTRAINT "webhook_deliveries_tenant_id_rollout_id_fkey" FOREIGN KEY ("tenant_id", "rollout_id") REFERENCES "rollouts"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;
