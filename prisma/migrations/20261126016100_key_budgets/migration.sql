-- Budgets of keys, in cost units.
ALTER TABLE "api_keys"
  ADD COLUMN "max_budget" DOUBLE PRECISION,
  ADD COLUMN "soft_budget" DOUBLE PRECISION,
  ADD COLUMN "budget_duration" TEXT;
ALTER TABLE api_keys ADD CONSTRAINT api_keys_budget CHECK (max_budget >= 0 AND soft_budget >= 0);
GRANT SELECT (max_budget, soft_budget, budget_duration), UPDATE (max_budget, soft_budget, budget_duration) ON api_keys TO millrace_app;
