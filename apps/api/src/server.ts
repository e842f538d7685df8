import type { AddressInfo } from 'node:net';
import { createAuth, createTenantBox, createTenantKeyring, type MasterKeys, type SignInLimits } from '@millrace/auth';
import { createDatabase } from '@millrace/database';
import { createTrustedProxies, millraceVersion, type Secret, type Supervision, type TrustedProxies } from '@millrace/kernel';
import { createOutbound } from '@millrace/outbound';
import { createIdempotency } from '@millrace/quota';
import { createWebhookDeliveries } from '@millrace/registry';
import { createFileStore, createSealedStore } from '@millrace/storage';
import type { Logger } from 'pino';
import { createAccessFeed } from './access-feed.ts';
import { serveConsole } from './console-routes.ts';
import { createCostBudget } from './cost-budget.ts';
import { createCredentials, type Presented } from './credentials.ts';
import { type FirstOwner, setUpOnce } from './first-start.ts';
import { serveGraphql } from './graphql-route.ts';
import { createGraphqlServer } from './graphql-server.ts';
import { startHousekeeping } from './housekeeping.ts';
import { createHttpApp } from './http-app.ts';
import { createLiveOperations } from './live-operations.ts';
import { serveEventStreams, serveWebSockets } from './live-transports.ts';
import { createMail, type MailSettings } from './mail.ts';
import { createMetrics } from './metrics.ts';
import { serveAuditExport } from './modules/auth/audit-route.ts';
import { serveSso, ssoCallbackPath } from './modules/auth/sso-routes.ts';
import { servePackages } from './modules/registry/package-route.ts';
import { serveUsageExport } from './modules/quota/usage-route.ts';
import { serveExport } from './modules/tenants/export-route.ts';
import { createRunFeed } from './modules/training/run-feed.ts';
import { createMutationOnce } from './mutation-once.ts';
import { createOperationGate } from './operation-gate.ts';
import { findActor, RequestContext, type RequestOrigin } from './request-context.ts';
import { createServices } from './services.ts';
import { readTrustedDocuments, type TrustedDocumentsMode } from './trusted-documents.ts';
import { serveUploads } from './upload-route.ts';

export interface ApiOptions {
  host: string;
  /** 0 picks a free one */
  port: number;
  /** null serves no metrics */
  metricsPort: number | null;
  appDatabaseUrl: Secret;
  systemDatabaseUrl: Secret;
  /** connections in each of its two pools for tenants' transactions; see `createDatabase` */
  poolSize?: number;
  /** folder of the artefact store */
  storageDirectory: string;
  /** of this machine alone: for artefacts that are decrypted for as long as they are in use, and exports while they are made */
  scratchDirectory: string;
  masterKeys: MasterKeys;
  tokenSecret: Secret;
  /** signed tokens until lately: what they signed stays good until it ends */
  retiredTokenSecrets?: readonly Secret[];
  keyPepper: Secret;
  /** peppers of before: see `createAuth` */
  retiredKeyPeppers?: readonly Secret[];
  /** without it nobody can ask for a new password by e-mail */
  mail?: Omit<MailSettings, 'publicUrl'> | undefined;
  /** other limits of sign-in than the usual */
  signInLimits?: Partial<SignInLimits>;
  inferenceUrl: string;
  /** where clients reach the inference server, if that is another address */
  publicInferenceUrl?: string | undefined;
  /** where people reach the console, if that is another address than this server's own */
  publicUrl?: string | undefined;
  /** networks inside which tenants' OpenID providers may be, as CIDR; the public internet only unless told */
  outboundNetworks?: readonly string[];
  /** the texts that stand in the DNS under a name; asked of the name servers unless told */
  textRecords?: (name: string) => Promise<string[]>;
  /** the built console; without it a page says that there is none */
  consoleDirectory?: string | undefined;
  /** left out: `console` in production where the console is built, else `off` */
  trustedDocuments?: TrustedDocumentsMode | undefined;
  /** what the operations of one caller may cost in a minute */
  costPerMinute?: number;
  /** foreign pages that may call the API; none if left out */
  corsOrigins?: readonly string[];
  /** whose X-Forwarded-For counts; nobody's if left out */
  trustedProxies?: TrustedProxies;
  maxUploadBytes: number;
  /** how long a deleted tenant can be restored; 30 unless told */
  purgeDays?: number | undefined;
  /** how often it looks for tenants to purge; every ten minutes unless told */
  purgeEveryMs?: number | undefined;
  /** how often it moves rollouts on; every second unless told */
  rolloutEveryMs?: number | undefined;
  version?: string | undefined;
  /** how long a closing server waits for silent connections to ask once more, which then ends them; not at all if left out */
  handoverMs?: number | undefined;
  /** where its connections come from, beside the addresses that it listens on; and the address at which they are accepted */
  supervision?: Supervision | null;
  sharedUrl?: string | undefined;
  /** hides the schema from those who don't know it */
  production: boolean;
  logger: Logger;
}

