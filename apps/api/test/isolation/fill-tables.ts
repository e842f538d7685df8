import { randomBytes, randomUUID } from 'node:crypto';
import { idPrefixes, type IdKind, newId } from '@millrace/kernel';
import type { Column, Inspection, Table } from '@millrace/testkit';

/** What marks a tenant's data, so that it is known wherever it turns up. */
export interface Marks {
  /** in every text of the tenant */
  canary: string;
  /** in what nobody may ever see, not even the tenant: hashes, sealed secrets */
  secret: string;
}

export const newMarks = (): Marks => ({ canary: mark(), secret: mark() });

/** Small letters and digits, so that it survives wherever it stands: in addresses, slugs, names and numbers of columns. */
function mark(): string {
  return `zq${randomBytes(12).toString('base64').replace(/[^a-z0-9]/gi, '').toLowerCase().slice(0, 10)}`;
}

const isSecret = (column: string): boolean => /hash|hmac|sealed|wrapped|secret/.test(column) && !/sha256/.test(column);

/**
 * Gives a tenant a row in every table in which it has none, whatever the table is, and a text in every column that holds
 * none: so that what a later migration adds is looked for from the first day.
 */
export async function fillTables(inspection: Inspection, tenantId: string, marks: Marks): Promise<void> {
  const tables = await inspection.tables();
  for (const table of tables) {
    const rows = (await inspection.rows(tenantId))[table.name];
    if (rows?.length === 0) await insertRow(inspection, table, tenantId, marks);
  }
  const filled = await inspection.rows(tenantId);
  for (const table of tables) {
    // The trail is a chain of hashes: it is what it is.
    if (!filled[table.name] || table.name.startsWith('audit_')) continue;
    for (const column of table.columns) {
      const isKey = table.foreignKeys.some(({ columns }) => columns.includes(column.name));
      const isEmpty = filled[table.name]!.every((row) => row[column.name] === null);
      if (column.type !== 'text' || isKey || !isEmpty) continue;
      const owner = table.columns.some(({ name }) => name === 'tenant_id') ? 'tenant_id = $2' : table.name === 'tenants' ? 'id = $2' : null;
      const ofPeople = `${table.name === 'people' ? 'id' : 'person_id'} IN (SELECT person_id FROM memberships WHERE tenant_id = $2)`;
      await inspection.query(`UPDATE ${table.name} SET ${column.name} = $1 WHERE ${owner ?? ofPeople}`, [textFor(column.name, marks), tenantId]);
    }
  }
}

/** Texts that cannot hold a mark: words of the product's own, or what tenants share. */
const unmarked = new Set([
  'tenants.plan_name', // a plan is the platform's
  'api_keys.last_four', // too short
  'audit_events.action', 'audit_events.result', // words of the product
  'audit_events.address', // where the test itself asks from
  'uploads.dialect', // words of the product
  'signing_keys.master_key_id', // the installation's
  'tenant_keys.master_key_id', // the installation's
]);

/** Columns without a mark of the tenant in any row, and tables without a row: what the matrix would be blind to. */
export async function blindSpots(inspection: Inspection, tenantId: string, marks: Marks, isKnown: (text: string) => boolean): Promise<string[]> {
  const rows = await inspection.rows(tenantId);
  return (await inspection.tables()).flatMap((table) => {
    const ofTenant = rows[table.name];
    if (!ofTenant) return [];
    if (!ofTenant.length) return [table.name];
    return table.columns
      .filter(({ type }) => ['text', 'jsonb', '_text'].includes(type))
      .filter(({ name }) =>
        ofTenant.every((row) => {
          const text = JSON.stringify(row[name]);
          return !text.includes(marks.canary) && !text.includes(marks.secret) && !isKnown(text);
        }),
      )
      .map(({ name }) => `${table.name}.${name}`)
      .filter((column) => !unmarked.has(column));
  });
}

/** Which label of an enum a row may have only its constraints know: one after the other is tried. */
async function insertRow(inspection: Inspection, table: Table, tenantId: string, marks: Marks, attempt = 0): Promise<void> {
  const values = new Map<string, unknown>();
  for (const { columns, references, referenced } of table.foreignKeys) {
    const found = (await inspection.rows(tenantId))[references]?.[0];
    if (found) for (const [index, column] of columns.entries()) values.set(column, found[referenced[index]!]);
  }
  for (const column of table.columns) {
    if (values.has(column.name)) continue;
    const value = await valueFor(inspection, table, column, tenantId, marks, attempt);
    if (value !== undefined) values.set(column.name, value);
  }
  const names = [...values.keys()];
  const inserted = inspection.query(
    `INSERT INTO ${table.name} (${names.map((name) => `"${name}"`).join(', ')}) VALUES (${names.map((_, index) => `$${index + 1}`).join(', ')})`,
    [...values.values()],
  );
  await inserted.catch((error: { code?: string }) => {
    const checkViolation = '23514';
    if (error.code !== checkViolation || attempt === 6) throw error;
    return insertRow(inspection, table, tenantId, marks, attempt + 1);
  });
}

