import { createDatabase, type Database } from '@millrace/database';
import { newId, silentLogger } from '@millrace/kernel';
import pg from 'pg';
import { tapSql } from './sql-tap.ts';
import type { TestDatabase } from './test-database.ts';

export interface InterleavingOptions {
  test: TestDatabase;
  /** transactions in all */
  count: number;
  /** repeats the same order of deeds */
  seed?: number;
  tenants?: number;
  atOnce?: number;
  poolSize?: number;
  progress?(done: number): void;
}

export interface InterleavingResult {
  /** by deed and how it ended: that, and the code of the error where it was one */
  outcomes: Record<string, number>;
  /** what somebody saw that was not theirs, or did not see though it was: must be empty */
  leaks: string[];
  /** cancels and ended connections, from outside */
  disturbances: { cancelled: number; terminated: number };
}

/** A small seeded generator (mulberry32), so that a run can be repeated. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * Many tenants take turns on very few connections, while transactions fail in every way that there is: in the database, in
 * the code between two statements, by a time-out, by a cancel, by the end of the connection. No statement names a tenant:
 * what comes back shows whose the connection was.
 */
export async function interleaveTenants(options: InterleavingOptions): Promise<InterleavingResult> {
  const { test, count, seed = 1, tenants = 6, atOnce = 16, poolSize = 2, progress } = options;
  const random = seededRandom(seed);
  const database = createDatabase({ tenantUrl: test.urls.app, systemUrl: test.urls.system, logger: silentLogger, poolSize });
  const outcomes: Record<string, number> = {};
  const leaks: string[] = [];
  try {
    const parties = await makeTenants(test.database, tenants);
    const disturber = await startDisturbing(test.urls.app, random);
    let begun = 0;
    const worker = async (): Promise<void> => {
      // On a slow machine the disturber may not have had its turn by then: what was never disturbed proves nothing.
      while (begun < count || disturber.counts.cancelled === 0 || disturber.counts.terminated === 0) {
        begun++;
        if (begun % 1000 === 0) progress?.(begun);
        const self = parties[Math.floor(random() * parties.length)]!;
        const other = parties[(parties.indexOf(self) + 1 + Math.floor(random() * (parties.length - 1))) % parties.length]!;
        const [name, deed] = deeds[Math.floor(random() * deeds.length)]!;
        const saw = (rows: readonly { tenantId: string }[], own = 0): void => {
          for (const { tenantId } of rows) if (tenantId !== self.tenantId) leaks.push(`${name} as ${self.tenantId} saw ${tenantId}`);
          const seen = rows.filter(({ tenantId }) => tenantId === self.tenantId).length;
          if (seen !== own) leaks.push(`${name} as ${self.tenantId} saw ${seen} of its own, not ${own}`);
        };
        const ended = await deed({ database, self, other, saw }).then(
          () => 'ok',
          (error: unknown) => codeOf(error),
        );
        outcomes[`${name}: ${ended}`] = (outcomes[`${name}: ${ended}`] ?? 0) + 1;
      }
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
    const disturbances = await disturber.stop();
    if (!(await areBoundToNobody(database, poolSize))) leaks.push('a connection in the pool still carries a tenant');
    // Whatever was undone has left nothing behind, in anybody's rows.
    const strays = await test.asOwner(`SELECT tenant_id FROM datasets WHERE name LIKE 'undone%'`);
    if (strays.length) leaks.push(`${strays.length} rows of transactions that failed are there`);
    return { outcomes, leaks, disturbances };
  } finally {
    await database.close();
  }
}

interface Party {
  tenantId: string;
  datasetIds: string[];
}

interface Scene {
  database: Database;
  self: Party;
  other: Party;
  /** notes rows of others, and another number of one's own than there is */
  saw(rows: readonly { tenantId: string }[], own?: number): void;
}

const rowsOfEach = 3;

class HalfWay extends Error {}

const stray = (tenantId: string) => ({ id: newId('dataset'), tenantId, name: `undone ${newId('dataset')}`, createdBy: 'system' });

const deeds: readonly [string, (scene: Scene) => Promise<unknown>][] = [
  ['list', async ({ database, self, saw }) => saw(await database.forTenant(self.tenantId).transaction((tx) => tx.dataset.findMany()), rowsOfEach)],
  [
    'ask in SQL',
    async ({ database, self, saw }) =>
      saw(await database.forTenant(self.tenantId).transaction((tx) => tx.$queryRaw<{ tenantId: string }[]>`
        SELECT tenant_id AS "tenantId" FROM datasets UNION ALL SELECT current_setting('millrace.tenant_id')`), rowsOfEach + 1),
  ],
  [
    'look up another’s',
    async ({ database, self, other, saw }) => {
      const found = await database.forTenant(self.tenantId).transaction((tx) => tx.dataset.findUnique({ where: { id: other.datasetIds[0]! } }));
      saw(found ? [found] : []);
    },
  ],
  [
    'read for the length of a request',
    async ({ database, self, other, saw }) => {
      const session = database.forTenant(self.tenantId).readSession();
      try {
        const [mine, theirs] = await Promise.all([session.client.dataset.findMany(), session.client.dataset.findUnique({ where: { id: other.datasetIds[0]! } })]);
        saw([...mine, ...(theirs ? [theirs] : [])], rowsOfEach);
      } finally {
        await session.close();
      }
    },
  ],
  [
    'write for another',
    async ({ database, self, other, saw }) => {
      saw(await database.forTenant(self.tenantId).transaction((tx) => tx.dataset.updateManyAndReturn({ where: { id: other.datasetIds[0]! }, data: { name: 'undone by another' } })));
    },
  ],
  ['insert for another', async ({ database, self, other }) => database.forTenant(self.tenantId).transaction((tx) => tx.dataset.create({ data: stray(other.tenantId) }))],
  [
    'fail half way',
    async ({ database, self }) =>
      database.forTenant(self.tenantId).transaction(async (tx) => {
        await tx.dataset.create({ data: stray(self.tenantId) });
        throw new HalfWay();
      }),
  ],
  [
    'fail in the database',
    async ({ database, self }) =>
      database.forTenant(self.tenantId).transaction(async (tx) => {
        await tx.dataset.create({ data: stray(self.tenantId) });
        await tx.$queryRaw`SELECT 1 / 0`;
      }),
  ],
  [
    'run out of time',
    async ({ database, self }) =>
      database.forTenant(self.tenantId).transaction(async (tx) => {
        await tx.dataset.create({ data: stray(self.tenantId) });
        await tx.$executeRaw`SET LOCAL statement_timeout = 1`;
        await tx.$queryRaw`SELECT pg_sleep(5)::text`;
      }),
  ],
];

async function makeTenants(database: Database, count: number): Promise<Party[]> {
  const parties = Array.from({ length: count }, () => ({ tenantId: newId('tenant'), datasetIds: Array.from({ length: rowsOfEach }, () => newId('dataset')) }));
  for (const { tenantId, datasetIds } of parties) {
    await database.system().transaction((tx) => tx.tenant.createMany({ data: [{ id: tenantId, slug: tenantId, name: tenantId }] }));
    await database.forTenant(tenantId).transaction((tx) => tx.dataset.createMany({ data: datasetIds.map((id) => ({ id, tenantId, name: id, createdBy: 'system' })) }));
  }
  return parties;
}

/** Asks the connections between two transactions: there, row-level security must find no tenant to let in. */
async function areBoundToNobody(database: Database, poolSize: number): Promise<boolean> {
  const failIfBound = `SELECT 1 / (coalesce(current_setting('millrace.tenant_id', true), '') = '')::int`;
  const untap = tapSql({ role: 'millrace_app', see: (text) => (text === 'SELECT 1' ? failIfBound : undefined) });
  try {
    const unbound = await Promise.all(Array.from({ length: poolSize * 4 }, () => database.isReachable()));
    return unbound.every(Boolean);
  } finally {
    untap();
  }
}

/** From a connection of its own: now and then cancels what runs, and more seldom ends a connection. */
export async function startDisturbing(appUrl: string, random: () => number): Promise<Disturber> {
  const client = new pg.Client({ connectionString: appUrl, application_name: 'disturber' });
  await client.connect();
  const counts = { cancelled: 0, terminated: 0 };
  let going = true;
  const running = (async () => {
    while (going) {
      const kill = random() < 0.25;
      const { rowCount } = await client.query(
        `SELECT ${kill ? 'pg_terminate_backend' : 'pg_cancel_backend'}(pid) FROM pg_stat_activity
         WHERE usename = current_user AND datname = current_database() AND application_name <> 'disturber' AND state = 'active' AND random() < 0.5 LIMIT 1`,
      );
      counts[kill ? 'terminated' : 'cancelled'] += rowCount ?? 0;
      await client.query('SELECT pg_sleep($1)', [random() * 0.006]);
    }
  })();
  return {
    counts,
    async stop() {
      going = false;
      await running;
      await client.end();
      return counts;
    },
  };
}

interface Disturber {
  /** so far */
  readonly counts: { readonly cancelled: number; readonly terminated: number };
  stop(): Promise<Disturber['counts']>;
}

/** Short, for counting: what ended it. */
function codeOf(error: unknown): string {
  if (error instanceof HalfWay) return 'half way';
  for (let cause = error as { code?: unknown; cause?: unknown; meta?: { driverAdapterError?: unknown } } | undefined, depth = 0; cause && depth < 6; depth++) {
    const original = (cause as { originalCode?: unknown }).originalCode;
    if (typeof original === 'string') return original;
    const next = (cause.cause ?? cause.meta?.driverAdapterError) as typeof cause | undefined;
    if (!next && typeof cause.code === 'string') return cause.code;
    cause = next;
  }
  return error instanceof Error ? error.constructor.name : 'unknown';
}
