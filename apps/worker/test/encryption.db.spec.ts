import fs from 'node:fs/promises';
import path from 'node:path';
import { testSecrets } from '@millrace/testkit';
import { createWorkerWorld, isOver } from './worker-world.ts';

it('a training process gets plain files in folders that are gone afterwards, and neither the master key nor another secret', async () => {
  const { world, tenant, startTestWorker, until } = await createWorkerWorld();
  const seen = path.join(world.directory, 'seen.json');
  const program = path.join(world.directory, 'curious-trainer.mjs');
  await fs.writeFile(
    program,
    `import fs from 'node:fs';
     import os from 'node:os';
     process.on('message', ({ job }) => {
       const mode = (file) => (fs.statSync(file).mode & 0o777).toString(8);
       const begin = fs.readFileSync(job.datasetPath).subarray(0, 4).toString();
       const { datasetPath, workDirectory } = job;
       fs.writeFileSync(${JSON.stringify(seen)}, JSON.stringify({
         begin, datasetPath, datasetMode: mode(datasetPath), workDirectory, workMode: mode(workDirectory), temporary: os.tmpdir(), environment: process.env,
       }));
       process.send({ type: 'failed', failure: { code: 'SEEN', message: 'seen', remedy: 'none', fault: 'USER' } }, () => process.exit(1));
     });`,
  );
  const secrets = { MILLRACE_MASTER_KEY: testSecrets.masterKey, MILLRACE_RETIRED_MASTER_KEYS: testSecrets.masterKey, MILLRACE_WORKER_DATABASE_URL: world.db.urls.worker };
  Object.assign(process.env, secrets); // as the worker itself has them
  const worker = await startTestWorker('curious', { trainer: { entry: program, execArgv: [] } });
  const run = await tenant.run(await tenant.iris());
  expect(await until(run.id, isOver)).toMatchObject({ status: 'FAILED', failureCode: 'SEEN' });
  await worker.close();
  for (const name of Object.keys(secrets)) delete process.env[name];

  const job = JSON.parse(await fs.readFile(seen, 'utf8')) as Record<string, string> & { environment: Record<string, string> };
  expect(job).toMatchObject({ begin: 'PAR1', datasetMode: '600', workMode: '700', temporary: job.workDirectory });
  expect(Object.keys(job.environment).filter((name) => name.startsWith('MILLRACE'))).toEqual([]);
  expect(JSON.stringify(job.environment)).not.toContain(testSecrets.masterKey);

  expect(await fs.readdir(path.join(world.directory, 'work'))).toEqual([]);
  expect(await fs.readdir(path.join(world.directory, 'scratch'))).toEqual([]);
  const stored = (await fs.readdir(path.join(world.directory, 'storage/tenants'), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  expect(stored.length).toBeGreaterThan(0);
  for (const { parentPath, name } of stored) {
    expect((await fs.readFile(path.join(parentPath, name))).subarray(1, 7).toString('latin1')).toBe('MRSEAL');
  }
  await world.close();
});
