-- Limits of what may be predicted, and their accounts: docs/adr/0030-leased-usage.md.
CREATE TYPE "usage_scope" AS ENUM ('TENANT', 'PLAN', 'KEY', 'MODEL', 'MEMBER');
CREATE TYPE "usage_measure" AS ENUM ('REQUESTS', 'ROWS');
CREATE TYPE "usage_period" AS ENUM ('MINUTE', 'DAY', 'MONTH', 'RATE');

CREATE TABLE "usage_limits" (
    "id" TEXT NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "scope" "usage_scope" NOT NULL,
    "subject" TEXT NOT NULL DEFAULT '',
    "measure" "usage_measure" NOT NULL,
    "period" "usage_period" NOT NULL,
    "limit_value" BIGINT NOT NULL,
    "soft_limit" BIGINT,
    "raise_by" BIGINT NOT NULL DEFAULT 0,
    "raise_until" TIMESTAMPTZ(3),
    "raise_reason" TEXT,
    "updated_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "usage_limits_pkey" PRIMARY KEY ("id")
);
CREATE TABLE "usage_accounts" (
    "tenant_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "window_start" TIMESTAMPTZ(3),
    "used" BIGINT NOT NULL DEFAULT 0,
    "full_at" TIMESTAMPTZ(6),

    CONSTRAINT "usage_accounts_pkey" PRIMARY KEY ("tenant_id", "id")
);
CREATE TABLE "usage_leases" (
    "tenant_id" TEXT NOT NULL,
    "account_id" TEXT NOT NULL,
    "lessee" UUID NOT NULL,
    "call" BIGINT NOT NULL,
    "window_start" TIMESTAMPTZ(3) NOT NULL,
    "spent" BIGINT NOT NULL,
    "held" BIGINT NOT NULL,
    "seen_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "usage_leases_pkey" PRIMARY KEY ("tenant_id", "account_id", "lessee")
);
CREATE UNIQUE INDEX "usage_limits_tenant_id_id_key" ON "usage_limits"("tenant_id", "id");
CREATE UNIQUE INDEX "usage_limits_tenant_id_scope_subject_measure_period_key" ON "usage_limits"("tenant_id", "scope", "subject", "measure", "period");
ALTER TABLE "usage_limits" ADD CONSTRAINT "usage_limits_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "usage_accounts" ADD CONSTRAINT "usage_accounts_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "usage_leases" ADD CONSTRAINT "usage_leases_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE usage_limits ADD CONSTRAINT usage_limits_within CHECK (limit_value >= 0 AND raise_by >= 0 AND soft_limit >= 0);
ALTER TABLE usage_limits ADD CONSTRAINT usage_limits_rate_of_requests CHECK (period <> 'RATE' OR (measure = 'REQUESTS' AND limit_value > 0));
ALTER TABLE usage_limits ADD CONSTRAINT usage_limits_subject CHECK ((scope IN ('TENANT', 'PLAN')) = (subject = ''));
ALTER TABLE usage_accounts ADD CONSTRAINT usage_accounts_used_within CHECK (used >= 0);
ALTER TABLE usage_leases ADD CONSTRAINT usage_leases_within CHECK (spent >= 0 AND held >= 0);

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['usage_limits', 'usage_accounts', 'usage_leases'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant_isolation ON %I TO millrace_app USING (tenant_id = (SELECT current_tenant()))', name);
  END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE, DELETE ON usage_limits, usage_leases TO millrace_app;
GRANT SELECT, INSERT, UPDATE ON usage_accounts TO millrace_app;

-- Operators set the limits of tenants and plans, and see what is used of them. Those within a tenant are none of theirs.
CREATE POLICY plan_access ON usage_limits TO millrace_system USING (scope IN ('TENANT', 'PLAN'));
GRANT SELECT, INSERT, UPDATE, DELETE ON usage_limits TO millrace_system;
CREATE POLICY plan_sees ON usage_accounts FOR SELECT TO millrace_system
  USING (EXISTS (SELECT 1 FROM usage_limits l WHERE l.tenant_id = usage_accounts.tenant_id AND l.id = usage_accounts.id));
GRANT SELECT ON usage_accounts TO millrace_system;
ALTER TABLE "plans" ADD COLUMN "usage" JSONB NOT NULL DEFAULT '[]';

-- One process's call for a part of an account: says what it has spent in all and still holds, asks for more, gets what there is.
-- `span` is the length of a window in seconds from `anchor` on: NULL for calendar months (UTC), 0 for one without an end.
-- Less than `smallest` would be of no use to it. What a process says replaces what it said before, so a call whose answer was lost is put right by the next one.
CREATE FUNCTION lease_usage(
  account text, most bigint, span integer, anchor timestamptz, process uuid, call_number bigint,
  known_window bigint, spent_units bigint, held_units bigint, wanted bigint, smallest bigint, ahead bigint
) RETURNS TABLE (granted bigint, used_units bigint, window_ms bigint, ends_in_ms double precision, is_elsewhere boolean)
LANGUAGE plpgsql AS $$
DECLARE
  tenant text := current_tenant();
  found_account usage_accounts%ROWTYPE;
  mine usage_leases%ROWTYPE;
  moment timestamptz;
  begins timestamptz;
  ends timestamptz;
  free bigint;
  processes bigint;
BEGIN
  LOOP
    SELECT * INTO found_account FROM usage_accounts WHERE tenant_id = tenant AND id = account FOR UPDATE;
    EXIT WHEN FOUND;
    INSERT INTO usage_accounts (tenant_id, id) VALUES (tenant, account) ON CONFLICT DO NOTHING;
  END LOOP;
  moment := clock_timestamp(); -- not the start of the transaction: it may have waited for the row
  IF span IS NULL THEN
    begins := date_trunc('month', moment, 'UTC');
    ends := (begins AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC';
  ELSIF span = 0 THEN
    begins := anchor;
  ELSE
    begins := date_bin(make_interval(secs => span), moment, anchor);
    ends := begins + make_interval(secs => span);
  END IF;
  used_units := found_account.used;
  IF found_account.window_start IS DISTINCT FROM begins THEN
    -- Whatever anybody still holds is of a window that is over: each process knows by itself when.
    DELETE FROM usage_leases WHERE tenant_id = tenant AND account_id = account;
    used_units := 0;
  END IF;
  window_ms := round(extract(epoch FROM begins) * 1000);
  ends_in_ms := extract(epoch FROM ends - moment) * 1000;
  IF known_window IS DISTINCT FROM window_ms THEN
    spent_units := 0;
    held_units := 0;
  END IF;
  SELECT * INTO mine FROM usage_leases WHERE tenant_id = tenant AND account_id = account AND lessee = process;
  IF FOUND THEN
    IF mine.call >= call_number THEN
      granted := 0;
      is_elsewhere := false;
      RETURN NEXT;
      RETURN;
    END IF;
    used_units := used_units - mine.spent - mine.held;
  END IF;
  used_units := used_units + spent_units + held_units;
  free := greatest(most - used_units, 0);
  granted := CASE WHEN free < smallest THEN 0 ELSE least(wanted, free) END;
  IF granted = wanted AND ahead > 0 THEN
    SELECT count(*) + 1 INTO processes FROM usage_leases
    WHERE tenant_id = tenant AND account_id = account AND lessee <> process AND seen_at > moment - interval '30 seconds';
    -- The nearer the limit, the less lies with processes that may not need it.
    granted := granted + least(ahead, (free - wanted) / (10 * processes));
  END IF;
  used_units := used_units + granted;
  UPDATE usage_accounts SET window_start = begins, used = used_units WHERE tenant_id = tenant AND id = account;
  INSERT INTO usage_leases (tenant_id, account_id, lessee, call, window_start, spent, held, seen_at)
  VALUES (tenant, account, process, call_number, begins, spent_units, held_units + granted, moment)
  ON CONFLICT (tenant_id, account_id, lessee) DO UPDATE
    SET call = excluded.call, window_start = excluded.window_start, spent = excluded.spent, held = excluded.held, seen_at = excluded.seen_at;
  is_elsewhere := granted < wanted AND EXISTS (
    SELECT 1 FROM usage_leases
    WHERE tenant_id = tenant AND account_id = account AND lessee <> process AND held > 0 AND seen_at > moment - interval '30 seconds');
  RETURN NEXT;
END $$;

-- The same for a rate, of so many units a minute that come back evenly (GCRA, by this database's clock). What a process asks for
-- because somebody waits is on the account at once; what it gets ahead is set aside, and on the account once it says that
-- it is spent. A process that is not heard of any more has spent what was set aside for it.
CREATE FUNCTION lease_rate(
  account text, per_minute integer, process uuid, call_number bigint, spent_units bigint, held_units bigint, wanted bigint, ahead bigint
) RETURNS TABLE (paid bigint, set_aside bigint, level double precision)
LANGUAGE plpgsql AS $$
DECLARE
  tenant text := current_tenant();
  found_account usage_accounts%ROWTYPE;
  mine usage_leases%ROWTYPE;
  moment timestamptz;
  unit_seconds double precision := 60.0 / per_minute;
  lost bigint;
  elsewhere bigint;
  processes bigint;
  free bigint;
BEGIN
  LOOP
    SELECT * INTO found_account FROM usage_accounts WHERE tenant_id = tenant AND id = account FOR UPDATE;
    EXIT WHEN FOUND;
    INSERT INTO usage_accounts (tenant_id, id) VALUES (tenant, account) ON CONFLICT DO NOTHING;
  END LOOP;
  moment := clock_timestamp();
  -- Never more than a minute ahead: neither a clock that was set back nor a limit that was lowered locks anybody out for longer.
  level := extract(epoch FROM least(coalesce(found_account.full_at, moment), moment + interval '1 minute') - moment) / unit_seconds;
  level := greatest(level, 0);
  SELECT * INTO mine FROM usage_leases WHERE tenant_id = tenant AND account_id = account AND lessee = process;
  paid := 0;
  set_aside := 0;
  IF FOUND AND mine.call >= call_number THEN
    RETURN NEXT;
    RETURN;
  END IF;
  -- What the silent hold counts as spent. Their rows stay for an hour: they tell how much of what they have spent is on the account.
  SELECT coalesce(sum(held), 0) INTO lost FROM usage_leases
  WHERE tenant_id = tenant AND account_id = account AND lessee <> process AND seen_at < moment - interval '3 seconds';
  UPDATE usage_leases SET held = 0
  WHERE tenant_id = tenant AND account_id = account AND lessee <> process AND seen_at < moment - interval '3 seconds' AND held > 0;
  DELETE FROM usage_leases WHERE tenant_id = tenant AND account_id = account AND lessee <> process AND seen_at < moment - interval '1 hour';
  SELECT coalesce(sum(held), 0), count(*) FILTER (WHERE seen_at >= moment - interval '3 seconds') + 1 INTO elsewhere, processes FROM usage_leases
  WHERE tenant_id = tenant AND account_id = account AND lessee <> process;
  level := level + lost + spent_units - coalesce(mine.spent, 0);
  free := greatest(floor(per_minute - level - elsewhere - held_units + 1e-6)::bigint, 0);
  paid := least(wanted, free);
  IF paid = wanted THEN set_aside := least(ahead, (free - paid) / (10 * processes)); END IF;
  level := level + paid;
  UPDATE usage_accounts SET full_at = moment + make_interval(secs => level * unit_seconds) WHERE tenant_id = tenant AND id = account;
  INSERT INTO usage_leases (tenant_id, account_id, lessee, call, window_start, spent, held, seen_at)
  VALUES (tenant, account, process, call_number, moment, spent_units, held_units + set_aside, moment)
  ON CONFLICT (tenant_id, account_id, lessee) DO UPDATE
    SET call = excluded.call, window_start = excluded.window_start, spent = excluded.spent, held = excluded.held, seen_at = excluded.seen_at;
  level := level + elsewhere; -- as whoever asked must take it
  RETURN NEXT;
END $$;
