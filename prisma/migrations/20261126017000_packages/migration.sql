-- Signed packages: a signing key per tenant, keys of others that are trusted, files that become versions, and what people
-- say of versions.
CREATE TYPE "model_version_source" AS ENUM ('RUN', 'PACKAGE', 'ONNX');
CREATE TYPE "approval_status" AS ENUM ('PENDING_APPROVAL', 'APPROVED', 'REJECTED');
CREATE TYPE "import_status" AS ENUM ('QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED');

ALTER TABLE "models"
  ADD COLUMN "versions_made" INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN "approval_required" BOOLEAN NOT NULL DEFAULT false,
  ADD COLUMN "gate" JSONB,
  ADD COLUMN "keep_versions" INTEGER,
  ADD COLUMN "tags" TEXT[] NOT NULL DEFAULT ARRAY[]::TEXT[];
-- A number is given once, also when its version is deleted later.
UPDATE "models" m SET "versions_made" = coalesce((SELECT max(v.number) FROM "model_versions" v WHERE v.tenant_id = m.tenant_id AND v.model_id = m.id), 0);

ALTER TABLE "model_versions"
  ALTER COLUMN "run_id" DROP NOT NULL,
  ALTER COLUMN "dataset_version_id" DROP NOT NULL,
  ADD COLUMN "source" "model_version_source" NOT NULL DEFAULT 'RUN',
  ADD COLUMN "signing_key_id" TEXT,
  ADD COLUMN "provenance" JSONB NOT NULL DEFAULT '{}',
  ADD COLUMN "approval" "approval_status" NOT NULL DEFAULT 'PENDING_APPROVAL',
  ADD COLUMN "tags" TEXT[] NOT NULL DEFAULT ARRAY[]::TEXT[],
  ADD COLUMN "card" TEXT;
ALTER TABLE "model_versions" ADD CONSTRAINT "model_versions_run_when_trained" CHECK (source <> 'RUN' OR (run_id IS NOT NULL AND dataset_version_id IS NOT NULL));

CREATE TABLE "signing_keys" (
    "tenant_id" TEXT NOT NULL,
    "key_id" TEXT NOT NULL,
    "public_key" TEXT NOT NULL,
    "wrapped" TEXT NOT NULL,
    "master_key_id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "signing_keys_pkey" PRIMARY KEY ("tenant_id","key_id")
);

CREATE TABLE "trusted_keys" (
    "tenant_id" TEXT NOT NULL,
    "key_id" TEXT NOT NULL,
    "public_key" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "added_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "trusted_keys_pkey" PRIMARY KEY ("tenant_id","key_id")
);

CREATE TABLE "model_imports" (
    "id" TEXT NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "upload_id" TEXT NOT NULL,
    "model_name" TEXT NOT NULL,
    "options" JSONB NOT NULL,
    "status" "import_status" NOT NULL DEFAULT 'QUEUED',
    "problems" JSONB NOT NULL DEFAULT '[]',
    "version_id" TEXT,
    "attempt" INTEGER NOT NULL DEFAULT 0,
    "lease_token" UUID,
    "lease_until" TIMESTAMPTZ(3),
    "created_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "model_imports_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "model_imports_tenant_id_id_key" ON "model_imports"("tenant_id", "id");
CREATE INDEX "model_imports_tenant_id_upload_id_idx" ON "model_imports"("tenant_id", "upload_id");
-- Partial, which Prisma cannot express: what waits or is in hand.
CREATE INDEX "model_imports_open" ON "model_imports" ("created_at") WHERE "finished_at" IS NULL;

CREATE TABLE "version_reviews" (
    "id" TEXT NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "version_id" TEXT NOT NULL,
    "verdict" "approval_status" NOT NULL,
    "comment" TEXT NOT NULL,
    "evidence" JSONB NOT NULL,
    "reviewed_by" TEXT NOT NULL,
    "reviewed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "version_reviews_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "version_reviews_tenant_id_id_key" ON "version_reviews"("tenant_id", "id");
CREATE INDEX "version_reviews_tenant_id_version_id_idx" ON "version_reviews"("tenant_id", "version_id");

ALTER TABLE "signing_keys" ADD CONSTRAINT "signing_keys_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "trusted_keys" ADD CONSTRAINT "trusted_keys_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "model_imports" ADD CONSTRAINT "model_imports_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "model_imports" ADD CONSTRAINT "model_imports_tenant_id_upload_id_fkey" FOREIGN KEY ("tenant_id", "upload_id") REFERENCES "uploads"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "version_reviews" ADD CONSTRAINT "version_reviews_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "version_reviews" ADD CONSTRAINT "version_reviews_tenant_id_version_id_fkey" FOREIGN KEY ("tenant_id", "version_id") REFERENCES "model_versions"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- 1. Tables of a tenant.
DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['signing_keys', 'trusted_keys', 'model_imports', 'version_reviews'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant_isolation ON %I TO millrace_app USING (tenant_id = (SELECT current_tenant()))', name);
  END LOOP;
END $$;
GRANT SELECT (tenant_id, key_id, public_key, created_at) ON signing_keys TO millrace_app; -- never the private key
GRANT SELECT, INSERT, DELETE ON trusted_keys TO millrace_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON model_imports TO millrace_app;
GRANT SELECT, INSERT ON version_reviews TO millrace_app; -- what was said stays said

-- 2. Keys are made by whoever signs first: the API or a worker.
CREATE POLICY system_access ON signing_keys TO millrace_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON signing_keys TO millrace_system;
CREATE POLICY worker_access ON signing_keys TO millrace_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON signing_keys TO millrace_worker;

-- 3. A worker looks for files to be imported, and holds them, as it holds runs.
CREATE POLICY queue_access ON model_imports TO millrace_worker USING (true) WITH CHECK (true);
GRANT SELECT (id, tenant_id, status, lease_until, attempt, created_at, finished_at) ON model_imports TO millrace_worker;
GRANT UPDATE (status, lease_token, lease_until, attempt) ON model_imports TO millrace_worker;
