-- Isolation of the identity tables, the audit trail's hash chain, and the operators' own tenant.

-- 1. Tables of a tenant.
DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY[
    'invitations', 'access_grants', 'sso_connections', 'domain_claims', 'sso_identities', 'tenant_keys', 'audit_links'
  ] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format(
      'CREATE POLICY tenant_isolation ON %I TO millrace_app USING (tenant_id = (SELECT current_tenant()))', name);
  END LOOP;
END $$;

-- 2. Tables without one: they come before any tenant is known, and are the system role's alone.
DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['plans', 'recovery_codes', 'password_resets', 'known_addresses', 'sign_in_throttles'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
  END LOOP;
END $$;

-- 3. What the application may do within its tenant.
GRANT SELECT (id, tenant_id, email, role, created_by, created_at, expires_at, accepted_at, revoked_at) ON invitations TO millrace_app;
GRANT INSERT ON invitations TO millrace_app;
GRANT UPDATE (revoked_at) ON invitations TO millrace_app;
GRANT UPDATE (role), DELETE ON memberships TO millrace_app;
GRANT UPDATE (revoked_at) ON sessions TO millrace_app;
GRANT SELECT (method, grant_id, address, user_agent, last_used_at) ON sessions TO millrace_app;
GRANT SELECT (password_changed_at, totp_confirmed_at) ON people TO millrace_app;
GRANT SELECT ON access_grants TO millrace_app;
GRANT UPDATE (revoked_at) ON access_grants TO millrace_app;
GRANT SELECT (id, tenant_id, issuer, client_id, groups_claim, role_by_group, default_role, required, updated_by, created_at, updated_at)
  ON sso_connections TO millrace_app; -- never the client's secret
GRANT INSERT, UPDATE, DELETE ON sso_connections TO millrace_app;
GRANT SELECT, INSERT, DELETE ON domain_claims TO millrace_app;
GRANT UPDATE (verified_at) ON domain_claims TO millrace_app;
GRANT SELECT, DELETE ON sso_identities TO millrace_app;
GRANT SELECT, INSERT ON audit_links TO millrace_app; -- append-only
GRANT UPDATE (exported_at) ON tenants TO millrace_app;
GRANT SELECT (previous_until, rotated_at, addresses, blocked, rpm_limit, max_parallel_requests, metadata) ON api_keys TO millrace_app;
GRANT UPDATE (secret_hmac, last_four, previous_until, rotated_at, addresses, blocked, rpm_limit, max_parallel_requests, metadata)
  ON api_keys TO millrace_app;

-- 4. What comes before the tenant is known, or is the operators' business.
DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY[
    'plans', 'recovery_codes', 'password_resets', 'known_addresses', 'sign_in_throttles', 'invitations', 'access_grants',
    'sso_connections', 'domain_claims', 'sso_identities', 'tenant_keys', 'audit_links', 'quota_counters', 'usage_records'
  ] LOOP
    EXECUTE format('CREATE POLICY system_access ON %I TO millrace_system USING (true) WITH CHECK (true)', name);
  END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE, DELETE ON plans, recovery_codes, password_resets, known_addresses, sign_in_throttles, tenant_keys TO millrace_system;
GRANT SELECT, INSERT, UPDATE ON invitations, access_grants, sso_identities TO millrace_system;
GRANT SELECT ON sso_connections, domain_claims TO millrace_system;
GRANT SELECT, INSERT ON audit_links TO millrace_system;
GRANT DELETE ON tenants, people, memberships TO millrace_system; -- the purge of a deleted tenant
-- How much a tenant uses, never what: no ids of requests, endpoints or versions.
GRANT SELECT ON quota_counters TO millrace_system;
GRANT SELECT (tenant_id, at, kind, rows, units) ON usage_records TO millrace_system;

-- Workers open and seal their runs' artefacts.
CREATE POLICY worker_access ON tenant_keys TO millrace_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON tenant_keys TO millrace_worker;

-- 5. A new secret of an API key keeps the one before. The application may write secrets but read none, so the database
--    moves it.
CREATE FUNCTION keep_previous_secret() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.previous_hmac := OLD.secret_hmac;
  RETURN NEW;
END $$;
CREATE TRIGGER keep_previous_secret BEFORE UPDATE OF secret_hmac ON api_keys
  FOR EACH ROW WHEN (NEW.secret_hmac IS DISTINCT FROM OLD.secret_hmac) EXECUTE FUNCTION keep_previous_secret();

-- 6. The hash chain of the audit trail. Links are made as the transaction commits, so that the chain's lock is its last
--    and held shortest; whoever may write an event may write its link, and nobody may change either.
CREATE FUNCTION audit_text(event audit_events) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_array(
    event.id, event.tenant_id, to_char(event.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), event.actor, event.action,
    event.subject, event.result, event.request_id, event.address, event.user_agent, event.details
  )::text
$$;

CREATE FUNCTION audit_hash(previous text, event audit_events) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT encode(sha256(convert_to(previous || audit_text(event), 'UTF8')), 'hex')
$$;

CREATE FUNCTION link_audit_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE last record;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('millrace audit ' || NEW.tenant_id, 0));
  SELECT number, hash INTO last FROM audit_links WHERE tenant_id = NEW.tenant_id ORDER BY number DESC LIMIT 1;
  INSERT INTO audit_links (tenant_id, number, event_id, hash)
  VALUES (NEW.tenant_id, coalesce(last.number, 0) + 1, NEW.id, audit_hash(coalesce(last.hash, repeat('0', 64)), NEW));
  RETURN NULL;
