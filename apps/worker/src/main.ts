import http from 'node:http';
import path from 'node:path';
import { createTenantKeyring, masterKeysOf } from '@millrace/auth';
import { createDatabase } from '@millrace/database';
import { createLogScrubber, secretsIn, sendConsoleTo } from '@millrace/kernel';
import { createQuota } from '@millrace/quota';
import { createImportQueue, createRegistry } from '@millrace/registry';
import { createFileStore, createSealedStore } from '@millrace/storage';
import { createRunQueue } from '@millrace/training';
import { pino } from 'pino';
import { collectDefaultMetrics, Gauge, Registry as MetricsRegistry } from 'prom-client';
import { readEnvironment } from './environment.ts';
import { findGpu } from './find-gpu.ts';
import { startImportLoop } from './import-loop.ts';
import { startWorker } from './worker.ts';

const environment = readEnvironment();
const logger = pino({ level: environment.MILLRACE_LOG_LEVEL, base: null, hooks: { streamWrite: createLogScrubber(secretsIn(environment)) } });
sendConsoleTo(logger);
process.on('uncaughtException', (error) => {
  logger.fatal({ error: error.stack ?? String(error) }, 'an uncaught exception'); // Node itself would print it unscrubbed
  process.exit(1);
});
const database = createDatabase({
  tenantUrl: environment.MILLRACE_APP_DATABASE_URL.reveal(),
  systemUrl: environment.MILLRACE_WORKER_DATABASE_URL.reveal(),
  logger,
});
const keyring = createTenantKeyring({
  database,
  masterKeys: masterKeysOf(environment.MILLRACE_MASTER_KEY.reveal(), environment.MILLRACE_RETIRED_MASTER_KEYS.map((key) => key.reveal())),
  logger,
});
const storage = createSealedStore({
  inner: createFileStore({ root: environment.MILLRACE_STORAGE_DIRECTORY }),
  keyring,
  scratchDirectory: path.join(environment.MILLRACE_WORK_DIRECTORY, 'millrace-scratch'),
});
const registry = createRegistry({ database, storage, keyring });
const queue = createRunQueue({
  database,
  quota: createQuota({ database }),
  registry,
  logger,
  leaseSeconds: environment.MILLRACE_WORKER_LEASE_SECONDS,
});

// The training process and the importing one lie beside this program: all bundled, or all TypeScript in development.
const extension = path.extname(import.meta.filename);
const programBeside = (name: string) => ({
  entry: path.join(import.meta.dirname, `${name}${extension}`),
  execArgv: extension === '.ts' ? ['--import', 'tsx'] : ['--enable-source-maps'],
});
const trainer = programBeside('trainer');
const worker = await startWorker({
  database,
  queue,
  registry,
  storage,
  logger,
  name: environment.MILLRACE_WORKER_NAME,
  concurrency: environment.MILLRACE_WORKER_CONCURRENCY,
  workDirectory: environment.MILLRACE_WORK_DIRECTORY,
  backend: environment.MILLRACE_BACKEND,
  memoryMb: environment.MILLRACE_TRAINER_MEMORY_MB,
  checkpointEverySeconds: environment.MILLRACE_CHECKPOINT_SECONDS,
  trainer,
  ...(environment.MILLRACE_BACKEND === 'cuda' ? { findGpu: () => findGpu(trainer) } : {}),
});
const importLoop = await startImportLoop({
  database,
  imports: createImportQueue({ database, registry }),
  registry,
  storage,
  logger,
  workDirectory: environment.MILLRACE_WORK_DIRECTORY,
  importer: programBeside('importer'),
});

const metrics = new MetricsRegistry();
collectDefaultMetrics({ register: metrics });
new Gauge({
  name: 'millrace_runs_in_training',
  help: 'Runs that this worker has in hand',
  registers: [metrics],
  collect() {
    this.set(worker.runningRuns().length);
  },
});

let draining = false;
const server = http.createServer((request, response) => {
  const answer = async (): Promise<[number, string, string]> => {
    if (request.url === '/metrics') return [200, metrics.contentType, await metrics.metrics()];
    if (request.url === '/healthz') return [200, 'application/json', '{"live":true}'];
    if (request.url === '/readyz') {
      const ready = !draining && (await database.isReachable());
      return [ready ? 200 : 503, 'application/json', JSON.stringify({ ready })];
    }
    return [404, 'application/json', '{"error":{"code":"not_found","message":"There is no such route."}}'];
  };
  answer().then(
    ([status, type, body]) => response.writeHead(status, { 'content-type': type }).end(body),
    () => response.writeHead(500).end(),
  );
});
server.listen(environment.MILLRACE_WORKER_METRICS_PORT, '127.0.0.1', () => {
  logger.info({ name: environment.MILLRACE_WORKER_NAME, concurrency: environment.MILLRACE_WORKER_CONCURRENCY }, 'worker ready');
});

async function shutDown(signal: string): Promise<void> {
  if (draining) return;
  draining = true;
  logger.info({ signal, runs: worker.runningRuns() }, 'shutting down; runs in hand are given back');
  setTimeout(() => process.exit(1), 10_000).unref();
  await Promise.all([worker.close(), importLoop.close()]);
  server.close();
  server.closeAllConnections();
  await database.close();
  process.exit(0);
}
process.on('SIGTERM', () => void shutDown('SIGTERM'));
process.on('SIGINT', () => void shutDown('SIGINT'));
// Started by a supervisor that is gone, be it by a kill: nobody would stop this process any more.
process.on('disconnect', () => void shutDown('disconnect'));
if (process.connected === false) void shutDown('disconnect'); // before it was listened for