export interface Api {
  url: string;
  metricsUrl: string | null;
  /** the token of the set-up link; null once there is a tenant */
  issueSetupToken(): Promise<string | null>;
  /** see `setUpOnce` of first-start.ts */
  setUpOnce(owner: FirstOwner): Promise<void>;
  /**
   * Stops being ready, finishes what is in flight, closes everything; calling it twice is harmless.
   * @param hasSuccessor whether whoever is told to connect anew finds another server: otherwise there is no handover
   */
  close(ending?: { hasSuccessor: boolean }): Promise<void>;
}

/** Starts the control plane. Everything it needs comes in `options`; everything it opens it closes, also when it cannot start. */
export async function startApi(options: ApiOptions): Promise<Api> {
  const { logger, production, maxUploadBytes, publicUrl, corsOrigins = [], trustedProxies = createTrustedProxies(), supervision, version = millraceVersion } = options;
  const trustedDocuments = await readTrustedDocuments({ mode: options.trustedDocuments, production, consoleDirectory: options.consoleDirectory });
  const gate = createOperationGate({ trustedDocuments, budget: createCostBudget({ unitsPerMinute: options.costPerMinute ?? 600_000 }) });
  const connection = {
    tenantUrl: options.appDatabaseUrl.reveal(),
    systemUrl: options.systemDatabaseUrl.reveal(),
    logger,
    ...(options.poolSize === undefined ? {} : { poolSize: options.poolSize }),
  };
  const database = createDatabase(connection);
  // A request may hold a read session while it waits for a verb. If both came from one pool, enough requests at once
  // would wait for each other.
  const reads = createDatabase(connection);
  const keyring = createTenantKeyring({ database, masterKeys: options.masterKeys, logger });
  const storage = createSealedStore({ inner: createFileStore({ root: options.storageDirectory }), keyring, scratchDirectory: options.scratchDirectory });
  const metrics = createMetrics();
  const mail = options.mail && publicUrl !== undefined ? createMail({ ...options.mail, publicUrl }) : undefined;
  const auth = createAuth({
    database,
    tokenSecret: options.tokenSecret.reveal(),
    retiredTokenSecrets: (options.retiredTokenSecrets ?? []).map((secret) => secret.reveal()),
    keyPepper: options.keyPepper.reveal(),
    retiredKeyPeppers: (options.retiredKeyPeppers ?? []).map((pepper) => pepper.reveal()),
    signInLimits: options.signInLimits ?? {},
    mail,
    logger,
    onRefusal: metrics.refusal,
    outbound: createOutbound({ allowedNetworks: options.outboundNetworks ?? [], logger }),
    ...(options.textRecords && { textRecords: options.textRecords }),
    ...(options.purgeDays === undefined ? {} : { purgeDays: options.purgeDays }),
  });
  const credentials = createCredentials(publicUrl);
  const runFeed = createRunFeed(database, auth);
  const access = createAccessFeed(auth);
  /** known once the server listens, before the first request */
  let ownUrl = '';
  const services = createServices({
    database, keyring, storage, auth, runFeed, maxUploadBytes, version, logger,
    storageDirectory: options.storageDirectory,
    inferenceUrl: options.inferenceUrl,
    publicInferenceUrl: options.publicInferenceUrl ?? options.inferenceUrl,
    ssoRedirectUri: () => new URL(ssoCallbackPath, publicUrl ?? ownUrl).href,
  });
  const idempotency = createIdempotency({ database });
  const receivers = createOutbound({ allowedNetworks: options.outboundNetworks ?? [], maxBodyBytes: 64 * 1024, logger });
  const webhooks = createWebhookDeliveries({ database, box: createTenantBox(keyring), secrets: services.webhookSecrets, fetch: receivers.fetch, logger });

  const makeContext = async (presented: Presented, origin: RequestOrigin): Promise<RequestContext> =>
    new RequestContext({ services, reads, origin, presented, actor: await findActor(auth, presented.credential, origin) });
  const http = await createHttpApp({ auth, credentials, metrics, logger, publicUrl, corsOrigins, trustedProxies });
  const { app, connections } = http;
  const graphql = createGraphqlServer({ gate, mutationOnce: createMutationOnce({ idempotency, logger }), logger, metrics, production });
  await graphql.start();
  serveGraphql(app, { graphql, auth, credentials, metrics, logger, makeContext });
  const live = createLiveOperations({ gate, logger, metrics, production });
  const cutEventStreams = serveEventStreams(app, { operations: live, credentials, makeContext });
  const closeWebSockets = serveWebSockets(app.server, {
    operations: live, credentials, makeContext, origins: { listed: corsOrigins, publicUrl }, proxies: trustedProxies,
  });
  let housekeeping: ReturnType<typeof startHousekeeping> | undefined;
  let metricsServer: Awaited<ReturnType<typeof metrics.serve>> | undefined;

  async function shutDown(hasSuccessor: boolean): Promise<void> {
    http.drain();
    supervision?.draining();
    // Before what they watch ends: its end would be told to their clients, which then would not come again.
    cutEventStreams();
    const socketsClosed = closeWebSockets();
    runFeed.close();
    // A client that writes just as its connection is closed would lose a request: each is told with an answer first.
    if (options.handoverMs && hasSuccessor) await connections.gone(options.handoverMs);
    await app.close();
    await Promise.all([connections.gone(), socketsClosed]);
    access.close();
    await housekeeping?.close();
    await webhooks.close();
    await graphql.stop();
    await metricsServer?.close();
    await auth.trail.close();
    mail?.close();
    await Promise.all([database.close(), reads.close()]);
  }
  let closing: Promise<void> | undefined;
  const close: Api['close'] = ({ hasSuccessor } = { hasSuccessor: true }) => (closing ??= shutDown(hasSuccessor));

  try {
    await auth.watchRevocations();
    await runFeed.start();
    await serveUploads(app, { datasets: services.datasets, trail: auth.trail, metrics, access, maxBytes: maxUploadBytes, credentials, makeContext });
    serveExport(app, { auth, storage, access, logger, scratchDirectory: options.scratchDirectory, version, credentials, makeContext });
    servePackages(app, { registry: services.registry, access, logger, credentials, makeContext });
    serveSso(app, { sso: auth.sso, credentials, redirectUri: services.ssoRedirectUri });
    const servePage = await serveConsole(app, options.consoleDirectory);
    serveUsageExport(app, { credentials, makeContext });
    serveAuditExport(app, { trail: auth.trail, access, credentials, makeContext, servePage });
    app.get('/healthz', async () => ({ alive: true }));
    app.get('/readyz', async (_request, reply) => {
      const ready = !http.isDraining && (await database.isReachable());
      return reply.code(ready ? 200 : 503).send({ ready });
    });

    await app.listen({ host: options.host, port: options.port });
    const { port } = app.server.address() as AddressInfo;
    const door = `http://${options.host}:${port}`;
    ownUrl = options.sharedUrl ?? door;
    metricsServer = options.metricsPort === null ? undefined : await metrics.serve(options.host, options.metricsPort, supervision?.gather);
    housekeeping = startHousekeeping({ database, auth, idempotency, rollouts: services.rollouts, storage, logger, rolloutEveryMs: options.rolloutEveryMs, purgeEveryMs: options.purgeEveryMs });
    await webhooks.start();
    if (supervision) {
      await supervision.inheritance;
      await supervision.accept('api', (socket) => app.server.emit('connection', socket));
      await supervision.accept('metrics', (socket) => metricsServer?.take(socket));
      supervision.serving({ url: door, version, report: metrics.report });
    }
  } catch (error) {
    await close({ hasSuccessor: false }).catch(() => undefined); // the reason matters, not what comes of it
    throw error;
  }

  return {
    url: ownUrl,
    metricsUrl: metricsServer?.url ?? null,
    issueSetupToken: () => auth.issueSetupToken(),
    setUpOnce: (owner) => setUpOnce(auth, owner),
    close,
  };
}
