import path from 'node:path';
import { masterKeysOf } from '@millrace/auth';
import { createLogScrubber, findSupervision, secretsIn, sendConsoleTo } from '@millrace/kernel';
import { pino } from 'pino';
import { readEnvironment } from './environment.ts';
import { startInference } from './server.ts';

const environment = readEnvironment();
if (environment.type === 'invalid') {
  process.stderr.write(`The inference server cannot start:\n${environment.problems.map((problem) => `  ${problem}\n`).join('')}`);
  process.exit(1);
}
const settings = environment.value;
const logger = pino({
  level: settings.MILLRACE_LOG_LEVEL,
  base: { app: 'inference' },
  timestamp: pino.stdTimeFunctions.isoTime,
  hooks: { streamWrite: createLogScrubber(secretsIn(settings)) },
});
sendConsoleTo(logger);

/** What is under way gets ten seconds in all; the ledger's journal keeps what did not reach the database. */
const patienceMs = 10_000;
const handoverMs = 5_000;

const supervision = findSupervision();
const inference = await startInference({
  supervision,
  ...(supervision ? { port: 0 } : { port: settings.MILLRACE_INFERENCE_PORT, host: settings.MILLRACE_INFERENCE_HOST }),
  handoverMs,
  appDatabaseUrl: settings.MILLRACE_APP_DATABASE_URL.reveal(),
  systemDatabaseUrl: settings.MILLRACE_SYSTEM_DATABASE_URL.reveal(),
  storageDirectory: settings.MILLRACE_STORAGE_DIRECTORY,
  scratchDirectory: path.join(settings.MILLRACE_WORK_DIRECTORY, 'millrace-scratch'),
  masterKeys: masterKeysOf(settings.MILLRACE_MASTER_KEY.reveal(), settings.MILLRACE_RETIRED_MASTER_KEYS.map((key) => key.reveal())),
  journalDirectory: settings.MILLRACE_JOURNAL_DIRECTORY,
  tokenSecret: settings.MILLRACE_TOKEN_SECRET.reveal(),
  retiredTokenSecrets: settings.MILLRACE_RETIRED_TOKEN_SECRETS.map((secret) => secret.reveal()),
  keyPepper: settings.MILLRACE_KEY_PEPPER.reveal(),
  retiredKeyPeppers: settings.MILLRACE_RETIRED_KEY_PEPPERS.map((pepper) => pepper.reveal()),
  modelCacheBytes: settings.MILLRACE_MODEL_CACHE_BYTES,
  modelThreads: settings.MILLRACE_MODEL_THREADS,
  maxBodyBytes: settings.MILLRACE_MAX_BODY_BYTES,
  drainMs: settings.MILLRACE_DRAIN_MS,
  async: {
    slots: settings.MILLRACE_ASYNC_SLOTS,
    leaseMs: settings.MILLRACE_ASYNC_LEASE_MS,
    keptHours: settings.MILLRACE_ASYNC_KEEP_HOURS,
    limits: { mostOpen: settings.MILLRACE_ASYNC_QUEUE, mostOpenBytes: settings.MILLRACE_ASYNC_QUEUE_BYTES },
  },
  mostRecordedBytes: settings.MILLRACE_RECORDED_BYTES,
  corsOrigins: settings.MILLRACE_CORS_ORIGINS,
  trustedProxies: settings.MILLRACE_TRUSTED_PROXIES,
  logger,
}).catch((error: unknown) => {
  logger.error({ error: error instanceof Error ? error.stack : String(error) }, 'the inference server could not start');
  process.exit(1);
});
logger.info({ url: inference.url }, 'predictions are served');

let stopping = false;
function stop(reason: string, hasSuccessor: boolean): void {
  if (stopping) return;
  stopping = true;
  logger.info({ reason }, 'shutting down');
  setTimeout(() => {
    logger.warn({}, 'requests under way did not end in time');
    process.exit(1);
  }, patienceMs + settings.MILLRACE_DRAIN_MS).unref();
  inference.close({ hasSuccessor }).then(
    () => process.exit(0),
    (error: unknown) => {
      logger.error({ error: String(error) }, 'shutting down failed');
      process.exit(1);
    },
  );
}
process.on('SIGTERM', () => stop('SIGTERM', true));
process.on('SIGINT', () => stop('SIGINT', true));
// The supervisor is gone, be it by a kill; nobody would stop this process any more.
process.on('disconnect', () => stop('disconnect', false));
supervision?.onEnd(() => stop('the supervisor ends', false));
// A rejection that nobody awaits is a bug to be seen, but no reason to drop other people's requests.
process.on('unhandledRejection', (error) => logger.error({ error: error instanceof Error ? error.stack : String(error) }, 'an unhandled rejection'));
process.on('uncaughtException', (error) => {
  logger.fatal({ error: error.stack ?? String(error) }, 'an uncaught exception'); // Node itself would print it unscrubbed
  process.exit(1);
});
