import { looksForRowsOfAnybody, shapeOf, withoutTenantFilter } from './sql-tap.ts';

const generated = 'SELECT "public"."runs"."id" FROM "public"."runs" WHERE ';

describe('a statement looks for rows of anybody', () => {
  it.each([
    ['a look-up by id', `${generated}("public"."runs"."id" = $1 AND 1=1) LIMIT $2 OFFSET $3`],
    ['no condition at all', 'SELECT name FROM models ORDER BY name'],
    ['the tenant among the columns only', 'SELECT tenant_id, id FROM runs WHERE id = $1'],
    ['the tenant in the order only', 'SELECT id FROM runs WHERE id = $1 ORDER BY tenant_id'],
    ['a column whose name ends like it', 'SELECT id FROM runs WHERE home_tenant_id = $1'],
    ['an update', 'UPDATE runs SET tenant_id = $2 WHERE id = $1'],
    ['a deletion', 'DELETE FROM runs'],
    ['the id of something else than a tenant', 'SELECT r.id FROM runs r WHERE r.id = $1'],
  ])('with %s', (_what, sql) => expect(looksForRowsOfAnybody(sql)).toBe(true));

  it.each([
    ['the tenant as it is generated', `${generated}("public"."runs"."tenant_id" = $1 AND "public"."runs"."id" = $2)`],
    ['a list of tenants', `${generated}"public"."runs"."tenant_id" IN ($1,$2)`],
    ['the tenant by hand, under an alias', 'SELECT id FROM runs r WHERE r.tenant_id = $1 AND r.id = $2'],
    ['an update of this tenant’s', 'UPDATE runs SET name = $1 WHERE tenant_id = $2'],
    ['the tenants’ table by its own id', 'UPDATE tenants SET name = $1 WHERE id = $2'],
    ['the tenants’ table by its own id, as it is generated', 'SELECT "t0"."id" FROM "public"."tenants" AS "t0" WHERE "t0"."id" = $1'],
    ['the database’s own tables', 'SELECT count(*) FROM pg_stat_activity'],
    ['no table', `SELECT set_config('millrace.tenant_id', $1, true)`],
    ['rows to insert', 'INSERT INTO runs (id) VALUES ($1)'],
  ])('unless it has %s', (_what, sql) => expect(looksForRowsOfAnybody(sql)).toBe(false));
});

describe('a statement without its tenant', () => {
  it('compares all but the tenant, and keeps as many parameters', () => {
    expect(withoutTenantFilter(`${generated}("public"."runs"."tenant_id" = $1 AND "public"."runs"."id" = $2)`)).toBe(
      `${generated}($1::text IS NOT NULL AND "public"."runs"."id" = $2)`,
    );
    expect(withoutTenantFilter('SELECT r.id FROM runs r, models m WHERE m.tenant_id = r.tenant_id AND r.tenant_id = $1')).toBe(
      'SELECT r.id FROM runs r, models m WHERE true AND $1::text IS NOT NULL',
    );
  });

  it('is none where no tenant is compared', () => {
    expect(withoutTenantFilter('SELECT id FROM runs WHERE id = $1')).toBeNull();
    expect(withoutTenantFilter('INSERT INTO runs (id, tenant_id) VALUES ($1, $2)')).toBeNull();
  });

  it('keeps the tenant of what is written', () => {
    expect(withoutTenantFilter('UPDATE runs SET tenant_id = $1 WHERE tenant_id = $2')).toBe('UPDATE runs SET tenant_id = $1 WHERE $2::text IS NOT NULL');
  });
});

it('two statements are one but for how many values their lists hold, and for white space', () => {
  expect(shapeOf('SELECT id FROM runs\n  WHERE id IN ($1,$2, $3)')).toBe(shapeOf('SELECT id FROM runs WHERE id IN ($1)'));
  const rowsOf = (places: number[]): string => `SELECT id FROM runs WHERE (${places.map((at) => `("tenant_id" = $${at} AND "id" = $${at + 1})`).join(' OR ')}) LIMIT $9`;
  expect(shapeOf(rowsOf([1, 3, 5]))).toBe(shapeOf(rowsOf([1, 3])));
  expect(shapeOf('SELECT id FROM runs WHERE id = $1')).not.toBe(shapeOf('SELECT id FROM runs WHERE name = $1'));
});
