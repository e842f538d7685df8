import pg from 'pg';

/**
 * Loaded before a server of `npm run bench -- tenancy`: takes the statement that binds a transaction to its tenant away in
 * the driver, so that the same server can be timed without it. Of use only with a role past row-level security: any
 * other is let at no rows.
 */
const { query } = pg.Client.prototype;
const nothing = { fields: [], rows: [], rowCount: 0 };
pg.Client.prototype.query = function (config, ...rest) {
  return String(config?.text).startsWith(`SELECT set_config('millrace.tenant_id'`) ? Promise.resolve(nothing) : query.call(this, config, ...rest);
};
