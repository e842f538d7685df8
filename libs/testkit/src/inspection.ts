import pg from 'pg';

export interface Column {
  name: string;
  /** as Postgres names it: `text`, `jsonb`, `_text` for an array of text */
  type: string;
  nullable: boolean;
  hasDefault: boolean;
}

export interface ForeignKey {
  columns: string[];
  references: string;
  referenced: string[];
}

export interface Table {
  name: string;
  columns: Column[];
  foreignKeys: ForeignKey[];
}

/**
 * A test's own eyes: sees every row, while row-level security stays in force for the roles that the product logs in as.
 * Opened once for a database, it gives the owner a policy of its own on every table.
 */
export interface Inspection {
  /** with a name, the statement is planned once for all times that it is asked */
  query<Row extends object = Record<string, unknown>>(sql: string, values?: unknown[], name?: string): Promise<Row[]>;
  /** every table, in an order of which none comes before what it refers to */
  tables(): Promise<Table[]>;
  /** of all rows of a tenant: changes when any of them does; by table */
  digests(tenantId: string): Promise<Record<string, string>>;
  /** every row of a tenant as JSON has it, by table: its people are those who are members */
  rows(tenantId: string, options?: { withTrail: boolean }): Promise<Record<string, Record<string, unknown>[]>>;
  /** the lines of a tenant's trail that come after this one, in order, with their links */
  trail(tenantId: string, after: string): Promise<{ id: string; hash: string }[]>;
  close(): Promise<void>;
}

const notOurs = ['_prisma_migrations'];

export async function openInspection(ownerUrl: string): Promise<Inspection> {
  const client = new pg.Client({ connectionString: ownerUrl });
  await client.connect();
  const query: Inspection['query'] = async <Row extends object>(sql: string, values?: unknown[], name?: string) =>
    (await client.query<Row & pg.QueryResultRow>({ text: sql, ...(values && { values }), ...(name && { name }) })).rows;

  const guarded = await query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relrowsecurity`,
  );
  for (const { name } of guarded) {
    await query(`CREATE POLICY inspection ON ${name} TO CURRENT_USER USING (true) WITH CHECK (true)`);
  }
  const all = await readTables(query);

  /** Which rows of a table are a tenant's; null where none can be. */
  function belongsTo({ name, columns }: Table): string | null {
    if (name === 'tenants') return 'id = $1';
    const names = columns.map((column) => column.name);
    if (names.includes('tenant_id')) return 'tenant_id = $1';
    const ofMember = (column: string): string => `${column} IN (SELECT person_id FROM memberships WHERE tenant_id = $1)`;
    if (name === 'people') return ofMember('id');
    return names.includes('person_id') ? ofMember('person_id') : null;
  }

  return {
    query,
    tables: async () => all,
    async digests(tenantId) {
      const parts = all.flatMap((table) => {
        const mine = belongsTo(table);
        const digest = `md5(coalesce(string_agg(md5(t::text), '' ORDER BY md5(t::text)), ''))`;
        return mine ? [`SELECT '${table.name}' AS name, ${digest} AS digest FROM ${table.name} t WHERE ${mine}`] : [];
      });
      const found = await query<{ name: string; digest: string }>(parts.join(' UNION ALL '), [tenantId], 'digests');
      return Object.fromEntries(found.map(({ name, digest }) => [name, digest]));
    },
    async rows(tenantId, { withTrail } = { withTrail: true }) {
      // In one statement: it is asked for after every change.
      const parts = all.flatMap((table) => {
        const mine = belongsTo(table);
        return mine && (withTrail || !table.name.startsWith('audit_')) ? [`SELECT '${table.name}' AS name, coalesce(json_agg(t), '[]') AS rows FROM ${table.name} t WHERE ${mine}`] : [];
      });
      const found = await query<{ name: string; rows: Record<string, unknown>[] }>(parts.join(' UNION ALL '), [tenantId], withTrail ? 'rows' : 'rows beside the trail');
      return Object.fromEntries(found.map(({ name, rows }) => [name, rows]));
    },
    trail: (tenantId, after) =>
      query<{ id: string; hash: string }>(
        'SELECT e.id, l.hash FROM audit_events e JOIN audit_links l ON l.event_id = e.id AND l.tenant_id = e.tenant_id WHERE e.tenant_id = $1 AND e.id > $2 ORDER BY e.id',
        [tenantId, after],
        'trail',
      ),
    close: () => client.end(),
  };
}

async function readTables(query: Inspection['query']): Promise<Table[]> {
  const columns = await query<Column & { table: string }>(`
    SELECT c.relname AS "table", a.attname AS name, t.typname AS type, NOT a.attnotnull AS nullable, a.atthasdef AS "hasDefault"
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY c.relname, a.attnum`);
  const keys = await query<ForeignKey & { table: string }>(`
    SELECT k.conrelid::regclass::text AS "table", k.confrelid::regclass::text AS references,
      (SELECT json_agg(a.attname ORDER BY n) FROM unnest(k.conkey) WITH ORDINALITY u(c, n)
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.c) AS columns,
      (SELECT json_agg(a.attname ORDER BY n) FROM unnest(k.confkey) WITH ORDINALITY u(c, n)
        JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.c) AS referenced
    FROM pg_constraint k WHERE k.contype = 'f' AND k.connamespace = 'public'::regnamespace`);
  const waiting = [...new Set(columns.map(({ table }) => table))]
    .filter((name) => !notOurs.includes(name))
    .map((name) => ({
      name,
      columns: columns.filter(({ table }) => table === name).map(({ table: _, ...column }) => column),
      foreignKeys: keys.filter(({ table }) => table === name).map(({ table: _, ...key }) => key),
    }));
  const ordered: Table[] = [];
  while (waiting.length) {
    const next = waiting.findIndex(({ name, foreignKeys }) =>
      foreignKeys.every(({ references }) => references === name || ordered.some((table) => table.name === references)),
    );
    if (next < 0) throw new Error(`tables refer to each other in a circle: ${waiting.map(({ name }) => name).join(', ')}`);
    ordered.push(...waiting.splice(next, 1));
  }
  return ordered;
}
