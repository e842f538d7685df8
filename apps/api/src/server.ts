import { statfs } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { fastifyApolloHandler } from '@as-integrations/fastify';
import { actionOfRoute, type Actor, createAuth, createTenantBox, createTenantKeyring, findRoute, type MasterKeys, requirePermission, type SignInLimits } from '@millrace/auth';
import { createDatabase } from '@millrace/database';
import { createDatasets, readContactSheet, sampleRows } from '@millrace/datasets';
import { createBrokenHttpRefusal, createTrustedProxies, DomainError, millraceVersion, newId, type Secret, type Supervision, type TrustedProxies, watchConnections } from '@millrace/kernel';
import { createOutbound } from '@millrace/outbound';
import { createIdempotency, createQuota } from '@millrace/quota';
import { createEndpointWebhooks, createPredictionCare, createPredictionQueue, createRegistry, createRollouts, createWebhookDeliveries, createWebhookRepeats, createWebhookSecrets } from '@millrace/registry';
import { createFileStore, createSealedStore } from '@millrace/storage';
import { createTraining } from '@millrace/training';
import fastify, { type FastifyBaseLogger, type FastifyReply, type FastifyRequest, LogController } from 'fastify';
import type { Logger } from 'pino';
import { createAccessFeed } from './access-feed.ts';
import { isRefusal } from './audited-fields.ts';
import { securityHeaders, serveConsole } from './console-routes.ts';
import { createCostBudget } from './cost-budget.ts';
import { createCredentials, type Presented } from './credentials.ts';
import { allowListedOrigins } from './cross-origin.ts';
import { auditResultOf, httpRefusalOf } from './errors.ts';
import { createGraphqlServer } from './graphql-server.ts';
import { acceptJsonBodies } from './json-bodies.ts';
import { createLiveOperations } from './live-operations.ts';
import { serveEventStreams, serveWebSockets } from './live-transports.ts';
import { createMail, type MailSettings } from './mail.ts';
import { createMetrics } from './metrics.ts';
import { serveAuditExport } from './modules/auth/audit-route.ts';
import { serveSso, ssoCallbackPath } from './modules/auth/sso-routes.ts';
import { servePackages } from './modules/registry/package-route.ts';
import { serveUsageExport } from './modules/quota/usage-route.ts';
import { createPredictionRelay } from './modules/registry/prediction-relay.ts';
import { startRolloutSweep } from './modules/registry/rollout-sweep.ts';
import { serveExport } from './modules/tenants/export-route.ts';
import { startPurgeSweep } from './modules/tenants/purge-sweep.ts';
import { createRunFeed } from './modules/training/run-feed.ts';
import { createMutationOnce } from './mutation-once.ts';
import { createOperationGate } from './operation-gate.ts';
import { findActor, originOf, RequestContext, type RequestOrigin } from './request-context.ts';
import type { Services } from './services.ts';
import { createShapeGuard } from './shape-guard.ts';
import { createSignInShed } from './sign-in-shed.ts';
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
  /**
   * Creates the first tenant and its owner, who is an operator too, unless there is one already, and registers the API key
   * unless it is known: for a headless start.
   */
  setUpOnce(owner: { tenantName: string; email: string; password: string; apiKey?: string | undefined }): Promise<void>;
  /**
   * Stops being ready, finishes what is in flight, closes everything; calling it twice is harmless.
   * @param hasSuccessor whether whoever is told to connect anew finds another server: otherwise there is no handover
   */
  close(ending?: { hasSuccessor: boolean }): Promise<void>;
}

const bodyLimit = 1024 * 1024;
const headerLimit = 16 * 1024;
/** between two sweeps of counts, links and addresses that have run out */
const sweepMs = 10 * 60_000;

