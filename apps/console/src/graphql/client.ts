import { ApolloClient, ApolloLink, CombinedGraphQLErrors, HttpLink, InMemoryCache, ServerError } from '@apollo/client';
import { SetContextLink } from '@apollo/client/link/context';
import { ErrorLink } from '@apollo/client/link/error';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { relayStylePagination } from '@apollo/client/utilities';
import { createClient } from 'graphql-ws';
import { from, switchMap } from 'rxjs';
import { possibleTypes } from '../gql/possible-types.ts';
import { cookieHeader, type Session } from './session.ts';

/** The way to the API: queries and mutations over HTTP, subscriptions over a WebSocket on the same path. */
export function createGraphqlClient(session: Session): ApolloClient {
  const makeReady = new SetContextLink(async () => ({ goodUntil: await session.ready() }));

  // One more try with a new cookie: the old one may have run out on the way, or the server's secret changed.
  const retryOnceWhenRefused = new ErrorLink(({ error, operation, forward }) => {
    const { goodUntil, wasRetried } = operation.getContext() as { goodUntil?: number | null; wasRetried?: boolean };
    // Somebody has given this person another role meanwhile: the pages follow it.
    if (hasCode(error, 'FORBIDDEN')) void session.look().catch(() => undefined);
    if (!goodUntil || wasRetried || !isUnauthenticated(error)) return;
    session.distrust(goodUntil);
    operation.setContext({ wasRetried: true });
    return from(session.ready()).pipe(switchMap(() => forward(operation)));
  });

  const http = new HttpLink({ uri: '/graphql', credentials: 'same-origin', headers: cookieHeader });
  const socket = createSocket(session);
  const socketAgainWhenRefused = new ErrorLink(({ error, operation, forward }) => {
    const { wasRetried } = operation.getContext() as { wasRetried?: boolean };
    if (wasRetried || !isUnauthenticated(error)) return;
    operation.setContext({ wasRetried: true });
    return from(socket.renew()).pipe(switchMap(() => forward(operation)));
  });

  return new ApolloClient({
    link: ApolloLink.split(
      ({ operationType }) => operationType === 'subscription',
      ApolloLink.from([socketAgainWhenRefused, new GraphQLWsLink(socket.client)]),
      ApolloLink.from([makeReady, retryOnceWhenRefused, http]),
    ),
    cache: new InMemoryCache({
      possibleTypes,
      typePolicies: {
        Query: {
          fields: {
            datasets: relayStylePagination(),
            runs: relayStylePagination(['status']),
            models: relayStylePagination(),
            endpoints: relayStylePagination(),
            apiKeys: relayStylePagination(),
            asyncPredictions: relayStylePagination(['status', 'endpointName']),
            webhookDeliveries: relayStylePagination(['status', 'predictionId']),
            auditEvents: relayStylePagination(['action', 'actor', 'subject', 'result', 'from', 'to']),
            members: relayStylePagination(),
            invitations: relayStylePagination(),
            accessGrants: relayStylePagination(),
            tenants: relayStylePagination(['search']),
          },
        },
        // these have no id of their own: they belong to what they are read from
        Viewer: { merge: true },
        ModelAlias: { keyFields: false },
        Plan: { keyFields: ['name'] },
        WebhookReceiver: { keyFields: ['receiver'] },
      },
    }),
    defaultOptions: { watchQuery: { fetchPolicy: 'cache-and-network' } },
  });
}

/**
 * A WebSocket is opened with the cookie of that moment, and what it watches ends with it. So it is opened anew with a
 * newer one, shortly before; what was being watched goes on.
 */
function createSocket(session: Session) {
  let goodUntil: number | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const client = createClient({
    url: async () => {
      goodUntil = await session.ready();
      return new URL('/graphql', window.location.href).href.replace(/^http/, 'ws');
    },
    lazy: true,
    retryAttempts: 1_000,
    shouldRetry: () => session.getState().type === 'signed-in',
    on: {
      connected: () => {
        clearTimeout(timer);
        // `ready` gets a new cookie for the last half minute.
        if (goodUntil !== null) timer = setTimeout(() => void renew(false), Math.max(1_000, goodUntil - Date.now() - 25_000));
      },
      closed: (event) => {
        clearTimeout(timer);
        if ((event as { code?: unknown }).code === 4403 && goodUntil !== null) session.distrust(goodUntil);
      },
    },
  });

  async function renew(wasRefused: boolean): Promise<void> {
    if (wasRefused && goodUntil !== null) session.distrust(goodUntil);
    const next = await session.ready().catch(() => null);
    if (next !== null) client.terminate();
  }

  return { client, renew: () => renew(true) };
}

function hasCode(error: unknown, code: string): boolean {
  return CombinedGraphQLErrors.is(error) && error.errors.some(({ extensions }) => extensions?.['code'] === code);
}

function isUnauthenticated(error: unknown): boolean {
  if (hasCode(error, 'UNAUTHENTICATED')) return true;
  return ServerError.is(error) && error.statusCode === 401;
}
