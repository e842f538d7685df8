-- Scores that need more than the answered class: how probabilities lie by the truth, and sums of what is known of each row.
CREATE TABLE "probability_counts" (
    "tenant_id" TEXT NOT NULL,
    "endpoint_id" TEXT NOT NULL,
    "version_id" TEXT NOT NULL,
    "variant" "traffic_variant" NOT NULL,
    "trusted" BOOLEAN NOT NULL,
    "slot" TIMESTAMPTZ(3) NOT NULL,
    "truth" INTEGER NOT NULL,
    "bin" INTEGER NOT NULL,
    "rows" INTEGER NOT NULL,

    CONSTRAINT "probability_counts_pkey" PRIMARY KEY ("tenant_id", "endpoint_id", "version_id", "variant", "trusted", "slot", "truth", "bin"),
    CONSTRAINT "probability_counts_rows" CHECK ("rows" >= 0)
);
CREATE INDEX "probability_counts_tenant_id_version_id_idx" ON "probability_counts"("tenant_id", "version_id");
CREATE INDEX "probability_counts_tenant_id_slot_idx" ON "probability_counts"("tenant_id", "slot");

-- Decimals, so that what is replaced is taken away to the last digit.
CREATE TABLE "metric_sums" (
    "tenant_id" TEXT NOT NULL,
    "endpoint_id" TEXT NOT NULL,
    "version_id" TEXT NOT NULL,
    "variant" "traffic_variant" NOT NULL,
    "trusted" BOOLEAN NOT NULL,
    "slot" TIMESTAMPTZ(3) NOT NULL,
    "metric" TEXT NOT NULL,
    "rows" INTEGER NOT NULL,
    "total" DECIMAL(60,30) NOT NULL,
    "squared" DECIMAL(60,30) NOT NULL,

    CONSTRAINT "metric_sums_pkey" PRIMARY KEY ("tenant_id", "endpoint_id", "version_id", "variant", "trusted", "slot", "metric"),
    CONSTRAINT "metric_sums_rows" CHECK ("rows" >= 0)
);
CREATE INDEX "metric_sums_tenant_id_version_id_idx" ON "metric_sums"("tenant_id", "version_id");
CREATE INDEX "metric_sums_tenant_id_slot_idx" ON "metric_sums"("tenant_id", "slot");

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['probability_counts', 'metric_sums'] LOOP
    EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE CASCADE ON UPDATE CASCADE', name, name || '_tenant_id_fkey');
    EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I FOREIGN KEY ("tenant_id", "endpoint_id") REFERENCES "endpoints"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE', name, name || '_tenant_id_endpoint_id_fkey');
    EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I FOREIGN KEY ("tenant_id", "version_id") REFERENCES "model_versions"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE', name, name || '_tenant_id_version_id_fkey');
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant_isolation ON %I TO millrace_app USING (tenant_id = (SELECT current_tenant()))', name);
  END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE, DELETE ON probability_counts, metric_sums TO millrace_app;
