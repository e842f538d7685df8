import { parseArgs } from 'node:util';
import { createTestDatabase, interleaveTenants } from '@millrace/testkit';
import { print } from './log-lines.ts';

/**
 * `npm run chaos -- tenants --count 100000`: transactions of several tenants take turns on two connections and fail in every
 * way that there is. What the suite does with fewer (libs/database/src/connection-reuse.db.spec.ts).
 */
const { values } = parseArgs({
  args: process.argv.slice(3),
  options: { count: { type: 'string', default: '100000' }, seed: { type: 'string', default: '1' } },
});
const count = Number(values.count);
const begun = performance.now();
const test = await createTestDatabase();
try {
  const { outcomes, leaks, disturbances } = await interleaveTenants({
    test, count, seed: Number(values.seed), progress: (done) => process.stdout.write(`\r  ${done} of ${count}`),
  });
  print('');
  for (const [outcome, number] of Object.entries(outcomes).sort()) print(`  ${String(number).padStart(7)}  ${outcome}`);
  for (const leak of leaks.slice(0, 20)) print(`LEAK  ${leak}`);
  const seconds = ((performance.now() - begun) / 1000).toFixed(0);
  print(`connection reuse: ${count} transactions of 6 tenants on 2 connections in ${seconds} s, ${disturbances.cancelled} cancelled and ${disturbances.terminated} connections ended from outside, leaks ${leaks.length}`);
  process.exitCode = leaks.length ? 1 : 0;
} finally {
  await test.close();
}
process.exit();
