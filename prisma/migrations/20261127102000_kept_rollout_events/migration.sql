-- An event of a rollout is kept whole until it is delivered, though its versions, and the rollout with them, are deleted meanwhile.
ALTER TABLE "webhook_deliveries" DROP CONSTRAINT "webhook_deliveries_tenant_id_rollout_id_fkey", DROP CONSTRAINT "webhook_deliveries_subject";
ALTER TABLE "webhook_deliveries" ADD COLUMN "endpoint_id" TEXT, ADD COLUMN "body" TEXT;

-- Of what waits already, past the policies that forced row-level security holds even this script to.
DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['webhook_deliveries', 'rollouts', 'endpoints', 'models', 'model_versions'] LOOP
    EXECUTE format('ALTER TABLE %I NO FORCE ROW LEVEL SECURITY', name);
  END LOOP;
  UPDATE webhook_deliveries d SET endpoint_id = r.endpoint_id, body = json_build_object(
    'type', d.event, 'timestamp', to_char(r.ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'data', json_build_object(
      'rollout', r.id, 'endpoint', e.name, 'model', m.name, 'version', v.number, 'previous_version', p.number, 'percent', coalesce(r.steps[r.step + 1], 0), 'reason', r.reason,
      'rule', CASE WHEN r.broken_rule IS NOT NULL THEN json_build_object('metric', r.broken_rule -> 'metric', 'op', r.broken_rule -> 'op', 'threshold', r.broken_rule -> 'threshold') END,
      'measured', r.broken_rule -> 'value', 'over', r.broken_rule -> 'over', 'by', coalesce(r.ended_by, 'system')))::text
  FROM rollouts r
  JOIN endpoints e ON e.tenant_id = r.tenant_id AND e.id = r.endpoint_id
  JOIN models m ON m.tenant_id = e.tenant_id AND m.id = e.model_id
  JOIN model_versions v ON v.tenant_id = r.tenant_id AND v.id = r.version_id
  JOIN model_versions p ON p.tenant_id = r.tenant_id AND p.id = r.previous_version_id
  WHERE r.tenant_id = d.tenant_id AND r.id = d.rollout_id;
  FOREACH name IN ARRAY ARRAY['webhook_deliveries', 'rollouts', 'endpoints', 'models', 'model_versions'] LOOP
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
  END LOOP;
END $$;

ALTER TABLE "webhook_deliveries" ADD CONSTRAINT "webhook_deliveries_subject" CHECK (num_nonnulls("prediction_id", "rollout_id") = 1 AND num_nonnulls("rollout_id", "endpoint_id", "url_box", "body") IN (0, 4));
CREATE INDEX "webhook_deliveries_tenant_id_endpoint_id_idx" ON "webhook_deliveries"("tenant_id", "endpoint_id");
ALTER TABLE "webhook_deliveries" ADD CONSTRAINT "webhook_deliveries_tenant_id_endpoint_id_fkey" FOREIGN KEY ("tenant_id", "endpoint_id") REFERENCES "endpoints"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;