END $$;

-- The owner is bound by forced row-level security too; what follows looks at and adds rows of all tenants.
ALTER TABLE audit_events NO FORCE ROW LEVEL SECURITY;
ALTER TABLE audit_links NO FORCE ROW LEVEL SECURITY;
ALTER TABLE tenants NO FORCE ROW LEVEL SECURITY;

DO $$
DECLARE
  event audit_events;
  last record;
BEGIN
  FOR event IN SELECT * FROM audit_events ORDER BY tenant_id, at, id LOOP
    SELECT number, hash INTO last FROM audit_links WHERE tenant_id = event.tenant_id ORDER BY number DESC LIMIT 1;
    INSERT INTO audit_links (tenant_id, number, event_id, hash)
    VALUES (event.tenant_id, coalesce(last.number, 0) + 1, event.id, audit_hash(coalesce(last.hash, repeat('0', 64)), event));
  END LOOP;
END $$;

-- 7. The operators' own tenant: an ordinary one to every wall, so that an operator is no exception to any of them.
INSERT INTO tenants (id, slug, name) VALUES ('ten_00000000000000000000000000', 'platform', 'Platform');
ALTER TABLE memberships ADD CONSTRAINT memberships_operators_on_platform
  CHECK ((role = 'OPERATOR') = (tenant_id = 'ten_00000000000000000000000000'));
ALTER TABLE invitations ADD CONSTRAINT invitations_operators_on_platform
  CHECK ((role = 'OPERATOR') = (tenant_id = 'ten_00000000000000000000000000'));
ALTER TABLE access_grants ADD CONSTRAINT access_grants_never_operator CHECK (role <> 'OPERATOR');

ALTER TABLE audit_events FORCE ROW LEVEL SECURITY;
ALTER TABLE audit_links FORCE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;

CREATE CONSTRAINT TRIGGER link_audit_event AFTER INSERT ON audit_events
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION link_audit_event();

-- 8. What must never be, whatever the code does.
CREATE UNIQUE INDEX domain_claims_verified ON domain_claims (domain) WHERE verified_at IS NOT NULL;
ALTER TABLE tenants ADD CONSTRAINT tenants_purged_when_deleted CHECK ((status = 'DELETED') = (purge_after IS NOT NULL));
ALTER TABLE people ADD CONSTRAINT people_totp_confirmed CHECK (totp_confirmed_at IS NULL OR totp_sealed IS NOT NULL);
ALTER TABLE api_keys ADD CONSTRAINT api_keys_limits_positive CHECK (rpm_limit > 0 AND max_parallel_requests > 0);
