import { Prisma, type TenantTx } from '@millrace/database';
import { type Actor, requirePermission } from './actor.ts';
import { recordAudit } from './audit.ts';
import type { Grounds } from './grounds.ts';

/** What an export held, for the trail. */
export interface ExportSummary {
  tables: number;
  rows: number;
  artefacts: number;
  bytes: number;
  manifestSha256: string;
}

export interface TenantExport {
  tenant: { id: string; slug: string; name: string };
  begunAt: Date;
  tables: readonly ExportedTable[];
  /** Notes that all of it has reached the one who asked: only then does it count. */
  finish(summary: ExportSummary): Promise<void>;
}

export interface ExportedTable {
  name: string;
  columns: readonly string[];
  /** its rows as lines of JSON, in the order of its key, a few hundred at a time */
  pages(): AsyncGenerator<string[], void, void>;
}

/** No part of an export: keys that open artefacts, which are in it opened. */
const withheldTables = ['tenant_keys'];
/** The database refuses secrets to the tenant's role; should it ever fail to, their columns are known by their names. */
const secretColumn = /(_hmac|_hash|_sealed|^wrapped)$/;
const rowsPerPage = 200;

interface Table {
  name: string;
  columns: string[];
  keys: { name: string; type: string }[];
}

/** Everything that a tenant has in the database, for it to take away. */
export function createTenantExport({ database }: Grounds) {
  return {
    /**
     * Every table of which the tenant's role may read anything, with all that it may read: a new table is in the export
     * from its first day, and a secret never. Each page is a transaction of its own, so the tables are not of one moment.
     */
    async beginExport(actor: Actor): Promise<TenantExport> {
      requirePermission(actor, 'tenant:write');
      const { tenantId } = actor;
      const handle = database.forTenant(tenantId);
      return handle.transaction(async (tx): Promise<TenantExport> => {
        const tenant = await tx.tenant.findUniqueOrThrow({ where: { id: tenantId }, select: { id: true, slug: true, name: true } });
        const tables = await listTables(tx);
        const [{ now }] = await tx.$queryRaw<[{ now: Date }]>`SELECT now() AS now`;
        await recordAudit(tx, actor, { action: 'tenant.export', subject: tenantId, result: 'begun' });
        return {
          tenant,
          begunAt: now,
          tables: tables.map((table) => ({
            name: table.name,
            columns: table.columns,
            async *pages() {
              for (let last: string[] | null = null; ; ) {
                const page: Page = await handle.transaction((pageTx) => readPage(pageTx, tenantId, table, last));
                if (page.lines.length) yield page.lines;
                if (page.lines.length < rowsPerPage) return;
                last = page.last;
              }
            },
          })),
          async finish(summary) {
            await handle.transaction(async (lastTx) => {
              await lastTx.$executeRaw`UPDATE tenants SET exported_at = now() WHERE id = ${tenantId}`;
              await recordAudit(lastTx, actor, { action: 'tenant.export', subject: tenantId, details: { ...summary } });
            });
          },
        };
      });
    },
  };
}

async function listTables(tx: TenantTx): Promise<Table[]> {
  const tables = await tx.$queryRaw<Table[]>`
    SELECT c.relname AS name,
      (SELECT json_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND has_column_privilege(c.oid, a.attnum, 'SELECT')) AS columns,
      (SELECT json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, NULL)) ORDER BY k.place) FROM pg_index i
        CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
        WHERE i.indrelid = c.oid AND i.indisprimary) AS keys
    FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND has_any_column_privilege(c.oid, 'SELECT') ORDER BY c.relname`;
  return tables
    .filter(({ name }) => !withheldTables.includes(name))
    .map((table) => ({ ...table, columns: table.columns.filter((column) => !secretColumn.test(column)) }));
}

interface Page {
  lines: string[];
  /** the key of the last line */
  last: string[] | null;
}

/** Which rows are the tenant's. Row-level security says the same; should it ever not, an export would be of everybody. */
function ofTenant(table: Table, tenantId: string): Prisma.Sql {
  if (table.columns.includes('tenant_id')) return Prisma.sql`t.tenant_id = ${tenantId}`;
  if (table.name === 'tenants') return Prisma.sql`t.id = ${tenantId}`;
  if (table.name === 'people') return Prisma.sql`EXISTS (SELECT 1 FROM memberships m WHERE m.person_id = t.id AND m.tenant_id = ${tenantId})`;
  throw new Error(`nothing says which rows of ${table.name} are a tenant's`);
}

async function readPage(tx: TenantTx, tenantId: string, table: Table, last: string[] | null): Promise<Page> {
  const name = (text: string): Prisma.Sql => Prisma.raw(`"${text.replaceAll('"', '""')}"`);
  const list = (items: Prisma.Sql[]): Prisma.Sql => Prisma.join(items, ', ');
  const keys = table.keys.map((key) => name(key.name));
  const behind = last && Prisma.sql`AND (${list(keys.map((key) => Prisma.sql`t.${key}`))}) > (${list(table.keys.map(({ type }, index) => Prisma.sql`${last[index]}::text::${Prisma.raw(type)}`))})`;
  const rows = await tx.$queryRaw<{ line: string; key: string[] }[]>`
    SELECT (SELECT row_to_json(r)::text FROM (SELECT ${list(table.columns.map((column) => Prisma.sql`t.${name(column)}`))}) r) AS line,
      json_build_array(${list(keys.map((key) => Prisma.sql`t.${key}::text`))}) AS key
    FROM ${name(table.name)} t WHERE ${ofTenant(table, tenantId)} ${behind ?? Prisma.empty} ORDER BY ${list(keys.map((key) => Prisma.sql`t.${key}`))} LIMIT ${rowsPerPage}`;
  return { lines: rows.map(({ line }) => line), last: rows.at(-1)?.key ?? null };
}
