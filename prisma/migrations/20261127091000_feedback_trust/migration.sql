-- Who may call an endpoint does not thereby say what was true: truths that rules count have a scope of their own.
ALTER TYPE "api_key_scope" ADD VALUE 'FEEDBACK' AFTER 'PREDICT';

-- Of what was sent before nobody knows whether its sender could be relied on.
ALTER TABLE "feedback" ADD COLUMN "trusted" BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE "truth_counts" ADD COLUMN "trusted" BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE "error_sums" ADD COLUMN "trusted" BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE "truth_counts" DROP CONSTRAINT "truth_counts_pkey", ADD CONSTRAINT "truth_counts_pkey" PRIMARY KEY ("tenant_id", "endpoint_id", "version_id", "variant", "trusted", "slot", "truth", "answer");
ALTER TABLE "error_sums" DROP CONSTRAINT "error_sums_pkey", ADD CONSTRAINT "error_sums_pkey" PRIMARY KEY ("tenant_id", "endpoint_id", "version_id", "variant", "trusted", "slot");
