import { shapeOf, tapSql, withoutTenantFilter } from '@millrace/testkit';
import { schema } from '../src/schema.ts';
import { type Asker, createMatrix, type ForeignCase, type Matrix } from './isolation/matrix.ts';
import type { Operation } from './isolation/schema-operations.ts';
import { removeMarked } from './isolation/fill-tables.ts';
import { textsIn } from './isolation/leak-search.ts';
import { createTwoTenants, type TwoTenants } from './isolation/two-tenants.ts';
import { subscribeOverHttp } from './event-stream.ts';

/**
 * Two walls stand between tenants: the tenant in each query, and row-level security. Here one is taken away at a time,
 * the first from each statement in turn, and the other has to hold.
 */
let two: TwoTenants;
let matrix: Matrix;
let stranger: Asker;

/** Something that the other tenant's owner does, and the statements that came of it. */
interface Deed {
  name: string;
  run(): Promise<void>;
  /** whether it may leave something behind */
  changes: boolean;
  shapes: Set<string>;
}
const deeds: Deed[] = [];
/** every statement of the application with a tenant in it, by its shape, and an example */
const statements = new Map<string, string>();
const ofSystem = new Set<string>();

const limitMs = 600_000;

beforeAll(async () => {
  two = await createTwoTenants();
  const { world, acme, rival, operator, tokenOf } = two;
  matrix = createMatrix({ world, schema, acme, rival, operator, tokenOf });
  stranger = (await matrix.askers('signed-in')).find(({ name }) => name === 'owner of another tenant')!;
  const [credential] = stranger.credentials as [string];

  const ask = (operation: Operation, variables: Record<string, unknown>): void => {
    deeds.push({ name: `${operation.name} ${JSON.stringify(variables).slice(0, 120)}`, changes: false, shapes: new Set(), run: async () => void (await matrix.ask(stranger, credential, operation, variables)) });
  };
  /** What is made under another tenant's names is removed again: or else every list would show them. */
  const change = (operation: Operation, variables: Record<string, unknown>): void => {
    const run = async (): Promise<void> => {
      await matrix.giving(variables, () => matrix.ask(stranger, credential, operation, variables));
      await removeMarked(two.inspection, rival.tenantId, [acme.marks.canary]);
    };
    deeds.push({ name: `${operation.name} ${JSON.stringify(variables).slice(0, 120)}`, changes: true, shapes: new Set(), run });
  };
  const named = matrix.operations;
  for (const field of named.rootFields('query')) {
    for (const operation of named.everyFieldFrom('query', field).operations) ask(operation, await matrix.search(stranger, credential, operation));
  }
  const foreign = (operation: Operation): ForeignCase[] => matrix.foreignCases(operation, stranger, null, 1);
  for (const operation of named.nestedArguments()) for (const each of foreign(operation)) ask(operation, each.foreign);
  for (const root of ['query', 'mutation'] as const) {
    // Whoever is not signed in yet has no tenant.
    for (const field of named.rootFields(root).filter((one) => matrix.needs(root, one) !== 'public')) {
      for (const each of foreign(named.whole(root, field, 2))) {
        if (root === 'query') ask(each.operation, each.foreign);
        else change(each.operation, each.foreign);
      }
    }
  }
  for (const field of named.rootFields('subscription')) {
    const operation = named.whole('subscription', field, 2);
    for (const { foreign: variables } of foreign(operation)) {
      const run = async (): Promise<void> => {
        for await (const result of subscribeOverHttp(world.api.url, operation.text, variables, credential)) {
          matrix.lookThrough(stranger, operation.name, JSON.stringify(result), textsIn(variables));
        }
      };
      deeds.push({ name: `${operation.name} ${JSON.stringify(variables)}`, changes: false, shapes: new Set(), run });
    }
  }
  for (const id of acme.ids('upl')) {
    const run = async (): Promise<void> => {
      matrix.triedBy(stranger).add(id);
      const response = await world.put(credential, `/uploads/${id}`, 'a,b\n1,2\n');
      matrix.lookThrough(stranger, 'PUT /uploads/:id', JSON.stringify([...response.headers]) + (await response.text()), [id]);
    };
    deeds.push({ name: `PUT /uploads/${id}`, changes: true, shapes: new Set(), run });
  }

  for (const deed of deeds.filter(({ changes }) => changes)) await deed.run(); // what can be done once only is done
  expect(matrix.takeFindings()).toEqual([]);
  const stopSystem = tapSql({ role: 'millrace_system', see: (text) => void (withoutTenantFilter(text) && ofSystem.add(shapeOf(text))) });
  for (const deed of deeds) {
    const stop = tapSql({
      role: 'millrace_app',
      see(text) {
        if (!withoutTenantFilter(text)) return;
        deed.shapes.add(shapeOf(text));
        statements.set(shapeOf(text), text);
      },
    });
    await deed.run();
    stop();
  }
  stopSystem();
}, limitMs);
afterAll(() => two?.close());