/** @returns undefined for what is better left out */
async function valueFor(inspection: Inspection, table: Table, column: Column, tenantId: string, marks: Marks, attempt: number): Promise<unknown> {
  const { name, type, nullable, hasDefault } = column;
  if (name === 'tenant_id') return tenantId;
  // An account has the id of what it is the account of.
  if (name === 'id' && table.name !== 'usage_accounts') return newId(kindOf(table.name));
  if (type === 'uuid') return randomUUID();
  if (type === 'text') return textFor(name, marks);
  if (type === '_text') return [marks.canary];
  if (type.startsWith('_int')) return [1];
  if (type === 'jsonb') return JSON.stringify({ [marks.canary]: 'VIEWER' });
  if (name === 'next_at') return new Date(Date.now() + 86_400_000); // not due: whoever delivers would change it
  if (type === 'bytea' && !nullable) return Buffer.from(marks.secret); // sealed
  if (nullable || hasDefault) return undefined;
  if (type === 'timestamptz') return new Date(Date.now() + 86_400_000);
  if (/^(int|float|numeric)/.test(type)) return 1;
  if (type === 'bool') return false;
  const labels = await inspection.query<{ label: string }>('SELECT enumlabel AS label FROM pg_enum WHERE enumtypid = $1::regtype ORDER BY enumsortorder', [type]);
  return labels.at(-1 - (attempt % labels.length))?.label;
}

function textFor(column: string, { canary, secret }: Marks): string {
  if (isSecret(column)) return `${column}-${secret}`;
  if (column === 'email') return `${column}@${canary}.test`;
  if (column === 'domain') return `${canary}.test`;
  if (column === 'issuer') return `https://${canary}.test`;
  return `${column.replaceAll('_', '-')}-${canary}`;
}

function kindOf(table: string): IdKind {
  // A prediction that nobody waits for is one all the same.
  const things = table.replace(/^async_/, '').replace(/ies$/, 'ys');
  const kind = Object.keys(idPrefixes).find((candidate) => `${candidate.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}s` === things);
  if (!kind) throw new Error(`the rows of ${table} have ids of no kind in idPrefixes`);
  return kind as IdKind;
}

/** by inspection, tenant and marks: the oldest transaction that was not over when it was last looked for them */
const lookedUntil = new WeakMap<Inspection, Map<string, string>>();

/**
 * Removes what a tenant has made under names that hold one of these marks, and its own such name: so that each test finds
 * things as they were. Only rows written since the last time are looked at. A trail stays whole: one with a gap is
 * broken, and names that its people have tried may stand in it.
 */
export async function removeMarked(inspection: Inspection, tenantId: string, marks: readonly string[]): Promise<void> {
  const patterns = marks.map((mark) => `%${mark}%`);
  const until = lookedUntil.get(inspection) ?? new Map<string, string>();
  lookedUntil.set(inspection, until);
  const key = [tenantId, ...marks].join();
  const tables = (await inspection.tables()).filter(({ name, columns }) => name === 'tenants' || columns.some((column) => column.name === 'tenant_id'));
  const marked = tables.map(
    ({ name }) => `SELECT '${name}' AS name WHERE EXISTS (SELECT 1 FROM ${name} t WHERE ${name === 'tenants' ? 'id' : 'tenant_id'} = $1 AND t.xmin::text::int8 >= $3 AND t::text LIKE ANY ($2))`,
  );
  const found = await inspection.query<{ name: string; now: string }>(
    `SELECT name, now FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS now) n LEFT JOIN (${marked.join(' UNION ALL ')}) m ON true`,
    [tenantId, patterns, until.get(key) ?? '0'],
    'marked',
  );
  until.set(key, found[0]!.now);
  const names = new Set(found.map(({ name }) => name));
  // Words that somebody gave to what was there already: it stays, without them.
  if (names.has('models')) await inspection.query(`UPDATE models t SET description = '', tags = '{}', gate = NULL WHERE tenant_id = $1 AND t::text LIKE ANY ($2)`, [tenantId, patterns]);
  if (names.has('model_versions')) await inspection.query(`UPDATE model_versions t SET card = NULL, tags = '{}' WHERE tenant_id = $1 AND t::text LIKE ANY ($2)`, [tenantId, patterns]);
  for (const { name } of tables.reverse()) {
    if (!names.has(name) || name === 'tenants' || name.startsWith('audit_')) continue;
    await inspection.query(`DELETE FROM ${name} t WHERE tenant_id = $1 AND t::text LIKE ANY ($2)`, [tenantId, patterns]);
  }
  if (names.has('tenants')) await inspection.query(`UPDATE tenants SET name = 'Renamed' WHERE id = $1 AND name LIKE ANY ($2)`, [tenantId, patterns]);
}
