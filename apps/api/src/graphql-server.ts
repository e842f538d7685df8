import { ApolloServer, type ApolloServerPlugin } from '@apollo/server';
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginInlineTraceDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginSchemaReportingDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from '@apollo/server/plugin/disabled';
import { GraphQLError } from 'graphql';
import type { Logger } from 'pino';
import { noteRefusals } from './audited-fields.ts';
import { budgetHeaders } from './cost-budget.ts';
import { logGraphqlErrors, publicError, statusOfGraphql, tooManyAttempts, withRequestId } from './errors.ts';
import type { Metrics } from './metrics.ts';
import { type createMutationOnce, replayedHeaders, type Turn } from './mutation-once.ts';
import type { Admission, OperationGate } from './operation-gate.ts';
import { maxTokens, operationRules } from './operation-limits.ts';
import type { RequestContext } from './request-context.ts';
import { schema } from './schema.ts';

export interface GraphqlServerOptions {
  gate: OperationGate;
  mutationOnce: ReturnType<typeof createMutationOnce>;
  logger: Logger;
  metrics: Metrics;
  /** hides the schema from those who don't know it */
  production: boolean;
}

/** Apollo Server without the plugins that cost more than they give; see docs/architecture.md. */
export function createGraphqlServer({ gate, mutationOnce, logger, metrics, production }: GraphqlServerOptions): ApolloServer<RequestContext> {
  const requests: ApolloServerPlugin<RequestContext> = {
    async requestDidStart({ contextValue: context, request }) {
      const started = performance.now();
      let type = 'none';
      let admission: Admission | undefined;
      let turn: Turn | undefined;
      return {
        async didResolveOperation({ operation, document }) {
          type = operation?.operation ?? 'none';
          if (type === 'subscription') {
            throw new GraphQLError('Subscriptions are not served here: use graphql-transport-ws on this address, or /graphql/stream.', {
              extensions: { code: 'SUBSCRIPTION_NOT_SERVED_HERE', http: { status: 400 } },
            });
          }
          if (operation) admission = gate.admit({ document, operation, variables: request.variables ?? {}, context });
          const given = request.http?.headers.get('idempotency-key');
          if (type === 'mutation' && given !== undefined) turn = await mutationOnce({ given, operation: operation!, body: request, context });
        },
        async responseForOperation() {
          return turn?.kept ? { http: { headers: replayedHeaders() }, body: { kind: 'single', singleResult: turn.kept } } : null;
        },
        async didEncounterErrors({ errors }) {
          logGraphqlErrors(errors, context.requestId, logger);
          await noteRefusals(errors, context, `${type}.operation`);
        },
        async willSendResponse({ response }) {
          await context.untilNoted();
          await context.endReads();
          metrics.operation(type, response.body.kind === 'single' && response.body.singleResult.errors ? 'errors' : 'ok', started);
          if (response.body.kind !== 'single') return;
          const { singleResult } = response.body;
          await turn?.end(singleResult);
          if (admission) {
            singleResult.extensions = { ...singleResult.extensions, cost: admission.cost };
            for (const [name, value] of Object.entries(budgetHeaders(admission.budget))) response.http.headers.set(name, value);
          }
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
