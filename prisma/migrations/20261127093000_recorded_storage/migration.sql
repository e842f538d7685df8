-- Recorded answers count as their tenant's storage; since when an endpoint keeps none for want of it.
ALTER TABLE "endpoints" ADD COLUMN "recording_stopped_at" TIMESTAMPTZ(3);

-- What is there already, past the policies that forced row-level security holds even this script to.
ALTER TABLE recordings NO FORCE ROW LEVEL SECURITY;
ALTER TABLE quota_counters NO FORCE ROW LEVEL SECURITY;
INSERT INTO quota_counters (tenant_id, resource, limit_value, used)
SELECT tenant_id, 'STORAGE_BYTES', 21474836480, sum(bytes) FROM recordings GROUP BY tenant_id
ON CONFLICT (tenant_id, resource) DO UPDATE SET used = quota_counters.used + excluded.used;
ALTER TABLE recordings FORCE ROW LEVEL SECURITY;
ALTER TABLE quota_counters FORCE ROW LEVEL SECURITY;
