-- Requests of a hundred rows are run together as well: with 64, each was a call of its own.
ALTER TABLE "endpoints" ALTER COLUMN "max_batch_rows" SET DEFAULT 1024;
