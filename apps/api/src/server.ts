import type { AddressInfo, Socket } from 'node:net';
import { fastifyApolloHandler } from '@as-integrations/fastify';
import { createAuth, requirePermission } from '@millrace/auth';
import { createDatabase } from '@millrace/database';
import { createDatasets, sampleRows } from '@millrace/datasets';
import { DomainError, newId } from '@millrace/kernel';
import { createQuota } from '@millrace/quota';
import { createRegistry } from '@millrace/registry';
import { createFileStore } from '@millrace/storage';
import { createTraining } from '@millrace/training';
import fastify, { type FastifyBaseLogger, type FastifyReply, type FastifyRequest, LogController } from 'fastify';
import type { Logger } from 'pino';
import { securityHeaders, serveConsole } from './console-routes.ts';
import { httpRefusalOf } from './errors.ts';
import { createGraphqlServer } from './graphql-server.ts';
import { createLiveOperations } from './live-operations.ts';
import { serveEventStreams, serveWebSockets } from './live-transports.ts';
import { createMetrics } from './metrics.ts';
import { createPredictionRelay } from './modules/registry/prediction-relay.ts';
import { createRunFeed } from './modules/training/run-feed.ts';
import { credentialOf, findActor, originOf, RequestContext, type RequestOrigin } from './request-context.ts';
import type { Services } from './services.ts';
import { serveUploads } from './upload-route.ts';

export interface ApiOptions {
  host: string;
  /** 0 picks a free one */
  port: number;
  /** null serves no metrics */
  metricsPort: number | null;
  appDatabaseUrl: string;
  systemDatabaseUrl: string;
  /** folder of the artefact store */
  storageDirectory: string;
  tokenSecret: string;
  keyPepper: string;
  inferenceUrl: string;
  /** where clients reach the inference server, if that is another address */
  publicInferenceUrl?: string | undefined;
  /** the built console; without it a page says that there is none */
  consoleDirectory?: string | undefined;
  maxUploadBytes: number;
  /** hides the schema from those who don't know it */
  production: boolean;
  logger: Logger;
}

export interface Api {
  url: string;
  metricsUrl: string | null;
  /** the token of the set-up link; null once there is a tenant */
  issueSetupToken(): Promise<string | null>;
  /** creates the first tenant and its owner unless there is one already: for a headless start */
  setUpOnce(owner: { tenantName: string; email: string; password: string }): Promise<void>;
  /** stops being ready, finishes what is in flight, closes everything; calling it twice is harmless */
  close(): Promise<void>;
}

const bodyLimit = 1024 * 1024;

