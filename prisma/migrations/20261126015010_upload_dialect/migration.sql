-- What its sender says of how a text file is to be read. Nothing unless told: then it is found out.
ALTER TABLE "uploads" ADD COLUMN "dialect" JSONB NOT NULL DEFAULT '{}';
