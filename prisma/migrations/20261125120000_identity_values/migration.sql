-- Values of their own migration: Postgres lets no transaction use an enum value that it adds itself.
ALTER TYPE "role" ADD VALUE 'OPERATOR';
ALTER TYPE "tenant_status" ADD VALUE 'DELETED';
