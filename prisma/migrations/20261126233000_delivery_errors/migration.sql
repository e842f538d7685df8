-- Why the last try of a delivery got no answer, in the words of this side.
ALTER TABLE "webhook_deliveries" ADD COLUMN "last_error" TEXT;
-- What a person looks for: the latest of a tenant, of one prediction, of one state.
CREATE INDEX "async_predictions_tenant_id_status_id_idx" ON "async_predictions"("tenant_id", "status", "id");
