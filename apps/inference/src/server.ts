import { createHash, randomFillSync } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { isIP } from 'node:net';
import cors from '@fastify/cors';
import { actionOfRoute, type Auth, createAuth, createTenantKeyring, findRoute, type MasterKeys } from '@millrace/auth';
import { createDatabase } from '@millrace/database';
import { type Clock, createBrokenHttpRefusal, createFloodLog, createTrustedProxies, type Logger, millraceVersion, newId, type OpenConnections, type Supervision, systemClock, type TrustedProxies, watchConnections } from '@millrace/kernel';
import { createModelThreads, createPictureDesk, type PictureDesk } from '@millrace/packaging';
import { createIdempotency, createMeter, createQuota, createRequestLimiter, createUsageJournal, type RequestLimiter } from '@millrace/quota';
import { createRegistry, createTrafficRecorder, nameProblem } from '@millrace/registry';
import { createFileStore, createSealedStore } from '@millrace/storage';
import { fastify, type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { createAnswerOnce, idempotencyHeader } from './answer-once.ts';
import { type AsyncOptions, createAsyncPredictions } from './async/async-predictions.ts';
import { jsonLengthHeader } from './binary-body.ts';
import { createCallers } from './callers.ts';
import { EndpointDirectory } from './endpoint-directory.ts';
import { createExplainer } from './explainer.ts';
import { createExplanationBases } from './explanation-bases.ts';
import { createFeedback } from './feedback/feedback.ts';
import { createGate, handleWatched } from './gate.ts';
import { createLanes } from './lanes.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { ModelCache } from './model-cache.ts';
import { createOverloadDoor } from './overload-door.ts';
import { createPictureLook } from './picture-look.ts';
import { createPredictor } from './predictor.ts';
import { tellLimits } from './rate-headers.ts';
import { modelNotFound, refusalBody, RequestError, shorten, toRequestError } from './request-error.ts';
import { readBody } from './request-body.ts';
import { createRoutes, type Route } from './routes.ts';
import { createShadow } from './shadow.ts';

export interface InferenceOptions {
  /** 0 takes any free port */
  port: number;
  host?: string;
  /** as role millrace_app */
  appDatabaseUrl: string;
  /** as role millrace_system */
  systemDatabaseUrl: string;
  storageDirectory: string;
  /** of this machine alone: for artefacts that are decrypted for as long as they are in use */
  scratchDirectory: string;
  masterKeys: MasterKeys;
  /** where usage waits for the database; must outlive the process */
  journalDirectory: string;
  tokenSecret: string;
  /** signed tokens until lately: what they signed stays good until it ends */
  retiredTokenSecrets?: readonly string[];
  keyPepper: string;
  /** peppers of before: see `createAuth` */
  retiredKeyPeppers?: readonly string[];
  logger: Logger;
  version?: string;
  modelCacheBytes?: number;
  /** for models that take long; all run in the server's own if left out */
  modelThreads?: number;
  maxBodyBytes?: number;
  /** predictions under way at a time; further ones get 503 */
  maxInFlight?: number;
  /** between "not ready" and closing, in milliseconds, so that a balancer can look elsewhere first */
  drainMs?: number;
  /** of predictions that are accepted now and made later */
  async?: AsyncOptions;
  /** what the recorded predictions of one tenant may take in the database; 1 GiB if left out */
  mostRecordedBytes?: number;
  /** how long a closing server waits for silent connections to ask once more, which then ends them; not at all if left out */
  handoverMs?: number;
  /** where its connections come from, beside the address that it listens on */
  supervision?: Supervision | null;
  /** foreign pages that may call it; none if left out */
  corsOrigins?: readonly string[];
  /** whose X-Forwarded-For counts; nobody's if left out */
  trustedProxies?: TrustedProxies;
  /** by which keys expire */
  clock?: Clock;
  /** where pictures are decoded, closed with the server; one of its own if left out */
  pictures?: PictureDesk;
}

export interface RunningInference {
  url: string;
  /**
   * Says "not ready", finishes what is under way, enters the last usage, and ends. May be called twice.
   * @param hasSuccessor whether whoever is told to connect anew finds another server: otherwise there is no handover
   */
  close(ending?: { hasSuccessor: boolean }): Promise<void>;
}

const mebibyte = 1024 ** 2;
const headerLimit = 16 * 1024;

/** Starts the data plane. Rejects when the database cannot be reached or the port is taken. */
export async function startInference(options: InferenceOptions): Promise<RunningInference> {
  const { logger, supervision, version = millraceVersion } = options;
  const database = createDatabase({ tenantUrl: options.appDatabaseUrl, systemUrl: options.systemDatabaseUrl, logger });
  const keyring = createTenantKeyring({ database, masterKeys: options.masterKeys, logger });
  const storage = createSealedStore({ inner: createFileStore({ root: options.storageDirectory }), keyring, scratchDirectory: options.scratchDirectory });
  const { tokenSecret, retiredTokenSecrets = [], keyPepper, retiredKeyPeppers = [], clock = systemClock } = options;
  const auth = createAuth({ database, tokenSecret, retiredTokenSecrets, keyPepper, retiredKeyPeppers, logger, clock });
  const registry = createRegistry({ database, storage, keyring });
  const journal = createUsageJournal({ directory: options.journalDirectory, database, logger });
  const { pictures = createPictureDesk() } = options;
  const lookAtPictures = createPictureLook(pictures);
  const threads = options.modelThreads ? createModelThreads(options.modelThreads) : null;
  const models = new ModelCache({ registry, maxBytes: options.modelCacheBytes ?? 1024 * mebibyte, ...(threads && { threads }), logger, observe: { loaded: (isLoaded) => metrics.models.loaded(isLoaded), unloaded: (reason) => metrics.models.unloaded(reason) } });
  const batcher = createLanes({ observe: { call: (rows) => metrics.batches.call(rows), shed: (reason) => metrics.batches.shed(reason) } });
  const traffic = createTrafficRecorder({ database, logger });
  const directory = new EndpointDirectory({ registry, database, models, traffic, logger });
  const shadow = createShadow({ models, traffic, turns: batcher, observe: { shown: () => metrics.shadow.shown(), dropped: () => metrics.shadow.dropped() } });
  const meter = createMeter({ database, logger });
  const limiter = createRequestLimiter({ database, logger });
  const feedback = createFeedback({ database, keyring, mostRecordedBytes: options.mostRecordedBytes, logger });
  const predictorOptions = { directory, models, batcher, meter, traffic, shadow, lookAtPictures, recorder: feedback.recorder, maxInFlight: options.maxInFlight ?? 4096 };
  const predictor = createPredictor({ ...predictorOptions, journal });
  const explainer = createExplainer({ directory, models, bases: createExplanationBases({ registry, logger }), turns: batcher, journal, meter, lookAtPictures });
  const metrics = createMetrics(models, predictor, explainer, batcher);
  let state: 'open' | 'draining' = 'open';
  const answerOnce = createAnswerOnce({ idempotency: createIdempotency({ database }), logger });
  const asyncPredictions = createAsyncPredictions({
    database, keyring, auth, predictor, lookAtPictures, answerOnce, logger,
    createPredictor: (itsJournal) => createPredictor({ ...predictorOptions, journal: itsJournal }),
    settings: options.async ?? {},
  });

  const requestIdOf = createRequestIds();
  const door = createOverloadDoor({ isFull: batcher.isFull, metrics, idOf: requestIdOf });

  const routes = createRoutes({
    version,
    predictor,
    explainer,
    directory,
    models,
    metrics,
    callers: createCallers({ keys: auth.keys, quota: createQuota({ database }) }),
    answerOnce,
    more: [...asyncPredictions.routes, ...feedback.routes],
    door,
    isReady: () => state === 'open',
    gather: async () => (supervision ? supervision.gather() : []),
  });
  const { app, connections } = createApp({
    routes,
    metrics,
    logger,
    maxBodyBytes: options.maxBodyBytes ?? 8 * mebibyte,
    auth,
    limiter,
    corsOrigins: options.corsOrigins ?? [],
    trustedProxies: options.trustedProxies ?? createTrustedProxies(),
    isDraining: () => state === 'draining',
    requestIdOf,
    refusesAtDoor: (request, response) => state === 'open' && door.refuses(request, response),
  });

  let closing: Promise<void> | undefined;
  const close: RunningInference['close'] = ({ hasSuccessor } = { hasSuccessor: true }) => {
    closing ??= (async () => {
      state = 'draining';
      // Whoever is supervised has left the door to others already.
      if (options.drainMs && !(supervision && hasSuccessor)) await new Promise((resolve) => setTimeout(resolve, options.drainMs));
      supervision?.draining();
      asyncPredictions.letGo();
      // A client that writes just as its connection is closed would lose a request: each is told with an answer first.
      if (options.handoverMs && hasSuccessor) await connections.gone(options.handoverMs);
      await app.close();
      await connections.gone();
      await asyncPredictions.close();
      directory.stop();
      await shadow.close();
      await Promise.all([models.close(), pictures.close()]);
      await threads?.close();
      await Promise.all([meter.close(), limiter.close(), traffic.close(), feedback.close()]);
      await journal.close();
      await auth.trail.close();
      await database.close();
    })();
    return closing;
  };

  try {
    await auth.watchRevocations();
    await directory.start();
    await meter.start();
    limiter.start();
    await journal.start();
    traffic.start();
    feedback.start();
    await asyncPredictions.start();
    models.start();
    const host = options.host ?? '127.0.0.1';
    await app.listen({ port: options.port, host });
    const address = app.server.address();
    const port = typeof address === 'object' && address ? address.port : options.port;
    const url = `http://${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
    if (supervision) {
      await directory.warm(await supervision.inheritance);
      await supervision.accept('inference', (socket) => app.server.emit('connection', socket));
      supervision.serving({ url, version, legacy: () => directory.inUse(), report: metrics.report });
    }
    return { url, close };
  } catch (error) {
    await close().catch(() => undefined);
    throw error;
  }
}

interface AppOptions {
  routes: Route[];
  metrics: Metrics;
  logger: Logger;
  maxBodyBytes: number;
  auth: Auth;
  limiter: RequestLimiter;
  corsOrigins: readonly string[];
  trustedProxies: TrustedProxies;
  isDraining(): boolean;
  requestIdOf(request: IncomingMessage): string;
  /** before anything else sees the request; whether it has been answered by that */
  refusesAtDoor(request: IncomingMessage, response: ServerResponse): boolean;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** the word for the route in the audit trail */
    action?: string;
  }
}

const saneRequestId = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;

/**
 * The id of a request: its own, if it brings one. Else one of ours, unique by the process and 64 random bits, from a pool since asking the system for each
 * would cost as much as the routing. Never a count: it would tell every caller how much the others ask.
 */
function createRequestIds(): (request: IncomingMessage) => string {
  const process = newId('request');
  const pool = Buffer.alloc(4096);
  let used = pool.length;
  return ({ headers }) => {
    const sent = headers['x-request-id'];
    if (typeof sent === 'string' && saneRequestId.test(sent)) return sent;
    if (used === pool.length) {
      randomFillSync(pool);
      used = 0;
    }
    return `${process}-${pool.toString('hex', used, (used += 8))}`;
  };
}

function createApp({ routes, metrics, logger, maxBodyBytes, auth, limiter, corsOrigins, trustedProxies, isDraining, requestIdOf, refusesAtDoor }: AppOptions): { app: FastifyInstance; connections: OpenConnections } {
  const putOff = createFloodLog(logger, 'requests were put off');
  const refuse = (request: FastifyRequest, reply: FastifyReply, error: unknown): FastifyReply => {
    const refusal = toRequestError(error);
    metrics.refused(refusal.code);
    if (refusal.status >= 500) {
      const cause = refusal.details.cause instanceof Error ? (refusal.details.cause.stack ?? String(refusal.details.cause)) : String(refusal.details.cause ?? refusal.message);
      const fields = { requestId: request.id, route: request.routeOptions.url, code: refusal.code, cause };
      if (refusal.status === 500) logger.error(fields, 'a request failed by a fault of ours');
      else putOff(refusal.code, fields);
    }
    if (refusal.status === 401) reply.header('www-authenticate', 'Bearer realm="millrace"');
    if (refusal.details.standings) tellLimits(refusal.details.standings, reply);
    if (refusal.details.retryAfterSeconds !== undefined) reply.header('retry-after', String(refusal.details.retryAfterSeconds));
    return reply
      .code(refusal.status)
      .header('x-request-id', request.id)
      .header('x-millrace-error-code', refusal.code)
      .header('content-type', 'application/json; charset=utf-8')
      .send(refusalBody(request.url, refusal));
  };

  /** Before the answer leaves: whoever asks for the trail next finds it there. */
  const noteRefusal = async (request: FastifyRequest, { status, details }: RequestError): Promise<void> => {
    if (status !== 401 && status !== 403 && !details.isRefusal) return;
    const { actor, id: requestId, ip: address } = request;
    const userAgent = request.headers['user-agent'];
    const { model } = (request.params ?? {}) as { model?: string };
    const action = request.routeOptions.config.action ?? `http.${request.method.toLowerCase()}`;
    const subject = model !== undefined && nameProblem(model, 'model', 'endpoint') === null ? { subject: model } : {};
    const origin = { requestId, address, ...(userAgent === undefined ? {} : { userAgent }) };
    await auth.trail.refuse({ actor, origin, action, ...subject }, status === 401 ? 'unauthenticated' : 'forbidden');
  };

  const app = fastify({
    logger: false,
    serverFactory: (handle) =>
      // A second Authorization would go unseen unless it is joined to the first.
      createServer({ maxHeaderSize: headerLimit, joinDuplicateHeaders: true, requestTimeout: 60_000, keepAliveTimeout: 72_000 }, (request, response) => {
        if (!refusesAtDoor(request, response)) handle(request, response);
      }),
    trustProxy: trustedProxies.trusts,
    bodyLimit: maxBodyBytes,
    forceCloseConnections: 'idle',
    return503OnClosing: false, // what comes in on an open connection while draining is still answered
    requestIdHeader: false,
    genReqId: requestIdOf,
    routerOptions: { maxParamLength: 500, ignoreTrailingSlash: true },
    clientErrorHandler: refuseBrokenHttp,
    frameworkErrors: (error, request, reply) => void refuse(request as FastifyRequest, reply as FastifyReply, error),
  });
  const connections = watchConnections(app.server);
  app.addHook('preClose', async () => connections.endSilent());
  app.decorateRequest('actor', null);
  app.decorateRequest('handling', null);
  app.decorateRequest('startedAt', 0);
  app.decorateRequest('bodySha256', null);

  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (request, bytes, done) => {
    const { headers } = request;
    try {
      if (headers[idempotencyHeader] !== undefined) request.bodySha256 = createHash('sha256').update(bytes).digest('hex');
      const body = readBody(headers, bytes as Buffer, maxBodyBytes);
      if (!(body instanceof Promise)) return done(null, body);
      body.then((read) => done(null, read), done);
    } catch (error) {
      done(error as Error);
    }
  });

  app.addHook('onRequest', (request, reply, done) => {
    request.startedAt = performance.now();
    // What is one caller's is no other's: no cache on the way may keep it, whatever header the credential came in.
    reply.header('x-request-id', request.id).header('x-content-type-options', 'nosniff').header('cache-control', 'no-store');
    done();
  });
  allowListedOrigins(app, corsOrigins);
  app.addHook('onSend', (request, reply, payload, done) => {
    // Its client takes what comes next to another server. What it has sent already is answered first.
    if (isDraining() && connections.isLast(request.raw)) reply.header('connection', 'close');
    done(null, payload);
  });
  app.addHook('onResponse', (request, reply, done) => {
    metrics.answered(request.routeOptions.url ?? '(none)', reply.statusCode, (performance.now() - request.startedAt) / 1000);
    done();
  });
  app.setErrorHandler(async (error: FastifyError, request, reply) => {
    await noteRefusal(request, toRequestError(error));
    return refuse(request, reply, error);
  });

  for (const { operation, access, isUncounted = false, handle } of routes) {
    const { method, path } = operation;
    const row = findRoute('inference', method, path);
    if (!row) throw new Error(`The route ${method} ${path} stands in no row of the table in libs/auth/src/routes.ts.`);
    app.route({
      method,
      url: routerPath(path),
      config: { action: actionOfRoute(row) },
      ...(access !== 'public' && { onRequest: createGate(access, !isUncounted, { auth, limiter }) }),
      handler: handleWatched(handle),
    });
  }
  const shapes = routes.map(({ operation: { method, path } }) => ({ method, pattern: new RegExp(`^${path.replace(/\{\w+\}/g, '([^/:]+)')}/?$`) }));
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0]!;
    const near = shapes.filter(({ pattern }) => pattern.test(path));
    const allowed = near.map(({ method }) => method);
    const meant = near.find(({ method }) => method === request.method);
    // The router would have taken it but for its name, which holds an encoded separator: no endpoint is called so.
    if (meant) return refuse(request, reply, modelNotFound(meant.pattern.exec(path)?.[1] ?? path));
    if (allowed.length) {
      reply.header('allow', allowed.join(', '));
      return refuse(request, reply, new RequestError(405, 'method_not_allowed', `This route does not take ${request.method}.`, { remedy: `Use ${allowed.join(' or ')}.` }));
    }
    const message = `There is no route ${request.method} ${shorten(path)}.`;
    return refuse(request, reply, new RequestError(404, 'route_not_found', message, { remedy: 'See GET /docs.' }));
  });
  return { app, connections };
}

/** Pages of these origins may call with a key that they hold; nothing is ever sent along by the browser itself. */
function allowListedOrigins(app: FastifyInstance, listed: readonly string[]): void {
  if (!listed.length) return;
  void app.register(cors, {
    origin: (origin, done) => done(null, origin !== undefined && listed.includes(origin)),
    credentials: false,
    methods: ['GET', 'POST'],
    allowedHeaders: ['authorization', 'x-api-key', 'content-type', 'content-encoding', jsonLengthHeader, 'accept', 'x-request-id', 'idempotency-key', 'prefer', 'x-millrace-model-version'],
    exposedHeaders: [
      jsonLengthHeader, 'x-request-id', 'retry-after', 'x-millrace-error-code', 'x-millrace-prediction-id', 'x-millrace-model-version', 'x-millrace-variant',
      'x-millrace-cost-units', 'x-millrace-budget-remaining', 'x-millrace-quota-notice', 'idempotent-replayed', 'x-millrace-overhead-ms', 'x-millrace-warnings', 'x-ratelimit-limit-requests', 'x-ratelimit-remaining-requests',
      'x-ratelimit-reset-requests', 'ratelimit', 'ratelimit-policy',
    ],
    maxAge: 600,
  });
}

/** `/v1/models/{model}:predict` in the router's words: a parameter before a colon must say where it ends. */
function routerPath(path: string): string {
  return path.replace(/\{(\w+)\}:/, ':$1(^[^/:]+)::').replace(/\{(\w+)\}/g, ':$1');
}

const refuseBrokenHttp = createBrokenHttpRefusal(({ code, message, remedy }) => ({ body: { error: { code, message, remedy_hint: remedy } }, headers: { 'x-millrace-error-code': code } }));
