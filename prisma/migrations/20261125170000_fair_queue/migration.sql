-- Runs that pause, ask for a device and have limits of their own; plans that say how training is shared; workers that say
-- what they have.
ALTER TYPE "run_status" ADD VALUE 'PAUSED' BEFORE 'SUCCEEDED';
CREATE TYPE "run_device" AS ENUM ('AUTO', 'CPU', 'GPU');

ALTER TABLE "runs"
  ADD COLUMN "pause_requested_at" TIMESTAMPTZ(3),
  ADD COLUMN "device" "run_device" NOT NULL DEFAULT 'AUTO',
  ADD COLUMN "memory_mb" INTEGER NOT NULL DEFAULT 4096,
  ADD COLUMN "minutes" INTEGER NOT NULL DEFAULT 1440,
  ADD COLUMN "failure_field" TEXT,
  ADD COLUMN "gpu_seconds" DOUBLE PRECISION NOT NULL DEFAULT 0,
  ADD COLUMN "claimed_at" TIMESTAMPTZ(3);
CREATE INDEX "runs_tenant_id_finished_at_idx" ON "runs" ("tenant_id", "finished_at");

ALTER TABLE "tenant_queues"
  ADD COLUMN "compute_seconds_per_month" DOUBLE PRECISION,
  ADD COLUMN "run_memory_mb" INTEGER NOT NULL DEFAULT 4096,
  ADD COLUMN "run_minutes" INTEGER NOT NULL DEFAULT 1440,
  ADD COLUMN "waiting" BOOLEAN NOT NULL DEFAULT false,
  ADD COLUMN "gpu_vtime" DOUBLE PRECISION NOT NULL DEFAULT 0,
  ADD COLUMN "gpu_waiting" BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE "tenant_queues" ADD CONSTRAINT "tenant_queues_weight_positive" CHECK (weight > 0);

ALTER TABLE "plans" ADD COLUMN "training" JSONB NOT NULL DEFAULT '{}';
ALTER TABLE "usage_records" ADD COLUMN "gpu_units" DOUBLE PRECISION NOT NULL DEFAULT 0;

CREATE TABLE "workers" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "places" INTEGER NOT NULL,
    "gpu" BOOLEAN NOT NULL,
    "memory_mb" INTEGER NOT NULL,
    "started_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "seen_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "workers_pkey" PRIMARY KEY ("id")
);

-- 1. Workers are the platform's: they write of themselves, and the API reads how many there are, never in a tenant's name.
ALTER TABLE workers ENABLE ROW LEVEL SECURITY;
ALTER TABLE workers FORCE ROW LEVEL SECURITY;
CREATE POLICY queue_access ON workers TO millrace_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON workers TO millrace_worker;
CREATE POLICY queue_sees ON workers FOR SELECT TO millrace_system USING (true);
GRANT SELECT ON workers TO millrace_system;

-- 2. The claim.
GRANT UPDATE (claimed_at, backend) ON runs TO millrace_worker;
GRANT UPDATE (waiting, gpu_vtime, gpu_waiting) ON tenant_queues TO millrace_worker;

-- 3. A plan sets what training may have. The application only adds a tenant's row, with the default limits.
CREATE POLICY plan_access ON tenant_queues TO millrace_system USING (true) WITH CHECK (true);
GRANT SELECT ON tenant_queues TO millrace_system;
GRANT INSERT (tenant_id, weight, max_running, compute_seconds_per_month, run_memory_mb, run_minutes),
  UPDATE (weight, max_running, compute_seconds_per_month, run_memory_mb, run_minutes) ON tenant_queues TO millrace_system;
REVOKE UPDATE ON tenant_queues FROM millrace_app;

-- 4. When a run may start depends on everybody's: what waits, what is at work, and how long runs took. Not what they are.
CREATE POLICY forecast_sees ON runs FOR SELECT TO millrace_system
  USING (finished_at IS NULL OR finished_at > now() - interval '31 days'); -- a whole month
GRANT SELECT (id, priority, created_at, device, claimed_at, finished_at, leased_by, compute_seconds) ON runs TO millrace_system;

-- 5. GPU seconds are billed beside the others.
GRANT SELECT (gpu_units) ON usage_records TO millrace_system;
