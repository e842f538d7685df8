-- How the data plane serves an endpoint: batches, deadline, scale to zero.
ALTER TABLE "endpoints"
  ADD COLUMN "max_batch_rows" INTEGER NOT NULL DEFAULT 64,
  ADD COLUMN "max_queue_delay_ms" INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN "deadline_ms" INTEGER NOT NULL DEFAULT 30000,
  ADD COLUMN "idle_seconds" INTEGER;
