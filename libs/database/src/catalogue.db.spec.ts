import { newId } from '@millrace/kernel';
import { createTestDatabase, type TestDatabase } from '@millrace/testkit';
import pg from 'pg';
import { secretColumns } from './database.ts';

/**
 * What the database's own catalogue says of the second wall: nothing escapes it, whatever the code above does. Each rule is
 * broken once on purpose, in a transaction that is undone, to show that it is watched.
 */

let test: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  test = await createTestDatabase();
  client = new pg.Client({ connectionString: test.urls.owner });
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await test.close();
});

/** Tables without row-level security, and why. */
const openTables: Record<string, string> = {
  _prisma_migrations: 'the history of migrations: made by the migrator before anything else, granted to nobody',
};

/** What the application sees of tables that have no tenant_id. All others it sees by `tenant_id`, and none of those without a policy. */
const otherPolicies: Record<string, string> = {
  tenants: '(id = (SELECT current_tenant()))',
  people: '(EXISTS (SELECT 1 FROM memberships m WHERE ((m.person_id = people.id) AND (m.tenant_id = (SELECT current_tenant())))))',
};

/** Unique across tenants, and why that tells one tenant nothing of another. */
const uniqueAcrossTenants: Record<string, string> = {
  'sessions(token_hash)': 'a hash of a random secret',
  'invitations(token_hash)': 'a hash of a random secret',
  'api_keys(public_id)': 'random; looked up before a tenant is known',
  'domain_claims(domain)': 'a domain can be verified by one tenant only, which is what verifying is for',
};
/** Ids are random: nobody can guess one that is taken. */
const idsOf = new Set([
  'sessions', 'api_keys', 'audit_events', 'uploads', 'datasets', 'dataset_versions', 'reservations', 'models', 'model_versions', 'endpoints', 'runs', 'invitations',
  'access_grants', 'sso_connections', 'domain_claims', 'usage_limits', 'model_imports', 'version_reviews', 'rollouts', 'async_predictions', 'webhook_keys', 'webhook_deliveries', 'recordings',
]);

/** Columns with the name of a secret that the application may read, and why. */
const harmlessColumns: Record<string, string> = {
  'audit_links.hash': 'proves the trail to its reader',
  'people.password_changed_at': 'when, not what',
  'people.totp_confirmed_at': 'when, not what',
  'runs.lease_token': 'fences workers off; worth nothing without the database',
  'model_imports.lease_token': 'fences workers off; worth nothing without the database',
  'webhook_deliveries.lease_token': 'fences processes off; worth nothing without the database',
  'async_predictions.lease_token': 'fences processes off; worth nothing without the database',
  'domain_claims.challenge': 'is published in the DNS',
};

const tableOf: Record<keyof typeof secretColumns, string> = {
  person: 'people',
  apiKey: 'api_keys',
  session: 'sessions',
  invitation: 'invitations',
  ssoConnection: 'sso_connections',
  signingKey: 'signing_keys',
  webhookSecret: 'webhook_keys',
};

const inPublic = `c.relnamespace = 'public'::regnamespace`;
const roles = `('millrace_app', 'millrace_system', 'millrace_worker')`;
const hasTenant = (oid: string): string => `EXISTS (SELECT 1 FROM pg_attribute t WHERE t.attrelid = ${oid} AND t.attname = 'tenant_id' AND NOT t.attisdropped)`;

