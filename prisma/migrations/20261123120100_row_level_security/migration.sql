-- Isolation that the application cannot forget: see docs/architecture.md, "Two walls".
--
-- Roles belong to the cluster, not to the database, so they may exist already. They get a password, and with it the
-- right to log in, from the process that provisions them (libs/database), never from a migration.
DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['millrace_app', 'millrace_system', 'millrace_worker'] LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE', name);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
  END LOOP;
END $$;

GRANT USAGE ON SCHEMA public TO millrace_app, millrace_system, millrace_worker;

-- The tenant of this transaction. Loud when there is none: a forgotten tenant is an error, not an empty answer.
CREATE FUNCTION current_tenant() RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE tenant text := current_setting('millrace.tenant_id', true);
BEGIN
  IF tenant IS NULL OR tenant = '' THEN
    RAISE EXCEPTION 'no tenant is set in this transaction' USING ERRCODE = '42501';
  END IF;
  RETURN tenant;
END $$;

-- 1. Tables with a tenant_id: the application sees and writes its tenant's rows only. The sub-select is evaluated once
--    a statement. USING without WITH CHECK guards writes as well.
DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY[
    'memberships', 'sessions', 'api_keys', 'audit_events', 'uploads', 'datasets', 'dataset_versions', 'tenant_queues',
    'runs', 'run_events', 'run_metrics', 'trials', 'models', 'model_versions', 'model_aliases', 'endpoints',
    'quota_counters', 'reservations', 'usage_records'
  ] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format(
      'CREATE POLICY tenant_isolation ON %I TO millrace_app USING (tenant_id = (SELECT current_tenant()))', name);
  END LOOP;
END $$;

-- 2. Tables without one.
ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON tenants TO millrace_app USING (id = (SELECT current_tenant()));

ALTER TABLE people ENABLE ROW LEVEL SECURITY;
ALTER TABLE people FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON people FOR SELECT TO millrace_app USING (
  EXISTS (SELECT 1 FROM memberships m WHERE m.person_id = people.id AND m.tenant_id = (SELECT current_tenant()))
);

ALTER TABLE setup_links ENABLE ROW LEVEL SECURITY;
ALTER TABLE setup_links FORCE ROW LEVEL SECURITY;

-- 3. What the application may do at all.
GRANT SELECT, INSERT, UPDATE, DELETE ON
  uploads, datasets, dataset_versions, runs, run_metrics, trials, models, model_versions, model_aliases, endpoints,
  quota_counters, reservations
  TO millrace_app;
GRANT SELECT, INSERT, UPDATE ON tenant_queues TO millrace_app;
GRANT SELECT, INSERT ON run_events, audit_events, usage_records TO millrace_app; -- append-only
GRANT SELECT ON tenants, memberships TO millrace_app;
GRANT SELECT (id, email, name, created_at) ON people TO millrace_app; -- never the password's hash
GRANT SELECT (id, tenant_id, person_id, created_at, expires_at, revoked_at) ON sessions TO millrace_app;
GRANT SELECT (id, tenant_id, public_id, last_four, alias, scopes, models, created_by, created_at, expires_at, revoked_at,
  last_used_at) ON api_keys TO millrace_app; -- never the secret's HMAC
GRANT INSERT ON api_keys TO millrace_app;
GRANT UPDATE (alias, scopes, models, expires_at, revoked_at, last_used_at) ON api_keys TO millrace_app;

-- 4. Finding out who is calling comes before any tenant is known: a role of its own, on just these tables.
DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['tenants', 'people', 'memberships', 'sessions', 'setup_links', 'api_keys'] LOOP
    EXECUTE format('CREATE POLICY system_access ON %I TO millrace_system USING (true) WITH CHECK (true)', name);
  END LOOP;
END $$;
CREATE POLICY system_access ON audit_events FOR INSERT TO millrace_system WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON tenants, people, memberships, sessions, setup_links TO millrace_system;
GRANT SELECT ON api_keys TO millrace_system;
GRANT UPDATE (last_used_at) ON api_keys TO millrace_system;
GRANT INSERT ON audit_events TO millrace_system;

-- 5. The queue serves all tenants: a worker may look for work and hold it, nothing more. All else that it does to a run,
--    it does as that run's tenant.
CREATE POLICY queue_access ON runs TO millrace_worker USING (true) WITH CHECK (true);
CREATE POLICY queue_access ON run_events TO millrace_worker USING (true) WITH CHECK (true);
CREATE POLICY queue_access ON tenant_queues TO millrace_worker USING (true) WITH CHECK (true);
CREATE POLICY queue_access ON tenants FOR SELECT TO millrace_worker USING (true);
GRANT SELECT ON runs, run_events, tenant_queues, tenants TO millrace_worker;
GRANT UPDATE (status, attempt, run_after, lease_token, lease_until, leased_by, started_at) ON runs TO millrace_worker;
GRANT UPDATE (vtime) ON tenant_queues TO millrace_worker;
GRANT INSERT ON run_events TO millrace_worker;

-- 6. What must never be, whatever the code does.
ALTER TABLE quota_counters ADD CONSTRAINT quota_counters_used_within CHECK (used >= 0);
ALTER TABLE reservations ADD CONSTRAINT reservations_amount_positive CHECK (amount > 0);
ALTER TABLE runs ADD CONSTRAINT runs_lease_when_running CHECK ((status = 'RUNNING') = (lease_token IS NOT NULL));
ALTER TABLE runs ADD CONSTRAINT runs_finished_when_final
  CHECK ((status IN ('SUCCEEDED', 'FAILED', 'CANCELLED')) = (finished_at IS NOT NULL));

-- 7. Indexes for the queue: partial ones, which Prisma cannot express.
CREATE INDEX runs_queued ON runs (tenant_id, priority DESC, created_at) WHERE status = 'QUEUED';
CREATE INDEX runs_running ON runs (lease_until) WHERE status = 'RUNNING';
