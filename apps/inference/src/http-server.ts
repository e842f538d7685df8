import { createHash, randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { actionOfRoute, type Auth, findRoute } from '@millrace/auth';
import { createBrokenHttpRefusal, createFloodLog, type Logger, newId, type OpenConnections, type TrustedProxies, watchConnections } from '@millrace/kernel';
import type { RequestLimiter } from '@millrace/quota';
import { nameProblem } from '@millrace/registry';
import findMyWay from 'find-my-way';
import { idempotencyHeader } from './answer-once.ts';
import { originOf } from './call-origin.ts';
import { type AnswerBody, Exchange } from './exchange.ts';
import { createForeignPages } from './foreign-pages.ts';
import { createGate, type Gate } from './gate.ts';
import type { Metrics } from './metrics.ts';
import { tellLimits } from './rate-headers.ts';
import { createReadingTurns } from './reading-turns.ts';
import { readBody } from './request-body.ts';
import { modelNotFound, refusalBody, RequestError, shorten, toRequestError } from './request-error.ts';
import type { Route } from './route.ts';
import { callerGone } from './shedding.ts';
import { readWhole } from './whole-body.ts';

export interface HttpServerOptions {
  routes: readonly Route[];
  metrics: Metrics;
  logger: Logger;
  maxBodyBytes: number;
  auth: Auth;
  limiter: RequestLimiter;
  /** foreign pages that may call */
  corsOrigins: readonly string[];
  /** whose X-Forwarded-For counts */
  trustedProxies: TrustedProxies;
  isDraining(): boolean;
  requestIdOf(request: IncomingMessage): string;
  /** before anything else sees the request; whether it has been answered by that */
  refusesAtDoor(request: IncomingMessage, response: ServerResponse): boolean;
}

export interface HttpServer {
  /** @returns the port */
  listen(port: number, host: string): Promise<number>;
  /** for a connection that somebody else accepted */
  take(socket: unknown): void;
  /** Takes no further connection, and resolves when those that it accepted itself have ended. */
  close(): Promise<void>;
  readonly connections: OpenConnections;
}

interface KnownRoute {
  route: Route;
  path: string;
  action: string;
  gate: Gate | null;
}

const headerLimit = 16 * 1024;
const longestParam = 500;
const saneRequestId = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;

/**
 * The id of a request: its own, if it brings one. Else one of ours, unique by the process and 64 random bits, from a pool since asking the system for each
 * would cost as much as the routing. Never a count: it would tell every caller how much the others ask.
 */
export function createRequestIds(): (request: IncomingMessage) => string {
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

/**
 * The routes over node:http. Of a framework it has what the way of a prediction needs and no more: what one adds to each request
 * costs as much as all checks and limits together (docs/adr/0074-inference-on-node-http.md).
 */
export function createHttpServer({ routes, metrics, logger, maxBodyBytes, auth, limiter, corsOrigins, trustedProxies, isDraining, requestIdOf, refusesAtDoor }: HttpServerOptions): HttpServer {
  const putOff = createFloodLog(logger, 'requests were put off');
  const isPreflight = createForeignPages(corsOrigins);
  const inTurn = createReadingTurns();
  const router = findMyWay({
    ignoreTrailingSlash: true,
    maxParamLength: longestParam,
    onBadUrl: () => {
      throw new RequestError(400, 'malformed_url', 'The path is not well-formed.', { remedy: 'Percent-encode the name of the model.' });
    },
    onMaxParamLength: () => {
      throw new RequestError(414, 'name_too_long', 'No model or version has a name of this length.', { field: 'model', remedy: 'Check the name of the endpoint.' });
    },
  });
  for (const route of routes) {
    const { access, isUncounted = false, operation: { method, path } } = route;
    const row = findRoute('inference', method, path);
    if (!row) throw new Error(`The route ${method} ${path} stands in no row of the table in libs/auth/src/routes.ts.`);
    const known: KnownRoute = { route, path: routerPath(path), action: actionOfRoute(row), gate: access === 'public' ? null : createGate(access, !isUncounted, { auth, limiter }) };
    router.on(method === 'GET' ? ['GET', 'HEAD'] : [method], known.path, () => undefined, known);
  }
  const shapes = routes.map(({ operation: { method, path } }) => ({ method, pattern: new RegExp(`^${path.replace(/\{\w+\}/g, '([^/:]+)')}/?$`) }));

  const server: Server = createServer(
    // A second Authorization would go unseen unless it is joined to the first.
    { maxHeaderSize: headerLimit, joinDuplicateHeaders: true, requestTimeout: 60_000, keepAliveTimeout: 72_000 },
    (request, response) => {
      if (!refusesAtDoor(request, response)) void serve(new Exchange(request, response, requestIdOf(request), trustedProxies));
    },
  );
  server.on('clientError', refuseBrokenHttp);
  const connections = watchConnections(server);

  /** From the head of a request to the end of its answer. Never rejects. */
  async function serve(exchange: Exchange): Promise<void> {
    // What is one caller's is no other's: no cache on the way may keep it, whatever header the credential came in.
    exchange.setHeader('x-request-id', exchange.id).setHeader('x-content-type-options', 'nosniff').setHeader('cache-control', 'no-store');
    try {
      if (isPreflight(exchange)) return send(exchange, '');
      const { gate, route } = find(exchange);
      const entering = gate?.(exchange);
      await entering; // in any case: by then the parser has seen to all that has arrived
      if (exchange.method === 'POST') {
        const taking = takeBody(exchange);
        if (taking) await taking; // most bodies are here: an await for nothing costs every request
      }
      send(exchange, await route.handle(exchange));
    } catch (error) {
      await refuse(exchange, error).catch((fault: unknown) => {
        logger.error({ requestId: exchange.id, cause: String(fault) }, 'a refusal could not be sent');
        exchange.response.destroy();
      });
    } finally {
      exchange.served();
    }
  }

  function find(exchange: Exchange): KnownRoute {
    const { request, response, method, url } = exchange;
    const found = router.find(method as 'GET', url);
    if (!found) throw notFound(exchange);
    const known = found.store as KnownRoute | null;
    if (!known) throw found.handler(request, response, found.params, null, {}) as never; // it throws by itself
    exchange.route = known.path;
    exchange.action = known.action;
    exchange.params = found.params;
    return known;
  }

  function notFound(exchange: Exchange): RequestError {
    const { method } = exchange;
    const path = exchange.url.split('?')[0]!;
    const near = shapes.filter(({ pattern }) => pattern.test(path));
    const allowed = near.map((shape) => shape.method);
    const meant = near.find((shape) => shape.method === method);
    // The router would have taken it but for its name, which holds an encoded separator: no endpoint is called so.
    if (meant) return modelNotFound(meant.pattern.exec(path)?.[1] ?? path);
    if (allowed.length) {
      exchange.setHeader('allow', allowed.join(', '));
      return new RequestError(405, 'method_not_allowed', `This route does not take ${method}.`, { remedy: `Use ${allowed.join(' or ')}.` });
    }
    return new RequestError(404, 'route_not_found', `There is no route ${method} ${shorten(path)}.`, { remedy: 'See GET /docs.' });
  }

  function takeBody(exchange: Exchange): void | Promise<void> {
    const bytes = readWhole(exchange.request, maxBodyBytes);
    if (bytes instanceof Promise) return bytes.then((whole) => keepBody(exchange, whole));
    if (bytes) return keepBody(exchange, bytes);
  }

  function keepBody(exchange: Exchange, bytes: Buffer): void | Promise<void> {
    const { headers } = exchange;
    if (headers[idempotencyHeader] !== undefined) exchange.bodySha256 = createHash('sha256').update(bytes).digest('hex');
    if (bytes.length === 0 && headers['content-encoding'] === undefined) return; // some clients name a type with every request; a route that needs a body says so
    const body = readBody(headers, bytes, maxBodyBytes, (read) => inTurn(exchange.actor?.tenantId ?? '', () => (exchange.isGone ? Promise.reject(callerGone()) : read())));
    if (body instanceof Promise) return body.then((read) => void (exchange.readBody = read));
    exchange.readBody = body;
  }

  function send(exchange: Exchange, body: AnswerBody): void {
    // Its client takes what comes next to another server. What it has sent already is answered first.
    if (isDraining() && connections.isLast(exchange.request)) exchange.setHeader('connection', 'close');
    exchange.send(body);
    metrics.answered(exchange.route, exchange.status, (performance.now() - exchange.startedAt) / 1000);
  }

  async function refuse(exchange: Exchange, error: unknown): Promise<void> {
    const refusal = toRequestError(error);
    const { status, code, details } = refusal;
    await noteRefusal(exchange, refusal);
    metrics.refused(code);
    if (status >= 500) {
      const cause = details.cause instanceof Error ? (details.cause.stack ?? String(details.cause)) : String(details.cause ?? refusal.message);
      const fields = { requestId: exchange.id, route: exchange.route, code, cause };
      if (status === 500) logger.error(fields, 'a request failed by a fault of ours');
      else putOff(code, fields);
    }
    if (status === 401) exchange.setHeader('www-authenticate', 'Bearer realm="millrace"');
    if (details.standings) tellLimits(details.standings, exchange);
    if (details.retryAfterSeconds !== undefined) exchange.setHeader('retry-after', String(details.retryAfterSeconds));
    if (status === 413) exchange.setHeader('connection', 'close'); // more is coming, and is not read
    exchange.setHeader('x-millrace-error-code', code).setHeader('content-type', 'application/json; charset=utf-8');
    exchange.status = status;
    send(exchange, refusalBody(exchange.url, refusal));
  }

  /** Before the answer leaves: whoever asks for the trail next finds it there. */
  async function noteRefusal(exchange: Exchange, { status, details }: RequestError): Promise<void> {
    if (status !== 401 && status !== 403 && !details.isRefusal) return;
    const { actor, params: { model }, method, action } = exchange;
    const subject = model !== undefined && nameProblem(model, 'model', 'endpoint') === null ? { subject: model } : {};
    const asked = { actor, origin: originOf(exchange, auth), action: action ?? `http.${method.toLowerCase()}`, ...subject };
    await auth.trail.refuse(asked, status === 401 ? 'unauthenticated' : 'forbidden');
  }

  return {
    connections,
    take: (socket) => void server.emit('connection', socket),
    async listen(port, host) {
      await once(server.listen(port, host), 'listening'); // rejects with the error that comes instead
      const address = server.address();
      return typeof address === 'object' && address ? address.port : port;
    },
    async close() {
      connections.endSilent();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** `/v1/models/{model}:predict` in the router's words: a parameter before a colon must say where it ends. */
function routerPath(path: string): string {
  return path.replace(/\{(\w+)\}:/, ':$1(^[^/:]+)::').replace(/\{(\w+)\}/g, ':$1');
}

const refuseBrokenHttp = createBrokenHttpRefusal(({ code, message, remedy }) => ({ body: { error: { code, message, remedy_hint: remedy } }, headers: { 'x-millrace-error-code': code } }));
