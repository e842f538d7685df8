import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { DomainError, newId, type TrustedProxies } from '@millrace/kernel';
import type { FastifyInstance } from 'fastify';
import { type ExecutionResult, GraphQLError } from 'graphql';
import type { Response } from 'graphql-sse';
import { createHandler } from 'graphql-sse/lib/use/fastify';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import type { Credentials, Presented } from './credentials.ts';
import { type CrossOriginOptions, mayOpenSocket } from './cross-origin.ts';
import { statusOfGraphql } from './errors.ts';
import type { LiveArgs, LiveOperations } from './live-operations.ts';
import { originOf, type RequestContext, type RequestOrigin } from './request-context.ts';

export interface LiveTransportOptions {
  operations: LiveOperations;
  credentials: Credentials;
  makeContext(presented: Presented, origin: RequestOrigin): Promise<RequestContext>;
}

export interface WebSocketOptions extends LiveTransportOptions {
  origins: CrossOriginOptions;
  proxies: TrustedProxies;
}

const mostPerConnection = 20;
const largestMessage = 256 * 1024;

const isRefused = (prepared: LiveArgs | ExecutionResult): prepared is ExecutionResult => !('schema' in prepared);

/**
 * graphql-transport-ws on `/graphql`. The credential comes with the connection's first message (`connectionParams`:
 * `authorization` or `x-api-key`) or with the upgrade request; without a good one the connection is closed with 4403, also
 * later, when something is subscribed to. Pages of origins that are not listed get no further than the upgrade.
 * @returns closes all connections with 1001
 */
export function serveWebSockets(server: Server, { operations, credentials, makeContext, origins, proxies }: WebSocketOptions): () => Promise<void> {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: largestMessage });
  const contextFrom = async (params: Record<string, unknown> | undefined, request: IncomingMessage): Promise<RequestContext> =>
    makeContext(credentials.ofUpgrade(request, params), originOfUpgrade(request, proxies));

  const served = useServer(
    {
      onConnect: async ({ connectionParams, extra }) => (await contextFrom(connectionParams, extra.request).catch(inTheWrongPlace))?.actor != null,
      onSubscribe: async ({ connectionParams, extra, subscriptions }, _id, payload) => {
        const context = await contextFrom(connectionParams, extra.request);
        // What the connection was opened with is no good any more; a client that has something better connects anew.
        if (!context.actor) extra.socket.close(4403, 'Forbidden');
        if (Object.keys(subscriptions).length > mostPerConnection) return [tooMany()];
        const prepared = await operations.prepare(payload, context);
        return isRefused(prepared) ? prepared.errors! : prepared;
      },
      subscribe: (args) => operations.subscribe(args as LiveArgs),
      isProd: true,
    },
    sockets,
  );

  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    // From here on the socket is nobody else's: an error that is not listened for would end the process.
    socket.on('error', () => socket.destroy());
    if (request.url?.split('?', 1)[0] !== '/graphql') {
      socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    if (!mayOpenSocket(request, origins)) {
      socket.end('HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      sockets.emit('connection', webSocket, request);
      // Frames out of order are their sender's fault: the connection is closed with a code that says so, and nothing is logged.
      webSocket.removeAllListeners('error').on('error', () => undefined);
    });
  };
  server.on('upgrade', onUpgrade);

  return async () => {
    server.off('upgrade', onUpgrade);
    await served.dispose();
  };
}

/**
 * Server-sent events on `/graphql/stream`, one operation a request, for clients without WebSockets.
 * @returns breaks all streams off: their clients come again, as they would not after an end
 */
export function serveEventStreams(app: FastifyInstance, { operations, credentials, makeContext }: LiveTransportOptions): () => void {
  const open = new Set<ServerResponse>();
  const handle = createHandler({
    authenticate: () => '', // no token: every request is a stream of its own
    onSubscribe: async (request, params) => {
      const prepared = await operations.prepare(params, await makeContext(credentials.ofRequest(request.raw), originOf(request.raw)));
      // As an answer of its own: the handler knows a result by its data, which a refusal has not.
      return isRefused(prepared) ? refusalOf(prepared) : (prepared as never);
    },
    subscribe: (args) => operations.subscribe(args as unknown as LiveArgs),
  });

  app.route({
    url: '/graphql/stream',
    method: ['GET', 'POST'],
    preHandler: async (request) => {
      // Refused here with a status of its own: a stream would begin with 200.
      void (await makeContext(credentials.ofRequest(request), originOf(request))).signedIn;
    },
    handler: async (request, reply) => {
      if (!request.headers.accept?.includes('text/event-stream')) {
        throw new DomainError('INVALID', 'This address answers with a stream of events, which the request does not accept.', {
          field: 'accept',
          remedy: 'Send Accept: text/event-stream.',
        });
      }
      // The handler would wait for ever for the body that it takes this for.
      if (request.method === 'POST' && !request.body) {
        throw new DomainError('INVALID', 'The body holds no operation.', { field: 'query', remedy: 'Send {"query": "subscription …"} as JSON.' });
      }
      open.add(reply.raw);
      reply.raw.once('close', () => open.delete(reply.raw));
      try {
        await handle(request, reply);
      } catch (error) {
        if (!reply.raw.headersSent) throw error;
        reply.raw.destroy(); // its reader is gone
      }
      return reply.hijack();
    },
  });
  return () => open.forEach((response) => response.destroy());
}

/** Each operation on a socket is a request of its own. */
function originOfUpgrade(request: IncomingMessage, proxies: TrustedProxies): RequestOrigin {
  const userAgent = request.headers['user-agent'];
  return { requestId: newId('request'), address: proxies.clientAddress(request), ...(userAgent === undefined ? {} : { userAgent }) };
}

function refusalOf({ errors }: ExecutionResult): Response {
  const { status, headers } = statusOfGraphql(errors!.map((error) => error.toJSON())) ?? { status: 400, headers: {} };
  return [JSON.stringify({ errors }), { status, statusText: STATUS_CODES[status]!, headers: { ...headers, 'content-type': 'application/json; charset=utf-8' } }];
}

function tooMany(): GraphQLError {
  const message = `This connection has ${mostPerConnection} subscriptions already.`;
  return new GraphQLError(message, { extensions: { code: 'TOO_MANY_REQUESTS', remedy: 'End some of them, or open another connection.' } });
}

/** A good key, but not from here: the connection is closed as for any that is not good. */
function inTheWrongPlace(error: unknown): null {
  if (error instanceof DomainError && error.code === 'ADDRESS_NOT_ALLOWED') return null;
  throw error;
}
