import { fastifyApolloHandler } from '@as-integrations/fastify';
import type { ApolloServer } from '@apollo/server';
import type { Auth } from '@millrace/auth';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { Credentials, Presented } from './credentials.ts';
import type { Metrics } from './metrics.ts';
import { originOf, type RequestContext, type RequestOrigin } from './request-context.ts';
import { createShapeGuard } from './shape-guard.ts';
import { createSignInShed } from './sign-in-shed.ts';

export interface GraphqlRouteOptions {
  graphql: ApolloServer<RequestContext>;
  auth: Auth;
  credentials: Credentials;
  metrics: Metrics;
  logger: Logger;
  makeContext(presented: Presented, origin: RequestOrigin): Promise<RequestContext>;
}

/** Queries and mutations on `/graphql`; a session that begins or ends there goes into the browser's cookies. What is live has its own transports. */
export function serveGraphql(app: FastifyInstance, { graphql, auth, credentials, metrics, logger, makeContext }: GraphqlRouteOptions): void {
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
}
