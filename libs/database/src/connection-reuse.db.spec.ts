import { createTestDatabase, interleaveTenants, type TestDatabase } from '@millrace/testkit';

let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(() => test.close());

const count = 1_500;

/** 100,000 of them: `npm run chaos -- tenants`. */
it('no connection carries a tenant to the next one, whatever became of the transaction', async () => {
  const { outcomes, leaks, disturbances } = await interleaveTenants({ test, count });
  const sum = (matches: (key: string) => boolean): number => Object.entries(outcomes).reduce((total, [key, count]) => total + (matches(key) ? count : 0), 0);
  process.stdout.write(`connection reuse: ${sum(() => true)} transactions of 6 tenants on 2 connections, ${sum((key) => key.endsWith(': ok'))} ended well, ${JSON.stringify(disturbances)}, leaks ${leaks.length}\n`);
  expect(leaks).toEqual([]);
  expect(sum(() => true)).toBeGreaterThanOrEqual(count);
  // Each way to fail has been taken, and did not become the rule.
  for (const failure of ['fail half way: half way', 'fail in the database: 22012', 'run out of time: 57014', 'insert for another: 42501']) {
    expect({ failure, isCommon: (outcomes[failure] ?? 0) > 50 }).toEqual({ failure, isCommon: true });
  }
  expect(disturbances.cancelled).toBeGreaterThan(0);
  expect(disturbances.terminated).toBeGreaterThan(0);
  expect(sum((key) => key.endsWith(': ok'))).toBeGreaterThan(count / 3);
});
