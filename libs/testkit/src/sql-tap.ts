import pg from 'pg';

export interface SqlTapOptions {
  /** the database role whose statements are seen; others pass untouched */
  role: string;
  /** gets each statement as it is sent; what it returns is sent instead */
  see(text: string): string | undefined | void;
  /** told when a statement that was changed fails */
  failed?(changed: string, error: unknown): void;
}

type Send = (this: { user?: string }, config: unknown, ...rest: unknown[]) => unknown;

/**
 * Sees, and may change, every statement that this process sends to Postgres: for tests that ask what would happen if a
 * query were wrong. It sits in the driver, so that no product code knows of it.
 * @returns a function that takes it away again
 */
export function tapSql({ role, see, failed }: SqlTapOptions): () => void {
  const prototype = pg.Client.prototype as unknown as { query: Send };
  const send = prototype.query;
  prototype.query = function (config, ...rest) {
    const text = typeof config === 'string' ? config : (config as { text?: unknown } | null)?.text;
    if (this.user !== role || typeof text !== 'string') return send.call(this, config, ...rest);
    const changed = see(text);
    if (changed === undefined || changed === text) return send.call(this, config, ...rest);
    const result = send.call(this, typeof config === 'string' ? changed : { ...(config as object), text: changed }, ...rest);
    if (failed && result instanceof Promise) result.catch((error: unknown) => failed(changed, error));
    return result;
  };
  return () => {
    prototype.query = send;
  };
}

/** Statements that differ only in how many values a list holds, or how many rows are looked for at once, are one. */
export function shapeOf(sql: string): string {
  const lists = sql.replace(/\$\d+/g, '$').replace(/\bIN \(\$\)|\(\$(?:, ?\$)+\)/g, (list) => list.replace(/\(.+/, '($…)'));
  return lists.replace(/\s+/g, ' ').replace(/(\([^()]*\))(?: OR \1)+/g, '$1 OR …').trim();
}

/** Whether a statement looks for rows without saying whose: then row-level security alone keeps tenants apart. */
export function looksForRowsOfAnybody(sql: string): boolean {
  if (!/^\s*(SELECT\b[^]*\bFROM\s+"?\w|UPDATE|DELETE)/i.test(sql) || /\bFROM (jsonb?|pg)_\w+/i.test(sql)) return false;
  const where = sql.search(/\bWHERE\b/i);
  return where < 0 || !new RegExp(`${tenantColumn(sql)} (?:=|IN)`).test(sql.slice(where));
}

function tenantColumn(sql: string): string {
  const alias = /"public"\."tenants" AS ("t\d+")/.exec(sql)?.[1];
  // By hand: `FROM "tenants" t … t.id`, `UPDATE tenants … id`.
  const byHand = /\b(?:FROM|UPDATE) "?tenants"?(?: (t)\b)?/i.exec(sql);
  const own = byHand ? String.raw`|${byHand[1] ? String.raw`${byHand[1]}\.` : ''}"?id"?` : '';
  return String.raw`(?<![\w".])(?:(?:"?\w+"?\.)*"?tenant_id"?|"public"\."tenants"\."id"${alias ? String.raw`|${alias}\."id"` : ''}${own})`;
}

/**
 * The statement as it would be if its author had forgotten the tenant: every comparison of a tenant's id, be it with a
 * value or in a join, is true instead. Null where there is none. What is inserted keeps its tenant.
 */
export function withoutTenantFilter(sql: string): string | null {
  const where = sql.search(/\bWHERE\b/i);
  if (where < 0) return null;
  const column = tenantColumn(sql);
  const rest = sql.slice(where);
  const stripped = rest
    .replace(new RegExp(String.raw`${column} = ${column}(?!\w)`, 'g'), 'true')
    .replace(new RegExp(String.raw`${column} (?:= (\$\d+)|IN \((\$\d+)\))`, 'g'), (_filter, one: string | undefined, listed: string | undefined) => {
      return `${one ?? listed}::text IS NOT NULL`;
    });
  return stripped === rest ? null : sql.slice(0, where) + stripped;
}
