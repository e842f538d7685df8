-- A window that has begun stays begun: a clock that steps back over its border, as that of a standby that takes over may, would otherwise begin the window before anew,
-- and admit its limit a second time. By one window only: after more than that a clock was wrong, and nobody is locked out for it.
CREATE OR REPLACE FUNCTION lease_usage(
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
  IF found_account.window_start = ends THEN
    -- It had begun before the clock was set back.
    begins := ends;
    ends := CASE WHEN span IS NULL THEN (begins AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC' ELSE begins + make_interval(secs => span) END;
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
