-- Recordings whose time is over are looked for tenant by tenant.
CREATE INDEX "recordings_tenant_id_ends_at_idx" ON "recordings"("tenant_id", "ends_at");
DROP INDEX "recordings_ends_at_idx";
