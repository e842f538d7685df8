-- How large one table may be is the tenant's own: part of its plan, and of the defaults where it has none.
CREATE TABLE "tenant_table_limits" (
    "tenant_id" TEXT NOT NULL,
    "rows" INTEGER NOT NULL,
    "columns" INTEGER NOT NULL,
    "file_mb" INTEGER,

    CONSTRAINT "tenant_table_limits_pkey" PRIMARY KEY ("tenant_id")
);
ALTER TABLE "tenant_table_limits" ADD CONSTRAINT "tenant_table_limits_tenant_id_fkey"
  FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "plans" ADD COLUMN "tables" JSONB NOT NULL DEFAULT '{}';

-- The application reads its tenant's; operators set them.
ALTER TABLE tenant_table_limits ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant_table_limits FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON tenant_table_limits TO millrace_app USING (tenant_id = (SELECT current_tenant()));
CREATE POLICY system_access ON tenant_table_limits TO millrace_system USING (true) WITH CHECK (true);
GRANT SELECT ON tenant_table_limits TO millrace_app;
GRANT SELECT, INSERT, UPDATE ON tenant_table_limits TO millrace_system;