async function names(sql: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(sql);
  return rows.map(({ name }) => name);
}

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').replaceAll('( ', '(').replaceAll(' AS current_tenant', '');

/** Each lists what breaks it. */
const rules = {
  'every table has forced row-level security and a policy, or stands in the list': async () => {
    const open = await names(
      `SELECT c.relname AS name FROM pg_class c WHERE ${inPublic} AND c.relkind IN ('r', 'p')
        AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid))`,
    );
    const stale = Object.keys(openTables).filter((table) => !open.includes(table));
    const granted = await names(
      `SELECT DISTINCT c.relname AS name FROM pg_class c, aclexplode(c.relacl) a WHERE ${inPublic} AND a.grantee <> c.relowner AND c.relname = ANY ('{${Object.keys(openTables).join()}}')`,
    );
    return [...open.filter((table) => !Object.hasOwn(openTables, table)), ...stale.map((table) => `${table} (not open any more)`), ...granted.map((table) => `${table} (granted)`)];
  },

  'the application sees rows by the tenant of its transaction only': async () => {
    const { rows } = await client.query<{ table: string; tenant: boolean; policies: { command: string; permissive: boolean; qual: string | null; check: string | null }[] }>(
      `SELECT c.relname AS table, ${hasTenant('c.oid')} AS tenant,
        json_agg(json_build_object('command', p.polcmd, 'permissive', p.polpermissive, 'qual', pg_get_expr(p.polqual, c.oid), 'check', pg_get_expr(p.polwithcheck, c.oid))) AS policies
       FROM pg_class c JOIN pg_policy p ON p.polrelid = c.oid
       WHERE ${inPublic} AND p.polroles && ARRAY[0::oid, 'millrace_app'::regrole::oid] GROUP BY c.oid`,
    );
    const wanted = ({ table, tenant }: (typeof rows)[number]): string | undefined => (tenant ? '(tenant_id = (SELECT current_tenant()))' : otherPolicies[table]);
    return rows
      .filter((row) => row.policies.length !== 1 || row.policies.some(({ permissive, qual, check }) => !permissive || qual === null || oneLine(qual) !== wanted(row) || check !== null))
      .map(({ table }) => table);
  },

  'every policy is for named roles': () => names(`SELECT c.relname AS name FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE 0 = ANY (p.polroles)`),

  'no view, rule or foreign table shows rows past the policies': () =>
    names(
      `SELECT c.relname AS name FROM pg_class c WHERE c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
         AND (c.relkind IN ('m', 'f') OR (c.relkind = 'v' AND NOT coalesce(c.reloptions::text[] && ARRAY['security_invoker=true', 'security_invoker=on'], false)))
       UNION ALL SELECT c.relname FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE ${inPublic} AND r.rulename <> '_RETURN'`,
    ),

  'no function runs with the rights of its owner, changes role, or runs text': () =>
    names(
      `SELECT p.proname AS name FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
       WHERE p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
         AND (p.prosecdef OR p.proconfig IS NOT NULL OR l.lanname NOT IN ('sql', 'plpgsql')
           OR p.prosrc ~* '\\m(set\\s+(local\\s+|session\\s+)?(role|session\\s+authorization)|reset\\s+role|row_security|set_config|execute|dblink|copy)\\M')
       UNION ALL SELECT evtname FROM pg_event_trigger`,
    ),

  'the roles can do nothing beside their grants': () =>
    names(
      `SELECT rolname AS name FROM pg_roles WHERE rolname IN ${roles}
         AND (rolsuper OR rolbypassrls OR rolcreatedb OR rolcreaterole OR rolreplication OR rolconfig IS NOT NULL)
       UNION ALL SELECT member::regrole || ' in ' || roleid::regrole FROM pg_auth_members WHERE member::regrole::text IN ${roles}
       UNION ALL SELECT c.relname FROM pg_class c WHERE c.relowner::regrole::text IN ${roles}
       UNION ALL SELECT p.proname FROM pg_proc p WHERE p.proowner::regrole::text IN ${roles}
       UNION ALL SELECT 'create in ' || n.nspname FROM pg_namespace n, unnest(ARRAY['millrace_app', 'millrace_system', 'millrace_worker']) r
         WHERE has_schema_privilege(r, n.oid, 'CREATE') AND n.nspname NOT LIKE 'pg\\_%'
       UNION ALL SELECT 'default grants' FROM pg_default_acl`,
    ),

  'tables grant reading, adding, changing and deleting to named roles, and nothing else to anybody': () =>
    names(
      `SELECT c.relname || ' ' || a.privilege_type AS name FROM pg_class c, aclexplode(c.relacl) a
       WHERE ${inPublic} AND a.grantee <> c.relowner
         AND (a.grantee = 0 OR a.grantee::regrole::text NOT IN ${roles} OR a.is_grantable OR a.privilege_type NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE'))`,
    ),

  'a foreign key between tenants’ tables holds the tenant on both sides': () =>
    names(
      `SELECT k.conname AS name FROM pg_constraint k
       WHERE k.contype = 'f' AND ${hasTenant('k.confrelid')} AND NOT EXISTS (
         SELECT 1 FROM unnest(k.conkey, k.confkey) AS pair (ours, theirs)
         JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = pair.ours AND a.attname = 'tenant_id'
         JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = pair.theirs AND b.attname = 'tenant_id')`,
    ),

  // Its rows are looked for one parent at a time: without an index, through the whole table each time.
  'what goes with another row of its tenant is found by an index that begins with its foreign key': () =>
    names(
      `SELECT k.conname AS name FROM pg_constraint k
       WHERE k.contype = 'f' AND k.confdeltype = 'c' AND ${hasTenant('k.conrelid')} AND ${hasTenant('k.confrelid')} AND NOT EXISTS (
         SELECT 1 FROM pg_index i
         WHERE i.indrelid = k.conrelid AND i.indisvalid AND i.indpred IS NULL AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey)`,
    ),

  'a tenant’s table belongs to a tenant': () =>
    names(
      `SELECT c.relname AS name FROM pg_class c WHERE ${inPublic} AND c.relkind = 'r' AND ${hasTenant('c.oid')} AND (
         EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attnotnull)
         OR NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'f'
           AND EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (k.conkey) AND a.attname = 'tenant_id')))`,
    ),

  'what is unique is unique within its tenant, or stands in the list': async () => {
    const found = await names(
      `SELECT c.relname || '(' || (SELECT string_agg(a.attname, ', ' ORDER BY k.place) FROM unnest(i.indkey::int2[]) WITH ORDINALITY k (column_number, place)
           JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.column_number) || ')' AS name
       FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
       WHERE ${inPublic} AND i.indisunique AND ${hasTenant('c.oid')}
         AND NOT EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND a.attnum = ANY (i.indkey))`,
    );
    const listed = [...Object.keys(uniqueAcrossTenants), ...[...idsOf].map((table) => `${table}(id)`)];
    return [...found.filter((one) => !listed.includes(one)), ...listed.filter((one) => !found.includes(one)).map((one) => `${one} (not there any more)`)];
  },

  'the application reads no secret': async () => {
    const secrets = Object.entries(secretColumns).flatMap(([model, columns]) =>
      Object.keys(columns).map((column) => `${tableOf[model as keyof typeof tableOf]}.${column.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`),
    );
    const columns = await client.query<{ name: string; readable: boolean }>(
      `SELECT c.relname || '.' || a.attname AS name, has_column_privilege('millrace_app', c.oid, a.attnum, 'SELECT') AS readable
       FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE ${inPublic} AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped`,
    );
    const known = columns.rows.map(({ name }) => name);
    const readable = new Set(columns.rows.filter((column) => column.readable).map(({ name }) => name));
    const suspicious = [...readable].filter((name) => /(_|\.)(hash|hmac|sealed|secret|wrapped|password|token|totp|challenge)/.test(name) && !Object.hasOwn(harmlessColumns, name));
    return [...new Set([...secrets.filter((name) => readable.has(name)), ...suspicious, ...secrets.filter((name) => !known.includes(name)).map((name) => `${name} (no such column)`)])];
  },

  'the worker reads no secret but the keys of artefacts': () =>
    names(
      `SELECT c.relname || '.' || a.attname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
       WHERE ${inPublic} AND a.attnum > 0 AND NOT a.attisdropped AND c.relname NOT IN ('runs', 'run_events', 'tenant_queues', 'workers', 'tenants', 'tenant_keys', 'signing_keys', 'model_imports')
         AND has_column_privilege('millrace_worker', c.oid, a.attnum, 'SELECT')`,
    ),

  // But for the purge, which deletes what belongs to a tenant whose time is over, and no other row: a policy sees to it.
  'the audit trail is only added to': () =>
    names(
      `SELECT c.relname || ' ' || p AS name FROM pg_class c, unnest(ARRAY['millrace_app', 'millrace_system', 'millrace_worker']) r, unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) p
       WHERE c.relname IN ('audit_events', 'audit_links') AND (has_table_privilege(r, c.oid, p) OR (p = 'UPDATE' AND has_any_column_privilege(r, c.oid, p)))
         AND NOT (c.relname = 'audit_events' AND r = 'millrace_system' AND p = 'DELETE')
       UNION ALL SELECT 'purge too wide: ' || policyname FROM pg_policies
       WHERE tablename = 'audit_events' AND 'millrace_system' = ANY (roles) AND cmd IN ('DELETE', 'ALL')
         AND NOT (qual LIKE '%tenants.status = ''DELETED''%' AND qual LIKE '%AND (tenants.purge_after <= now())%' AND qual NOT LIKE '% OR %')
       UNION ALL SELECT 'unlinked' WHERE NOT EXISTS (SELECT 1 FROM pg_trigger t WHERE t.tgrelid = 'audit_events'::regclass AND t.tgname = 'link_audit_event' AND t.tgenabled = 'O' AND t.tgdeferrable AND t.tginitdeferred)`,
    ),
} satisfies Record<string, () => Promise<string[]>>;

type Rule = keyof typeof rules;

it.each(Object.keys(rules) as Rule[])('%s', async (rule) => {
  expect(await rules[rule]()).toEqual([]);
});

const tenantTable = (name: string, columns: string): string =>
  `CREATE TABLE ${name} (tenant_id text NOT NULL REFERENCES tenants (id), ${columns}); ALTER TABLE ${name} ENABLE ROW LEVEL SECURITY; ALTER TABLE ${name} FORCE ROW LEVEL SECURITY;
   CREATE POLICY tenant_isolation ON ${name} TO millrace_app USING (tenant_id = (SELECT current_tenant()));`;

const breakages: [rule: Rule, what: string, sql: string, found: string][] = [
  ['every table has forced row-level security and a policy, or stands in the list', 'a table that was forgotten', 'CREATE TABLE notes (id text)', 'notes'],
  ['every table has forced row-level security and a policy, or stands in the list', 'a wall that its owner may step over', 'ALTER TABLE runs NO FORCE ROW LEVEL SECURITY', 'runs'],
  ['every table has forced row-level security and a policy, or stands in the list', 'a wall that is off', 'ALTER TABLE runs DISABLE ROW LEVEL SECURITY', 'runs'],
  ['every table has forced row-level security and a policy, or stands in the list', 'a grant on a table without a wall', 'GRANT SELECT ON _prisma_migrations TO millrace_app', '_prisma_migrations (granted)'],
  ['the application sees rows by the tenant of its transaction only', 'a second policy, which widens the first', 'CREATE POLICY helpful ON runs TO millrace_app USING (true)', 'runs'],
  ['the application sees rows by the tenant of its transaction only', 'a condition that is always true', 'ALTER POLICY tenant_isolation ON runs USING (true)', 'runs'],
  ['the application sees rows by the tenant of its transaction only', 'a check that lets others’ rows in', 'ALTER POLICY tenant_isolation ON runs WITH CHECK (true)', 'runs'],
  ['the application sees rows by the tenant of its transaction only', 'a policy on a table that was none of its business', 'CREATE POLICY helpful ON plans TO millrace_app USING (true)', 'plans'],
  ['every policy is for named roles', 'a policy for everybody', 'CREATE POLICY helpful ON plans USING (true)', 'plans'],
  ['no view, rule or foreign table shows rows past the policies', 'a view with its owner’s rights', 'CREATE VIEW all_runs AS SELECT * FROM runs', 'all_runs'],
  ['no view, rule or foreign table shows rows past the policies', 'a copy', 'CREATE MATERIALIZED VIEW kept_runs AS SELECT id FROM people WITH NO DATA', 'kept_runs'],
  ['no view, rule or foreign table shows rows past the policies', 'a rule', 'CREATE RULE quiet AS ON DELETE TO runs DO INSTEAD NOTHING', 'runs'],
  ['no function runs with the rights of its owner, changes role, or runs text', 'a definer function', `CREATE FUNCTION peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM runs'`, 'peek'],
  ['no function runs with the rights of its owner, changes role, or runs text', 'a function that runs text', `CREATE FUNCTION run_text(t text) RETURNS void LANGUAGE plpgsql AS 'BEGIN EXECUTE t; END'`, 'run_text'],
  ['no function runs with the rights of its owner, changes role, or runs text', 'a function that sets the tenant', `CREATE FUNCTION be(t text) RETURNS text LANGUAGE sql AS $$SELECT set_config('millrace.tenant_id', t, true)$$`, 'be'],
  ['the roles can do nothing beside their grants', 'a role that makes databases', 'ALTER ROLE millrace_app CREATEDB', 'millrace_app'],
  ['the roles can do nothing beside their grants', 'a role within a role', 'GRANT millrace_system TO millrace_app', 'millrace_app in millrace_system'],
  ['the roles can do nothing beside their grants', 'a right to make tables', 'GRANT CREATE ON SCHEMA public TO millrace_app', 'create in public'],
  ['the roles can do nothing beside their grants', 'grants on tables to come', 'ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO millrace_app', 'default grants'],
  ['tables grant reading, adding, changing and deleting to named roles, and nothing else to anybody', 'TRUNCATE, which knows no policy', 'GRANT TRUNCATE ON runs TO millrace_app', 'runs TRUNCATE'],
  ['tables grant reading, adding, changing and deleting to named roles, and nothing else to anybody', 'a grant to everybody', 'GRANT SELECT ON plans TO PUBLIC', 'plans SELECT'],
  [
    'a foreign key between tenants’ tables holds the tenant on both sides',
    'a key that points across',
    tenantTable('notes', 'run_id text CONSTRAINT notes_run REFERENCES runs (id)'),
    'notes_run',
  ],
  [
    'a foreign key between tenants’ tables holds the tenant on both sides',
    'a key that pairs the tenant with something else',
    `ALTER TABLE runs ADD COLUMN other text; ALTER TABLE runs ADD CONSTRAINT twisted UNIQUE (id, tenant_id); ${tenantTable('notes', 'run_id text, CONSTRAINT notes_run FOREIGN KEY (tenant_id, run_id) REFERENCES runs (id, tenant_id)')}`,
    'notes_run',
  ],
  ['a foreign key between tenants’ tables holds the tenant on both sides', 'a key from a table of nobody', 'ALTER TABLE plans ADD COLUMN run_id text CONSTRAINT plans_run REFERENCES runs (id)', 'plans_run'],
  [
    'what goes with another row of its tenant is found by an index that begins with its foreign key',
    'an index that is gone',
    'DROP INDEX recorded_predictions_tenant_id_recording_id_idx',
    'recorded_predictions_tenant_id_recording_id_fkey',
  ],
  [
    'what goes with another row of its tenant is found by an index that begins with its foreign key',
    'an index that knows the tenant only',
    tenantTable('notes', 'run_id text, CONSTRAINT notes_run FOREIGN KEY (tenant_id, run_id) REFERENCES runs (tenant_id, id) ON DELETE CASCADE); CREATE INDEX notes_index ON notes (tenant_id'),
    'notes_run',
  ],
  ['a tenant’s table belongs to a tenant', 'rows of nobody', 'ALTER TABLE usage_records DROP CONSTRAINT usage_records_tenant_id_fkey', 'usage_records'],
  ['what is unique is unique within its tenant, or stands in the list', 'a name that tells of others’', 'CREATE UNIQUE INDEX everybodys ON datasets (name)', 'datasets(name)'],
  ['the application reads no secret', 'a secret', 'GRANT SELECT (password_hash) ON people TO millrace_app', 'people.password_hash'],
  ['the application reads no secret', 'all of a table', 'GRANT SELECT ON sso_connections TO millrace_app', 'sso_connections.secret_sealed'],
  ['the application reads no secret', 'a secret that is new', 'ALTER TABLE uploads ADD COLUMN access_token text; GRANT SELECT ON uploads TO millrace_app', 'uploads.access_token'],
  ['the worker reads no secret but the keys of artefacts', 'the people', 'GRANT SELECT (email) ON people TO millrace_worker', 'people.email'],
  ['the audit trail is only added to', 'a change', 'GRANT UPDATE (result) ON audit_events TO millrace_app', 'audit_events UPDATE'],
  ['the audit trail is only added to', 'a purge of more', 'ALTER POLICY purge_only ON audit_events USING (true)', 'purge too wide: purge_only'],
  ['the audit trail is only added to', 'a chain that is not kept', 'ALTER TABLE audit_events DISABLE TRIGGER link_audit_event', 'unlinked'],
];

it.each(breakages)('finds it when %s is broken by %s', async (rule, _what, sql, found) => {
  await client.query('BEGIN');
  try {
    await client.query(sql);
    expect(await rules[rule]()).toContain(found);
  } finally {
    await client.query('ROLLBACK');
  }
  expect(await rules[rule]()).toEqual([]);
});

it('every rule was broken once', () => {
  expect([...new Set(breakages.map(([rule]) => rule))].sort()).toEqual(Object.keys(rules).sort());
});

it.each(['app', 'system', 'worker'] as const)('the role %s adds to the audit trail at most', async (role) => {
  const tenantId = newId('tenant');
  await test.database.system().transaction((tx) => tx.tenant.create({ data: { id: tenantId, slug: tenantId, name: 'Acme' } }));
  await test.database.forTenant(tenantId).transaction((tx) =>
    tx.auditEvent.create({ data: { id: newId('auditEvent'), tenantId, actor: 'system', action: 'thing.do', result: 'ok' } }),
  );
  const session = new pg.Client({ connectionString: test.urls[role] });
  await session.connect();
  await session.query(`SELECT set_config('millrace.tenant_id', $1, false)`, [tenantId]);
  for (const [table, column] of [['audit_events', 'result'], ['audit_links', 'hash']]) {
    for (const sql of [`UPDATE ${table} SET ${column} = 'x'`, `DELETE FROM ${table}`, `TRUNCATE ${table} CASCADE`, `ALTER TABLE ${table} DISABLE TRIGGER ALL`, `DROP TABLE ${table} CASCADE`]) {
      if (role === 'system' && sql === 'DELETE FROM audit_events') expect(await session.query(sql)).toMatchObject({ rowCount: 0 });
      else await expect(session.query(sql)).rejects.toThrow(/permission denied|must be owner/);
    }
  }
  await session.end();
  const [left] = await test.asOwner('SELECT e.result, l.number FROM audit_events e JOIN audit_links l ON l.event_id = e.id WHERE e.tenant_id = $1', [tenantId]);
  expect(left).toEqual({ result: 'ok', number: 1 });
});
