import { createTestDatabase, type TestDatabase } from './test-database.ts';
import { tapSql } from './sql-tap.ts';

let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(() => test.close());

it('sees what one role sends, changes it, tells how that failed, and goes away again', async () => {
  const [seen, failures]: [string[], string[]] = [[], []];
  const run = (value: number) => test.database.forTenant('ten_x').transaction((tx) => tx.$queryRaw`SELECT ${value}::int AS value`);
  const stop = tapSql({
    role: 'millrace_app',
    see(text) {
      seen.push(text);
      return text === 'SELECT $1::int AS value' ? 'SELECT 6 / $1::int AS value' : undefined;
    },
    failed: (changed) => void failures.push(changed),
  });
  try {
    expect(await run(3)).toEqual([{ value: 2 }]);
    await expect(run(0)).rejects.toThrow('division by zero');
    await test.database.system().transaction((tx) => tx.$queryRaw`SELECT 'of another role' AS value`);
  } finally {
    stop();
  }
  expect(seen).toContain('BEGIN');
  expect(seen.join()).not.toContain('of another role');
  expect(failures).toEqual(['SELECT 6 / $1::int AS value']);
  const count = seen.length;
  expect(await run(3)).toEqual([{ value: 3 }]);
  expect(seen).toHaveLength(count);
});
