-- Curves of several classes: each is told from the rest. What was counted before is of the second of two.
ALTER TABLE "probability_counts" ADD COLUMN "of_class" INTEGER NOT NULL DEFAULT 1;
ALTER TABLE "probability_counts" DROP CONSTRAINT "probability_counts_pkey", ADD CONSTRAINT "probability_counts_pkey" PRIMARY KEY ("tenant_id", "endpoint_id", "version_id", "variant", "trusted", "slot", "of_class", "truth", "bin");

-- What was told before was not counted for them, and is not taken away when it is replaced.
ALTER TABLE "feedback" ADD COLUMN "with_curves" BOOLEAN NOT NULL DEFAULT false;
