-- What was predicted is kept for a while where an endpoint says so, and scored when its truth is sent.
ALTER TABLE "endpoints" ADD COLUMN "record_days" INTEGER;
ALTER TABLE "rollouts" ADD COLUMN "min_labels" INTEGER NOT NULL DEFAULT 30;

CREATE TABLE "recordings" (
    "id" TEXT NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "endpoint_id" TEXT NOT NULL,
    "version_id" TEXT NOT NULL,
    "variant" "traffic_variant" NOT NULL,
    "outputs_box" BYTEA NOT NULL,
    "predictions" INTEGER NOT NULL,
    "bytes" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "ends_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "recordings_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "recordings_tenant_id_id_key" ON "recordings"("tenant_id", "id");
CREATE INDEX "recordings_tenant_id_endpoint_id_idx" ON "recordings"("tenant_id", "endpoint_id");
CREATE INDEX "recordings_tenant_id_version_id_idx" ON "recordings"("tenant_id", "version_id");
CREATE INDEX "recordings_tenant_id_created_at_idx" ON "recordings"("tenant_id", "created_at");
CREATE INDEX "recordings_ends_at_idx" ON "recordings"("ends_at");

CREATE TABLE "recorded_predictions" (
    "tenant_id" TEXT NOT NULL,
    "prediction_id" TEXT NOT NULL,
    "recording_id" TEXT NOT NULL,
    "place" INTEGER NOT NULL,

    CONSTRAINT "recorded_predictions_pkey" PRIMARY KEY ("tenant_id", "prediction_id")
);
CREATE INDEX "recorded_predictions_tenant_id_recording_id_idx" ON "recorded_predictions"("tenant_id", "recording_id");

CREATE TABLE "feedback" (
    "tenant_id" TEXT NOT NULL,
    "prediction_id" TEXT NOT NULL,
    "truth_box" BYTEA NOT NULL,
    "source" TEXT,
    "given_by" TEXT NOT NULL,
    "given_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "feedback_pkey" PRIMARY KEY ("tenant_id", "prediction_id")
);

CREATE TABLE "truth_counts" (
    "tenant_id" TEXT NOT NULL,
    "endpoint_id" TEXT NOT NULL,
    "version_id" TEXT NOT NULL,
    "variant" "traffic_variant" NOT NULL,
    "slot" TIMESTAMPTZ(3) NOT NULL,
    "truth" INTEGER NOT NULL,
    "answer" INTEGER NOT NULL,
    "rows" INTEGER NOT NULL,

    CONSTRAINT "truth_counts_pkey" PRIMARY KEY ("tenant_id", "endpoint_id", "version_id", "variant", "slot", "truth", "answer"),
    CONSTRAINT "truth_counts_rows" CHECK ("rows" >= 0)
);
CREATE INDEX "truth_counts_tenant_id_version_id_idx" ON "truth_counts"("tenant_id", "version_id");
CREATE INDEX "truth_counts_tenant_id_slot_idx" ON "truth_counts"("tenant_id", "slot");

-- Decimals, so that the sums of a truth that is replaced are taken away to the last digit.
CREATE TABLE "error_sums" (
    "tenant_id" TEXT NOT NULL,
    "endpoint_id" TEXT NOT NULL,
    "version_id" TEXT NOT NULL,
    "variant" "traffic_variant" NOT NULL,
    "slot" TIMESTAMPTZ(3) NOT NULL,
    "rows" INTEGER NOT NULL,
    "absolute" DECIMAL(320,60) NOT NULL,
    "squared" DECIMAL(320,60) NOT NULL,
    "fourth" DECIMAL(320,60) NOT NULL,
    "truth" DECIMAL(320,60) NOT NULL,
    "truth_squared" DECIMAL(320,60) NOT NULL,

    CONSTRAINT "error_sums_pkey" PRIMARY KEY ("tenant_id", "endpoint_id", "version_id", "variant", "slot"),
    CONSTRAINT "error_sums_rows" CHECK ("rows" >= 0)
);
CREATE INDEX "error_sums_tenant_id_version_id_idx" ON "error_sums"("tenant_id", "version_id");
CREATE INDEX "error_sums_tenant_id_slot_idx" ON "error_sums"("tenant_id", "slot");

ALTER TABLE "recordings" ADD CONSTRAINT "recordings_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "recordings" ADD CONSTRAINT "recordings_tenant_id_endpoint_id_fkey" FOREIGN KEY ("tenant_id", "endpoint_id") REFERENCES "endpoints"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "recordings" ADD CONSTRAINT "recordings_tenant_id_version_id_fkey" FOREIGN KEY ("tenant_id", "version_id") REFERENCES "model_versions"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "recorded_predictions" ADD CONSTRAINT "recorded_predictions_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "recorded_predictions" ADD CONSTRAINT "recorded_predictions_tenant_id_recording_id_fkey" FOREIGN KEY ("tenant_id", "recording_id") REFERENCES "recordings"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "feedback" ADD CONSTRAINT "feedback_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "feedback" ADD CONSTRAINT "feedback_tenant_id_prediction_id_fkey" FOREIGN KEY ("tenant_id", "prediction_id") REFERENCES "recorded_predictions"("tenant_id", "prediction_id") ON DELETE CASCADE ON UPDATE CASCADE;

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['truth_counts', 'error_sums'] LOOP
    EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE CASCADE ON UPDATE CASCADE', name, name || '_tenant_id_fkey');
    EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I FOREIGN KEY ("tenant_id", "endpoint_id") REFERENCES "endpoints"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE', name, name || '_tenant_id_endpoint_id_fkey');
    EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I FOREIGN KEY ("tenant_id", "version_id") REFERENCES "model_versions"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE', name, name || '_tenant_id_version_id_fkey');
  END LOOP;
  FOREACH name IN ARRAY ARRAY['recordings', 'recorded_predictions', 'feedback', 'truth_counts', 'error_sums'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant_isolation ON %I TO millrace_app USING (tenant_id = (SELECT current_tenant()))', name);
  END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE, DELETE ON recordings, recorded_predictions, feedback, truth_counts, error_sums TO millrace_app;

-- Whoever removes what is over must find out first whose is: how much of each tenant's there is, and until when. Nothing of what it is.
CREATE POLICY sweep_access ON recordings FOR SELECT TO millrace_system USING (true);
GRANT SELECT (tenant_id, bytes, ends_at) ON recordings TO millrace_system;
