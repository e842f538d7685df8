-- Versions made from others: what a run is to do to its base, what was done to a version and how it compares with its
-- parent, and how much worse a model lets such a version be.
ALTER TABLE "runs" ADD COLUMN "optimisation" JSONB;
ALTER TABLE "model_versions" ADD COLUMN "optimisation" JSONB;
ALTER TABLE "models" ADD COLUMN "optimised_at_most_worse" DOUBLE PRECISION;