/** Starts the control plane. Everything it needs comes in `options`; everything it opens it closes. */
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
  const quota = createQuota({ database });
  const idempotency = createIdempotency({ database });
  const datasets = createDatasets({ database, storage, quota });
  await auth.watchRevocations();
  const runFeed = await createRunFeed(database, auth);
  const access = createAccessFeed(auth);
  /** known once the server listens, before the first request */
  const ownAddress = (): string => publicUrl ?? ownUrl;
  let ownUrl = '';
  const rollouts = createRollouts({ database, logger });
  const box = createTenantBox(keyring);
  const webhookSecrets = createWebhookSecrets({ database, box });
  const receivers = createOutbound({ allowedNetworks: options.outboundNetworks ?? [], maxBodyBytes: 64 * 1024, logger });
  const webhooks = createWebhookDeliveries({ database, box, secrets: webhookSecrets, fetch: receivers.fetch, logger });
  const services: Services = {
    auth,
    quota,
    datasets,
    async sampleRows(actor, datasetVersionId, count) {
      requirePermission(actor, 'dataset:read');
      return datasets.withTable(database.forTenant(actor.tenantId), datasetVersionId, (table) => sampleRows(table, count));
    },
    async contactSheet(actor, datasetVersionId, perClass) {
      requirePermission(actor, 'dataset:read');
      return datasets.withTable(database.forTenant(actor.tenantId), datasetVersionId, (table) => readContactSheet(table, perClass));
    },
    async reportOnTarget(actor, datasetVersionId, target) {
      requirePermission(actor, 'dataset:read');
      return datasets.reportOnTarget(database.forTenant(actor.tenantId), datasetVersionId, target);
    },
    training: createTraining({ database, quota, datasets, storage }),
    registry: createRegistry({ database, storage, keyring }),
    rollouts,
    webhookSecrets,
    webhookRepeats: createWebhookRepeats({ database }),
    endpointWebhooks: createEndpointWebhooks({ database, box }),
    predictionCare: createPredictionCare({ database, queue: createPredictionQueue({ database, box }) }),
    runFeed,
    predictions: createPredictionRelay(options.inferenceUrl, auth.vouchForAddress),
    async platformHealth(actor) {
      const health = await auth.platform.inspectDatabase(actor);
      const disk = await statfs(options.storageDirectory, { bigint: true }).catch(() => null);
      return {
        ...health,
        storage: disk && { freeBytes: disk.bavail * disk.bsize, totalBytes: disk.blocks * disk.bsize },
        version,
        nodeVersion: process.versions.node,
      };
    },
    maxUploadBytes,
    ssoRedirectUri: () => new URL(ssoCallbackPath, ownAddress()).href,
    publicInferenceUrl: options.publicInferenceUrl ?? options.inferenceUrl,
  };
  const makeContext = async (presented: Presented, origin: RequestOrigin): Promise<RequestContext> =>
    new RequestContext({ services, reads, origin, presented, actor: await findActor(auth, presented.credential, origin) });

  /** Null also for whoever is refused before it is clear who it is. */
  async function actorOf(request: FastifyRequest, origin: RequestOrigin): Promise<Actor | null> {
    try {
      return await findActor(auth, credentials.ofRequest(request).credential, origin);
    } catch {
      return null;
    }
  }

  /** Of a route; those of a GraphQL field are noted there. */
  async function noteRefusal(error: DomainError, request: FastifyRequest): Promise<void> {
    const route = findRoute('api', request.method, pathOf(request.routeOptions.url ?? ''));
    const origin = originOf(request);
    const actor = await actorOf(request, origin);
    if (route) await auth.trail.refuse({ actor, origin, action: actionOfRoute(route) }, auditResultOf(error), error);
  }

  const headers = securityHeaders(publicUrl);
  let draining = false;
  const app = fastify({
    // A second Authorization would go unseen unless it is joined to the first.
    http: { maxHeaderSize: headerLimit, joinDuplicateHeaders: true },
    trustProxy: trustedProxies.trusts,
    loggerInstance: logger as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }), // one line a request, see onResponse
    bodyLimit,
    requestIdHeader: false,
    genReqId: (request) => saneRequestId(request.headers['x-request-id']) ?? newId('request'),
    forceCloseConnections: 'idle',
    requestTimeout: 15 * 60_000, // a large upload over a slow line
    routerOptions: { maxParamLength: 200 },
    frameworkErrors: (error, request, reply) => {
      const refusal = httpRefusalOf(error, request.id, logger);
      void (reply as FastifyReply).code(refusal.status).headers({ ...headers, 'x-request-id': request.id }).send(refusal.body);
    },
    clientErrorHandler: refuseBrokenHttp,
  });
  const connections = watchConnections(app.server);
  app.addHook('preClose', async () => connections.endSilent());
  app.addHook('onRequest', async (request, reply) => {
    // What is one caller's is no other's: no cache on the way may keep it. The console's own files say otherwise.
    void reply.headers(headers).header('x-request-id', request.id).header('cache-control', 'no-store');
  });
  await allowListedOrigins(app, corsOrigins);
  // From here on: what was before answers the preflights of all addresses, and is no address of its own.
  app.addHook('onRoute', ({ method, url }) => {
    for (const one of [method].flat()) {
      if (!findRoute('api', one, pathOf(url))) throw new Error(`The route ${one} ${url} stands in no row of the table in libs/auth/src/routes.ts.`);
    }
  });
  acceptJsonBodies(app);
  app.addHook('onSend', async (request, reply) => {
    // Its client takes what comes next to another server. What it has sent already is answered first.
    if (draining && connections.isLast(request.raw)) void reply.header('connection', 'close');
  });
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? '(none)';
    metrics.request(route, reply.statusCode);
    logger.debug({ requestId: request.id, method: request.method, route, status: reply.statusCode, ms: Math.round(reply.elapsedTime) }, 'answered');
  });
  app.setErrorHandler(async (error, request, reply) => {
    if (isRefusal(error)) await noteRefusal(error, request);
    const refusal = httpRefusalOf(error, request.id, logger);
    const isGraphql = request.routeOptions.url === '/graphql';
    const { code, message, remedy } = refusal.body.error;
    const body = isGraphql ? { errors: [{ message, extensions: { code, remedy, requestId: request.id } }] } : refusal.body;
    return reply.code(refusal.status).headers(refusal.headers).send(body);
  });

  const graphql = createGraphqlServer({ gate, mutationOnce: createMutationOnce({ idempotency, logger }), logger, metrics, production });
  await graphql.start();
  const contexts = new WeakMap<FastifyRequest, RequestContext>();
  app.route({
    url: '/graphql',
    method: ['GET', 'POST', 'OPTIONS'],
    preValidation: [createSignInShed({ auth, metrics, logger }), createShapeGuard(metrics)],
    // Before Apollo, whose answer to a failing context would tell nothing.
    preHandler: async (request) => void contexts.set(request, await makeContext(credentials.ofRequest(request), originOf(request))),
    onSend: async (request, reply) => {
      const { channel, sessionChange } = contexts.get(request) ?? {};
      if (channel !== 'cookie' || !sessionChange) return;
      void reply.header('set-cookie', sessionChange === 'ended' ? credentials.noCookies() : credentials.cookiesOf(sessionChange));
    },
    handler: fastifyApolloHandler(graphql, { context: async (request: FastifyRequest) => contexts.get(request)! }),
  });
  const live = createLiveOperations({ gate, logger, metrics, production });
  const cutEventStreams = serveEventStreams(app, { operations: live, credentials, makeContext });
  const closeWebSockets = serveWebSockets(app.server, {
    operations: live, credentials, makeContext, origins: { listed: corsOrigins, publicUrl }, proxies: trustedProxies,
  });
  await serveUploads(app, { datasets, trail: auth.trail, metrics, access, maxBytes: maxUploadBytes, credentials, makeContext });
  serveExport(app, { auth, storage, access, logger, scratchDirectory: options.scratchDirectory, version, credentials, makeContext });
  servePackages(app, { registry: services.registry, access, logger, credentials, makeContext });
  serveSso(app, { sso: auth.sso, credentials, redirectUri: services.ssoRedirectUri });
  const servePage = await serveConsole(app, options.consoleDirectory);
  serveUsageExport(app, { credentials, makeContext });
  serveAuditExport(app, { trail: auth.trail, access, credentials, makeContext, servePage });
  app.get('/healthz', async () => ({ alive: true }));
  app.get('/readyz', async (_request, reply) => {
    const ready = !draining && (await database.isReachable());
    return reply.code(ready ? 200 : 503).send({ ready });
  });

  await app.listen({ host: options.host, port: options.port });
  const rolloutSweep = startRolloutSweep({ rollouts, logger, everyMs: options.rolloutEveryMs ?? 1000 });
  await webhooks.start();
  const purge = startPurgeSweep({ database, auth, storage, logger, everyMs: options.purgeEveryMs ?? 10 * 60_000 });
  const metricsServer = options.metricsPort === null ? null : await metrics.serve(options.host, options.metricsPort, supervision?.gather);
  const { port } = app.server.address() as AddressInfo;
  const sweeping = setInterval(() => {
    Promise.all([auth.sweep(), idempotency.sweep()]).catch((error: unknown) => logger.warn({ err: error }, 'what had run out was not swept'));
  }, sweepMs);
  sweeping.unref();
  const door = `http://${options.host}:${port}`;
  ownUrl = options.sharedUrl ?? door;
  if (supervision) {
    await supervision.inheritance;
    await supervision.accept('api', (socket) => app.server.emit('connection', socket));
    await supervision.accept('metrics', (socket) => metricsServer?.take(socket));
    supervision.serving({ url: door, version, report: metrics.report });
  }

  let closing: Promise<void> | undefined;
  async function shutDown(hasSuccessor: boolean): Promise<void> {
    draining = true;
    supervision?.draining();
    clearInterval(sweeping);
    // Before what they watch ends: its end would be told to their clients, which then would not come again.
    cutEventStreams();
    const socketsClosed = closeWebSockets();
    runFeed.close();
    // A client that writes just as its connection is closed would lose a request: each is told with an answer first.
    if (options.handoverMs && hasSuccessor) await connections.gone(options.handoverMs);
    await app.close();
    await Promise.all([connections.gone(), socketsClosed]);
    access.close();
    await rolloutSweep.close();
    await webhooks.close();
    await purge.close();
    await graphql.stop();
    await metricsServer?.close();
    await auth.trail.close();
    mail?.close();
    await Promise.all([database.close(), reads.close()]);
  }

  return {
    url: ownUrl,
    metricsUrl: metricsServer?.url ?? null,
    issueSetupToken: () => auth.issueSetupToken(),
    async setUpOnce({ tenantName, email, password, apiKey }) {
      if (!(await auth.isSetUp())) {
        const outcome = await auth.createTenant({ tenantName, name: email.split('@')[0]!, email, password, operator: true });
        if (outcome.type === 'invalid') {
          const [problem] = outcome.problems;
          throw new DomainError('INVALID', problem!.message, { field: problem!.field, remedy: problem!.remedy });
        }
      }
      if (apiKey === undefined) return;
      const { type } = await auth.keys.registerInitial(apiKey);
      if (type === 'registered' || type === 'known') return;
      throw new DomainError('INVALID', `MILLRACE_INIT_API_KEY cannot be registered: ${type}.`, {
        field: 'apiKey', remedy: 'Make another one with npm run new-key.',
      });
    },
    close: ({ hasSuccessor } = { hasSuccessor: true }) => (closing ??= shutDown(hasSuccessor)),
  };
}

/** `/uploads/:id` as the table of routes has it. */
const pathOf = (url: string): string => url.replace(/:(\w+)/g, '{$1}');

const refuseBrokenHttp = createBrokenHttpRefusal(({ code, message, remedy }) => ({ body: { error: { code: code.toUpperCase(), message, remedy } } }));

/** A request id of a client or proxy is kept where it can do no harm in logs and headers. */
function saneRequestId(value: unknown): string | null {
  return typeof value === 'string' && /^[A-Za-z0-9._:-]{8,100}$/.test(value) ? value : null;
}
