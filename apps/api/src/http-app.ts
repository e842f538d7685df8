import { actionOfRoute, type Actor, type Auth, findRoute } from '@millrace/auth';
import { createBrokenHttpRefusal, type DomainError, newId, type OpenConnections, type TrustedProxies, watchConnections } from '@millrace/kernel';
import fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyReply, type FastifyRequest, LogController } from 'fastify';
import type { Logger } from 'pino';
import { isRefusal } from './audited-fields.ts';
import { securityHeaders } from './console-routes.ts';
import type { Credentials } from './credentials.ts';
import { allowListedOrigins } from './cross-origin.ts';
import { auditResultOf, httpRefusalOf } from './errors.ts';
import { acceptJsonBodies } from './json-bodies.ts';
import type { Metrics } from './metrics.ts';
import { findActor, originOf, type RequestOrigin } from './request-context.ts';

export interface HttpAppOptions {
  auth: Auth;
  credentials: Credentials;
  metrics: Metrics;
  logger: Logger;
  /** where people reach the console */
  publicUrl: string | undefined;
  /** foreign pages that may call */
  corsOrigins: readonly string[];
  /** whose X-Forwarded-For counts */
  trustedProxies: TrustedProxies;
}

export interface HttpApp {
  /** takes routes; each needs a row in the table of libs/auth/src/routes.ts */
  app: FastifyInstance;
  connections: OpenConnections;
  /** From now on each answer is the last on its connection, where nothing else has been asked for on it. */
  drain(): void;
  readonly isDraining: boolean;
}

const bodyLimit = 1024 * 1024;
const headerLimit = 16 * 1024;

/**
 * An HTTP server without routes, and what holds for all of them: limits, request ids, security headers, strict bodies, listed origins, what a failing request is
 * answered, and the line of a refusal in the audit trail.
 */
export async function createHttpApp({ auth, credentials, metrics, logger, publicUrl, corsOrigins, trustedProxies }: HttpAppOptions): Promise<HttpApp> {
  const headers = securityHeaders(publicUrl);
  let isDraining = false;

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
    if (isDraining && connections.isLast(request.raw)) void reply.header('connection', 'close');
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

  return {
    app,
    connections,
    drain() {
      isDraining = true;
    },
    get isDraining() {
      return isDraining;
    },
  };
}

/** `/uploads/:id` as the table of routes has it. */
const pathOf = (url: string): string => url.replace(/:(\w+)/g, '{$1}');

const refuseBrokenHttp = createBrokenHttpRefusal(({ code, message, remedy }) => ({ body: { error: { code: code.toUpperCase(), message, remedy } } }));

/** A request id of a client or proxy is kept where it can do no harm in logs and headers. */
function saneRequestId(value: unknown): string | null {
  return typeof value === 'string' && /^[A-Za-z0-9._:-]{8,100}$/.test(value) ? value : null;
}
