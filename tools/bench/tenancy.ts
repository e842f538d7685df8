import { parseArgs } from 'node:util';
import { createDatabase } from '@millrace/database';
import { silentLogger } from '@millrace/kernel';
import { createWorld, type TestDatabase } from '@millrace/testkit';
import { median } from './median.ts';
import type { Servers } from './servers.ts';
import { modelsOverHttp, type Read, tenancyOverHttp } from './tenancy-over-http.ts';

const tenants = 50;
const modelsOfEach = 20;
const versionsOfEach = 10;
const tenantIdOf = (number: number): string => `ten_${String(number).padStart(26, '0')}`;

/**
 * What keeping tenants apart costs a nested read: the models of a tenant with their newest versions and those versions'
 * aliases, asked (1) through a tenant's handle under row-level security, (2) through a handle past row-level security, and
 * (3) in a transaction that is bound to no tenant, past row-level security. All three filter by the tenant, as the product
 * does, and are done in turn; the median of the rounds counts. First one query by itself, then the whole way: a GraphQL
 * query to an API over HTTP.
 */
export async function benchTenancy(parameters: string[]): Promise<void> {
  const { values } = parseArgs({
    args: parameters,
    options: { rounds: { type: 'string', default: '41' }, queries: { type: 'string', default: '50' }, requests: { type: 'string', default: '15' } },
  });
  const rounds = Number(values.rounds);
  const world = await createWorld();
  const test = world.db;
  const past = createDatabase({ tenantUrl: test.urls.owner, systemUrl: test.urls.owner, logger: silentLogger });
  let servers: Servers | undefined;
  try {
    await fill(test);
    await compare('in the database, a query:', { rounds, reads: Number(values.queries), models: modelsOfEach }, {
      'handle and row-level security': (tenantId) => test.database.forTenant(tenantId).transaction((tx) => tx.model.findMany(modelsOf(tenantId))),
      'handle alone': (tenantId) => past.forTenant(tenantId).transaction((tx) => tx.model.findMany(modelsOf(tenantId))),
      neither: (tenantId) => past.system().transaction((tx) => tx.model.findMany(modelsOf(tenantId))),
    });
    const tenantIds = Array.from({ length: tenants }, (_, index) => tenantIdOf(index + 1));
    const overHttp = await tenancyOverHttp(world, test.urls.owner, tenantIds);
    servers = overHttp.servers;
    await compare('over HTTP, a GraphQL query:', { rounds, reads: Number(values.requests), models: modelsOverHttp }, overHttp.modes);
  } finally {
    servers?.kill();
    await past.close();
    await world.close();
  }
}

async function compare(title: string, { rounds, reads, models }: { rounds: number; reads: number; models: number }, modes: Record<string, Read>): Promise<void> {
  const names = Object.keys(modes);
  const took: Record<string, number[]> = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = -2; round < rounds; round++) {
    for (const name of round % 2 ? names : [...names].reverse()) {
      const begun = performance.now();
      for (let i = 0; i < reads; i++) {
        const found = await modes[name]!(tenantIdOf(1 + (i % tenants)));
        if (found.length !== models || found.some(({ versions }) => versions.length !== 3)) throw new Error(`${name}: not the tenant's models`);
      }
      if (round >= 0) took[name]!.push((performance.now() - begun) / reads); // the first two warm up
    }
  }
  console.log(title);
  for (const name of names) {
    const ratios = took[name]!.map((each, round) => each / took['neither']![round]!);
    console.log(
      `  ${name.padEnd(30)} ${median(took[name]!).toFixed(3)} ms   ratio to neither ${median(ratios).toFixed(2)} (rounds ${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`,
    );
  }
}

const modelsOf = (tenantId: string) =>
  ({
    where: { tenantId },
    orderBy: { name: 'asc' },
    select: {
      id: true,
      name: true,
      task: true,
      versions: {
        where: { tenantId },
        orderBy: { number: 'desc' },
        take: 3,
        select: { id: true, number: true, status: true, metrics: true, aliases: { where: { tenantId }, select: { name: true } } },
      },
    },
  }) as const;

/** Models, versions and aliases alone: what they were made from is not asked for. The owner may see the rows of all, and is the only one. */
async function fill(test: TestDatabase): Promise<void> {
  const id = (prefix: string, number: string): string => `'${prefix}_' || lpad((${number})::text, 26, '0')`;
  const model = `t * 1000 + m`;
  const version = `(${model}) * 100 + v`;
  const [all, models, versions] = [`generate_series(1, ${tenants}) t`, `generate_series(1, ${modelsOfEach}) m`, `generate_series(1, ${versionsOfEach}) v`];
  await test.asOwner(`
    ${['run_id', 'dataset_version_id'].map((column) => `ALTER TABLE model_versions DROP CONSTRAINT model_versions_tenant_id_${column}_fkey;`).join('\n')}
    DO $$ DECLARE name text; BEGIN
      FOR name IN SELECT oid::regclass FROM pg_class WHERE relrowsecurity LOOP EXECUTE 'CREATE POLICY past ON ' || name || ' TO CURRENT_USER USING (true)'; END LOOP;
    END $$;
    INSERT INTO tenants (id, slug, name) SELECT ${id('ten', 't')}, 'bench-' || t, 'Bench ' || t FROM ${all};
    INSERT INTO models (id, tenant_id, name, task) SELECT ${id('mdl', model)}, ${id('ten', 't')}, 'model-' || m, (enum_range(NULL::model_task))[1] FROM ${all}, ${models};
    INSERT INTO model_versions (id, tenant_id, model_id, number, status, family, run_id, dataset_version_id, package_prefix, package_sha256, size_bytes, size_gz_bytes, signature, metrics, agreement)
      SELECT ${id('mdv', version)}, ${id('ten', 't')}, ${id('mdl', model)}, v, 'READY', 'knn', ${id('run', version)}, 'none', '', '', 1, 1, '{}', '{"accuracy": 0.9}', '{}' FROM ${all}, ${models}, ${versions};
    INSERT INTO model_aliases (tenant_id, model_id, name, version_id, updated_by, updated_at)
      SELECT ${id('ten', 't')}, ${id('mdl', model)}, 'alias-' || v, ${id('mdv', version)}, 'bench', now() FROM ${all}, ${models}, ${versions};
    ANALYZE;
  `);
}
