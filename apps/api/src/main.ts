import path from 'node:path';
import { masterKeysOf } from '@millrace/auth';
import { findSupervision, secretsIn, sendConsoleTo } from '@millrace/kernel';
import { readEnvironment } from './environment.ts';
import { createApiLogger } from './logger.ts';
import { startApi } from './server.ts';

const longestShutdownMs = 10_000;
const handoverMs = 5_000;

const environment = readEnvironment();
if (environment.type === 'invalid') {
  process.stderr.write(`The environment is not complete:\n${environment.problems.map((problem) => `  ${problem}\n`).join('')}`);
  process.exit(1);
}
const env = environment.value;
const logger = createApiLogger({ level: env.MILLRACE_LOG_LEVEL, secrets: secretsIn(env) });
sendConsoleTo(logger);

const supervision = findSupervision();
const api = await startApi({
  supervision,
  handoverMs,
  ...(supervision
    ? { host: '127.0.0.1', port: 0, metricsPort: 0, sharedUrl: `http://${env.MILLRACE_API_HOST}:${env.MILLRACE_API_PORT}` }
    : { host: env.MILLRACE_API_HOST, port: env.MILLRACE_API_PORT, metricsPort: env.MILLRACE_METRICS_PORT }),
  appDatabaseUrl: env.MILLRACE_APP_DATABASE_URL,
  systemDatabaseUrl: env.MILLRACE_SYSTEM_DATABASE_URL,
  storageDirectory: env.MILLRACE_STORAGE_DIRECTORY,
  scratchDirectory: path.join(env.MILLRACE_WORK_DIRECTORY, 'millrace-scratch'),
  masterKeys: masterKeysOf(env.MILLRACE_MASTER_KEY.reveal(), env.MILLRACE_RETIRED_MASTER_KEYS.map((key) => key.reveal())),
  tokenSecret: env.MILLRACE_TOKEN_SECRET,
  retiredTokenSecrets: env.MILLRACE_RETIRED_TOKEN_SECRETS,
  keyPepper: env.MILLRACE_KEY_PEPPER,
  retiredKeyPeppers: env.MILLRACE_RETIRED_KEY_PEPPERS,
  mail: env.MILLRACE_SMTP_URL === undefined ? undefined : { smtpUrl: env.MILLRACE_SMTP_URL.reveal(), from: env.MILLRACE_MAIL_FROM! },
  inferenceUrl: env.MILLRACE_INFERENCE_URL,
  publicInferenceUrl: env.MILLRACE_PUBLIC_INFERENCE_URL,
  publicUrl: env.MILLRACE_PUBLIC_URL,
  outboundNetworks: env.MILLRACE_OUTBOUND_NETWORKS,
  consoleDirectory: env.MILLRACE_CONSOLE_DIRECTORY,
  trustedDocuments: env.MILLRACE_TRUSTED_DOCUMENTS,
  costPerMinute: env.MILLRACE_API_COST_PER_MINUTE,
  corsOrigins: env.MILLRACE_CORS_ORIGINS,
  trustedProxies: env.MILLRACE_TRUSTED_PROXIES,
  maxUploadBytes: env.MILLRACE_MAX_UPLOAD_BYTES,
  purgeDays: env.MILLRACE_PURGE_DAYS,
  production: env.NODE_ENV === 'production',
  logger,
}).catch((error: unknown) => {
  logger.fatal({ err: error }, 'the API could not start');
  process.exit(1);
});

let stopping = false;
function stop(reason: string, hasSuccessor: boolean): void {
  if (stopping) return;
  stopping = true;
  logger.info({ reason }, 'stopping');
  setTimeout(() => {
    logger.error({}, 'what was in flight did not end in time');
    process.exit(1);
  }, longestShutdownMs).unref();
  api.close({ hasSuccessor }).then(
    () => process.exit(0),
    (error: unknown) => {
      logger.error({ err: error }, 'stopping failed');
      process.exit(1);
    },
  );
}
process.on('SIGTERM', () => stop('SIGTERM', true));
process.on('SIGINT', () => stop('SIGINT', true));
supervision?.onEnd(() => stop('the supervisor ends', false));
// A rejection that nobody awaits is a bug to be seen, but no reason to drop other people's requests.
process.on('unhandledRejection', (error) => logger.error({ err: error }, 'an unhandled rejection'));
process.on('uncaughtException', (error) => {
  logger.fatal({ err: error }, 'an uncaught exception'); // Node itself would print it unscrubbed
  process.exit(1);
});
// Started by a supervisor that is gone, be it by a kill: nobody would stop this process any more.
process.on('disconnect', () => stop('disconnect', false));

logger.info({ url: api.url, metricsUrl: api.metricsUrl }, 'the API is ready');
if (env.MILLRACE_INIT_TENANT !== undefined) {
  await api.setUpOnce({
    tenantName: env.MILLRACE_INIT_TENANT,
    email: env.MILLRACE_INIT_EMAIL!,
    password: env.MILLRACE_INIT_PASSWORD!.reveal(),
    apiKey: env.MILLRACE_INIT_API_KEY?.reveal(),
  });
}
const setupToken = env.MILLRACE_SETUP_LINK ? await api.issueSetupToken() : null;
if (setupToken !== null) {
  // The fragment never leaves the browser, so the token stands in no access log. Past the logger, which would hide it:
  // whoever starts the program is to read it.
  const setupUrl = `${env.MILLRACE_PUBLIC_URL ?? api.url}/setup#token=${setupToken}`;
  process.stdout.write(`${JSON.stringify({ level: 30, app: 'api', setupUrl, msg: 'open this address to set up the first tenant' })}\n`);
}
