-- What was answered under an Idempotency-Key, for a day.
CREATE TABLE "idempotency_answers" (
    "tenant_id" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "request_sha256" TEXT NOT NULL,
    "prediction_id" TEXT NOT NULL,
    "headers" JSONB,
    "body" TEXT,
    "locked_until" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "idempotency_answers_pkey" PRIMARY KEY ("tenant_id", "key")
);
CREATE INDEX "idempotency_answers_tenant_id_expires_at_idx" ON "idempotency_answers"("tenant_id", "expires_at");
ALTER TABLE "idempotency_answers" ADD CONSTRAINT "idempotency_answers_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE idempotency_answers ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_answers FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON idempotency_answers TO millrace_app USING (tenant_id = (SELECT current_tenant()));
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_answers TO millrace_app;