/** Starts the control plane. Everything it needs comes in `options`; everything it opens it closes. */
export async function startApi(options: ApiOptions): Promise<Api> {
  const { logger, production, maxUploadBytes } = options;
  const connection = { tenantUrl: options.appDatabaseUrl, systemUrl: options.systemDatabaseUrl, logger };
  const database = createDatabase(connection);
  // A request may hold a read session while it waits for a verb. If both came from one pool, enough requests at once
  // would wait for each other.
  const reads = createDatabase(connection);
  const storage = createFileStore({ root: options.storageDirectory });
  const auth = createAuth({ database, tokenSecret: options.tokenSecret, keyPepper: options.keyPepper, logger });
  const quota = createQuota({ database });
  const datasets = createDatasets({ database, storage, quota });
  const metrics = createMetrics();
  await auth.watchRevocations();
  const runFeed = await createRunFeed(database);
  const services: Services = {
    auth,
    quota,
    datasets,
    async sampleRows(actor, datasetVersionId, count) {
      requirePermission(actor, 'dataset:read');
      return datasets.withTable(database.forTenant(actor.tenantId), datasetVersionId, (table) => sampleRows(table, count));
    },
    training: createTraining({ database, quota }),
    registry: createRegistry({ database, storage }),
    runFeed,
    predictions: createPredictionRelay(options.inferenceUrl),
    maxUploadBytes,
    publicInferenceUrl: options.publicInferenceUrl ?? options.inferenceUrl,
  };
  const makeContext = async (credential: string | null, origin: RequestOrigin): Promise<RequestContext> =>
    new RequestContext({ services, reads, origin, credential, actor: await findActor(auth, credential, origin) });

  let draining = false;
  const app = fastify({
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
      void (reply as FastifyReply).code(refusal.status).headers({ ...securityHeaders, 'x-request-id': request.id }).send(refusal.body);
    },
    clientErrorHandler: refuseBrokenHttp,
  });
  app.addHook('onRequest', async (request, reply) => {
    // What is one caller's is no other's: no cache on the way may keep it. The console's own files say otherwise.
    void reply.headers(securityHeaders).header('x-request-id', request.id).header('cache-control', 'no-store');
  });
  app.addHook('onSend', async (_request, reply) => {
    // A connection kept alive would hold up the shutdown until it times out.
    if (draining) void reply.header('connection', 'close');
  });
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? '(none)';
    metrics.request(route, reply.statusCode);
    logger.debug({ requestId: request.id, method: request.method, route, status: reply.statusCode, ms: Math.round(reply.elapsedTime) }, 'answered');
  });
  app.setErrorHandler(async (error, request, reply) => {
    const refusal = httpRefusalOf(error, request.id, logger);
    const isGraphql = request.routeOptions.url === '/graphql';
    const { code, message, remedy } = refusal.body.error;
    const body = isGraphql ? { errors: [{ message, extensions: { code, remedy, requestId: request.id } }] } : refusal.body;
    return reply.code(refusal.status).headers(refusal.headers).send(body);
  });

  const graphql = createGraphqlServer({ logger, metrics, production });
  await graphql.start();
  const contexts = new WeakMap<FastifyRequest, RequestContext>();
  app.route({
    url: '/graphql',
    method: ['GET', 'POST', 'OPTIONS'],
    // Before Apollo, whose answer to a failing context would tell nothing.
    preHandler: async (request) => void contexts.set(request, await makeContext(credentialOf(request.headers), originOf(request))),
    handler: fastifyApolloHandler(graphql, { context: async (request: FastifyRequest) => contexts.get(request)! }),
  });
  const live = createLiveOperations({ logger, metrics, production });
  serveEventStreams(app, live, makeContext);
  const closeWebSockets = serveWebSockets(app.server, live, makeContext);
  await serveUploads(app, { datasets, metrics, maxBytes: maxUploadBytes, makeContext });
  await serveConsole(app, options.consoleDirectory);
  app.get('/healthz', async () => ({ alive: true }));
  app.get('/readyz', async (_request, reply) => {
    const ready = !draining && (await database.isReachable());
    return reply.code(ready ? 200 : 503).send({ ready });
  });

  await app.listen({ host: options.host, port: options.port });
  const metricsServer = options.metricsPort === null ? null : await metrics.serve(options.host, options.metricsPort);
  const { port } = app.server.address() as AddressInfo;

  let closing: Promise<void> | undefined;
  async function shutDown(): Promise<void> {
    draining = true;
    runFeed.close();
    await closeWebSockets();
    await app.close();
    await graphql.stop();
    await metricsServer?.close();
    await Promise.all([database.close(), reads.close()]);
  }

  return {
    url: `http://${options.host}:${port}`,
    metricsUrl: metricsServer?.url ?? null,
    issueSetupToken: () => auth.issueSetupToken(),
    async setUpOnce({ tenantName, email, password }) {
      if (await auth.isSetUp()) return;
      const outcome = await auth.createTenant({ tenantName, name: email.split('@')[0]!, email, password });
      if (outcome.type === 'created') return;
      const [problem] = outcome.problems;
      throw new DomainError('INVALID', problem!.message, { field: problem!.field, remedy: problem!.remedy });
    },
    close: () => (closing ??= shutDown()),
  };
}

/** What is not HTTP, or no more of it than a part, never becomes a request: answered on the bare socket if that can be written to. */
function refuseBrokenHttp(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const [status, code, message] =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? ['408 Request Timeout', 'REQUEST_TIMEOUT', 'The request did not arrive in time.']
      : error.code === 'HPE_HEADER_OVERFLOW'
        ? ['431 Request Header Fields Too Large', 'HEADERS_TOO_LARGE', 'The headers are too large.']
        : ['400 Bad Request', 'MALFORMED_HTTP', 'This is no HTTP request, or it broke off half way.'];
  const body = JSON.stringify({ error: { code, message, remedy: 'Send the whole request again, well-formed.' } });
  socket.end(`HTTP/1.1 ${status}\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`);
}

/** A request id of a client or proxy is kept where it can do no harm in logs and headers. */
function saneRequestId(value: unknown): string | null {
  return typeof value === 'string' && /^[A-Za-z0-9._:-]{8,100}$/.test(value) ? value : null;
}
