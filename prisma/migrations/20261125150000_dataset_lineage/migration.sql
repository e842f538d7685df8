-- What a data set version was made of, and which leaks a run was told to accept.
CREATE TYPE "version_origin" AS ENUM ('UPLOAD', 'APPEND', 'TYPES');

ALTER TABLE "dataset_versions" ADD COLUMN "origin" "version_origin" NOT NULL DEFAULT 'UPLOAD',
ADD COLUMN "parent_id" TEXT;

CREATE INDEX "dataset_versions_tenant_id_parent_id_idx" ON "dataset_versions"("tenant_id", "parent_id");

ALTER TABLE "dataset_versions" ADD CONSTRAINT "dataset_versions_tenant_id_parent_id_fkey" FOREIGN KEY ("tenant_id", "parent_id") REFERENCES "dataset_versions"("tenant_id", "id") ON DELETE NO ACTION ON UPDATE CASCADE;

ALTER TABLE "runs" ADD COLUMN "acknowledged_leaks" TEXT[] NOT NULL DEFAULT ARRAY[]::TEXT[];

-- A deleted data set keeps its rows, since runs and model versions say what they learned from; its files are gone.
ALTER TABLE "datasets" ADD COLUMN "deleted_at" TIMESTAMPTZ(3);
