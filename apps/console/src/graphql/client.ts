import { ApolloClient, ApolloLink, CombinedGraphQLErrors, HttpLink, InMemoryCache, ServerError } from '@apollo/client';
import { SetContextLink } from '@apollo/client/link/context';
import { ErrorLink } from '@apollo/client/link/error';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { relayStylePagination } from '@apollo/client/utilities';
import { createClient } from 'graphql-ws';
import { from, switchMap } from 'rxjs';
import { possibleTypes } from '../gql/possible-types.ts';
import type { Session } from './session.ts';

/** The way to the API: queries and mutations over HTTP, subscriptions over a WebSocket on the same path. */
export function createGraphqlClient(session: Session): ApolloClient {
  const authorize = new SetContextLink(async (previous) => {
    const token = await session.accessToken();
    if (!token) return {};
    const headers = previous['headers'] as Record<string, string> | undefined;
    return { token, headers: { ...headers, authorization: `Bearer ${token}` } };
  });

  // One more try with a new token: the old one may have run out on the way, or the server's secret changed.
  const retryOnceWhenRefused = new ErrorLink(({ error, operation, forward }) => {
    const { token, wasRetried } = operation.getContext() as { token?: string; wasRetried?: boolean };
    if (!token || wasRetried || !isUnauthenticated(error)) return;
    session.distrust(token);
    return from(session.accessToken()).pipe(
      switchMap((fresh) => {
        operation.setContext({
          wasRetried: true,
          headers: { ...operation.getContext()['headers'], ...(fresh ? { authorization: `Bearer ${fresh}` } : {}) },
        });
        return forward(operation);
      }),
    );
  });

  const http = new HttpLink({ uri: '/graphql' });
  const socket = new GraphQLWsLink(
    createClient({
      url: new URL('/graphql', window.location.href).href.replace(/^http/, 'ws'),
      lazy: true,
      retryAttempts: 1_000,
      shouldRetry: () => session.getState().type === 'signed-in',
      connectionParams: async () => {
        const token = await session.accessToken();
        return token ? { authorization: `Bearer ${token}` } : {};
      },
    }),
  );

  return new ApolloClient({
    link: ApolloLink.split(
      ({ operationType }) => operationType === 'subscription',
      socket,
      ApolloLink.from([authorize, retryOnceWhenRefused, http]),
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
            auditEvents: relayStylePagination(),
          },
        },
        // these have no id of their own: they belong to what they are read from
        Viewer: { merge: true },
        ModelAlias: { keyFields: false },
      },
    }),
    defaultOptions: { watchQuery: { fetchPolicy: 'cache-and-network' } },
  });
}

function isUnauthenticated(error: unknown): boolean {
  if (CombinedGraphQLErrors.is(error)) return error.errors.some(({ extensions }) => extensions?.['code'] === 'UNAUTHENTICATED');
  return ServerError.is(error) && error.statusCode === 401;
}