/** Does the deeds with the tenant taken out of one statement. @returns what went wrong with it, if anything did */
async function withoutTheFilterOf(shape: string, done: Deed[]): Promise<string[]> {
  let changed = 0;
  const faults: string[] = [];
  const stop = tapSql({
    role: 'millrace_app',
    see(text) {
      if (shapeOf(text) !== shape) return undefined;
      changed++;
      return withoutTenantFilter(text)!;
    },
    // What is no SQL shows nothing.
    failed: (text, error) => /^42(?!501)/.test((error as { code?: string }).code ?? '') && faults.push(`${String(error)} in ${text}`),
  });
  // Rows that are looked for one by one are so together or not, as it happens: what does not come at once comes again.
  for (let attempt = 0; attempt < 5 && !changed; attempt++) for (const deed of done) await deed.run();
  stop();
  if (!changed) faults.push(`was not sent again: ${shape}`);
  return [...faults, ...matrix.takeFindings()];
}

it('without the tenant in any one statement, the database gives nothing of another tenant away and changes nothing of it', async () => {
  const before = await two.inspection.digests(two.acme.tenantId);
  const faults: string[] = [];
  let runs = 0;
  for (const shape of statements.keys()) {
    // The same statement asked for by several: two of each kind of operation are enough.
    const done = deeds.filter((deed) => deed.shapes.has(shape));
    const kinds = new Map<string, number>();
    const some = done.filter(({ name }) => {
      const kind = name.split(' ')[0]!;
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      return kinds.get(kind)! <= 2;
    });
    runs += some.length;
    const found = await withoutTheFilterOf(shape, some);
    const after = await two.inspection.digests(two.acme.tenantId);
    if (JSON.stringify(after) !== JSON.stringify(before)) found.push(`rows of another tenant have changed: ${Object.keys(before).filter((table) => before[table] !== after[table]).join(', ')}`);
    if (found.length) faults.push(`${shape}\n  ${found.join('\n  ')}`);
  }
  process.stdout.write(
    `row-level security: ${statements.size} statements with a tenant in them, each without it in turn, ${runs} operations: ${faults.length} leaks\n` +
      `statements of the system role with a tenant in them, which have one wall only: ${ofSystem.size}\n`,
  );
  expect(faults).toEqual([]);
  expect(statements.size).toBeGreaterThan(100);
}, limitMs);

it('without row-level security, the tenant in every statement gives nothing away either', async () => {
  const tables = (await two.inspection.tables()).map(({ name }) => name);
  const before = await two.inspection.digests(two.acme.tenantId);
  for (const table of tables) await two.inspection.query(`ALTER TABLE ${table} DISABLE ROW LEVEL SECURITY`);
  try {
    for (const deed of deeds) await deed.run();
  } finally {
    for (const table of tables) await two.inspection.query(`ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY`);
  }
  expect(matrix.takeFindings()).toEqual([]);
  expect(await two.inspection.digests(two.acme.tenantId)).toEqual(before);
}, limitMs);

describe('this test notices when the wall is gone', () => {
  /** With neither wall: the tenant is taken out of every statement, and this table is open to all. */
  async function unguarded(table: string, done: Deed[]): Promise<string[]> {
    await two.inspection.query(`ALTER TABLE ${table} DISABLE ROW LEVEL SECURITY`);
    const stop = tapSql({ role: 'millrace_app', see: (text) => withoutTenantFilter(text) ?? undefined });
    try {
      for (const deed of done) await deed.run();
    } finally {
      stop();
      await two.inspection.query(`ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY`);
    }
    return matrix.takeFindings();
  }
  const deedsOf = (field: string): Deed[] => deeds.filter(({ name }) => name.startsWith(field));

  it('in what is read', async () => {
    expect((await unguarded('datasets', deedsOf('Query.dataset'))).join('\n')).toContain(two.acme.marks.canary);
  });

  it('in what is written', async () => {
    const before = await two.inspection.digests(two.acme.tenantId);
    await unguarded('api_keys', deedsOf('Mutation.revokeApiKey'));
    const after = await two.inspection.digests(two.acme.tenantId);
    expect(Object.keys(before).filter((table) => before[table] !== after[table])).toContain('api_keys');
  });
});
