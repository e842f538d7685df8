-- Recordings whose time is over are looked for tenant by tenant.
CREATE INDEX "recordings_tenant_id_ends_at_idx" ON "recordings"("tenant_id", "ends_at");
DROP INDEX "recordings_ends_at_idx";

-- And, where an endpoint keeps for fewer days by now, by when they were made.
CREATE INDEX "recordings_tenant_id_endpoint_id_created_at_idx" ON "recordings"("tenant_id", "endpoint_id", "created_at");
DROP INDEX "recordings_tenant_id_endpoint_id_idx";

-- The counts of a version that is deleted.
CREATE INDEX "traffic_counts_tenant_id_version_id_idx" ON "traffic_counts"("tenant_id", "version_id");

-- Who sent the latest truths.
CREATE INDEX "feedback_tenant_id_given_at_idx" ON "feedback"("tenant_id", "given_at");
