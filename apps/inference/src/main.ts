import { pino } from 'pino';
import { readEnvironment } from './environment.ts';
import { startInference } from './server.ts';

const environment = readEnvironment();
if (environment.type === 'invalid') {
  process.stderr.write(`The inference server cannot start:\n${environment.problems.map((problem) => `  ${problem}\n`).join('')}`);
  process.exit(1);
}
const settings = environment.value;
const logger = pino({ level: settings.MILLRACE_LOG_LEVEL, base: { app: 'inference' }, timestamp: pino.stdTimeFunctions.isoTime });

const inference = await startInference({
  port: settings.MILLRACE_INFERENCE_PORT,
  host: settings.MILLRACE_INFERENCE_HOST,
  appDatabaseUrl: settings.MILLRACE_APP_DATABASE_URL,
  systemDatabaseUrl: settings.MILLRACE_SYSTEM_DATABASE_URL,
  storageDirectory: settings.MILLRACE_STORAGE_DIRECTORY,
  journalDirectory: settings.MILLRACE_JOURNAL_DIRECTORY,
  tokenSecret: settings.MILLRACE_TOKEN_SECRET,
  retiredTokenSecrets: settings.MILLRACE_RETIRED_TOKEN_SECRETS,
  keyPepper: settings.MILLRACE_KEY_PEPPER,
  modelCacheBytes: settings.MILLRACE_MODEL_CACHE_BYTES,
  maxBodyBytes: settings.MILLRACE_MAX_BODY_BYTES,
  drainMs: settings.MILLRACE_DRAIN_MS,
  logger,
}).catch((error: unknown) => {
  logger.error({ error: error instanceof Error ? error.stack : String(error) }, 'the inference server could not start');
  process.exit(1);
});
logger.info({ url: inference.url }, 'predictions are served');

/** What is under way gets ten seconds in all; the ledger's journal keeps what did not reach the database. */
const patienceMs = 10_000;
// `disconnect`: the supervisor is gone, be it by a kill; nobody would stop this process any more.
for (const signal of ['SIGTERM', 'SIGINT', 'disconnect'] as const) {
  process.once(signal, () => {
    logger.info({ signal }, 'shutting down');
    setTimeout(() => {
      logger.warn({}, 'requests under way did not end in time');
      process.exit(1);
    }, patienceMs + settings.MILLRACE_DRAIN_MS).unref();
    inference.close().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ error: String(error) }, 'shutting down failed');
        process.exit(1);
      },
    );
  });
}
// A rejection that nobody awaits is a bug to be seen, but no reason to drop other people's requests.
process.on('unhandledRejection', (error) => logger.error({ error: error instanceof Error ? error.stack : String(error) }, 'an unhandled rejection'));
