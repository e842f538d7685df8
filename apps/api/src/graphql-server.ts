import { ApolloServer, type ApolloServerPlugin } from '@apollo/server';
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginInlineTraceDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginSchemaReportingDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from '@apollo/server/plugin/disabled';
import { complexityFromQuery } from '@pothos/plugin-complexity';
import { type DocumentNode, GraphQLError, Kind, type OperationDefinitionNode } from 'graphql';
import type { Logger } from 'pino';
import { logGraphqlErrors, publicError, statusOfGraphql, tooManyAttempts, withRequestId } from './errors.ts';
import type { Metrics } from './metrics.ts';
import { assertNoNul, maxTokens, operationRules } from './operation-limits.ts';
import type { RequestContext } from './request-context.ts';
import { schema } from './schema.ts';

export interface GraphqlServerOptions {
  logger: Logger;
  metrics: Metrics;
  /** hides the schema from those who don't know it */
  production: boolean;
}

/** Apollo Server without the plugins that cost more than they give; see docs/architecture.md. */
export function createGraphqlServer({ logger, metrics, production }: GraphqlServerOptions): ApolloServer<RequestContext> {
  const requests: ApolloServerPlugin<RequestContext> = {
    async requestDidStart({ contextValue: context, request }) {
      const started = performance.now();
      let type = 'none';
      return {
        async didResolveOperation({ operation }) {
          type = operation?.operation ?? 'none';
          if (type === 'subscription') {
            throw new GraphQLError('Subscriptions are not served here: use graphql-transport-ws on this address, or /graphql/stream.', {
              extensions: { code: 'SUBSCRIPTION_NOT_SERVED_HERE', http: { status: 400 } },
            });
          }
          assertNoNul(request.variables ?? {});
        },
        async didEncounterErrors({ errors }) {
          logGraphqlErrors(errors, context.requestId, logger);
        },
        async willSendResponse({ response, operation, document }) {
          await context.endReads();
          metrics.operation(type, response.body.kind === 'single' && response.body.singleResult.errors ? 'errors' : 'ok', started);
          if (response.body.kind !== 'single') return;
          const { singleResult } = response.body;
          if (operation && document) singleResult.extensions = { ...singleResult.extensions, cost: costOf(operation, document, request.variables, context) };
          if (singleResult.errors) singleResult.errors = withRequestId(singleResult.errors, context.requestId);
          const refusal =
            context.retryAfterSeconds !== null
              ? tooManyAttempts(context.retryAfterSeconds)
              : singleResult.errors && singleResult.data == null
                ? statusOfGraphql(singleResult.errors)
                : null;
          if (!refusal) return;
          response.http.status = refusal.status;
          for (const [name, value] of Object.entries(refusal.headers)) response.http.headers.set(name, value);
        },
      };
    },
  };

  return new ApolloServer<RequestContext>({
    schema,
    logger,
    introspection: !production,
    includeStacktraceInErrorResponses: false,
    hideSchemaDetailsFromClientErrors: true,
    csrfPrevention: true,
    allowBatchedHttpRequests: false,
    stopOnTerminationSignals: false,
    persistedQueries: false,
    parseOptions: { maxTokens },
    validationRules: operationRules({ production }),
    formatError: (_formatted, error) => publicError(error instanceof GraphQLError ? error : new GraphQLError('', { originalError: error as Error })),
    plugins: [
      requests,
      ApolloServerPluginCacheControlDisabled(),
      ApolloServerPluginLandingPageDisabled(),
      ApolloServerPluginUsageReportingDisabled(),
      ApolloServerPluginSchemaReportingDisabled(),
      ApolloServerPluginInlineTraceDisabled(),
    ],
  });
}

/** The cost that the limit of the schema builder is about. Zero where an operation failed before it could be told. */
function costOf(
  operation: OperationDefinitionNode,
  document: DocumentNode,
  variables: Record<string, unknown> | undefined,
  context: RequestContext,
): number {
  const fragments = document.definitions.filter((node) => node.kind === Kind.FRAGMENT_DEFINITION);
  try {
    const options = { schema, ctx: context, variables: variables ?? {} };
    return complexityFromQuery({ kind: Kind.DOCUMENT, definitions: [operation, ...fragments] }, options).complexity;
  } catch {
    return 0; // its variables don't fit
  }
}
