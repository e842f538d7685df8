import {
  createSourceEventStream,
  type DocumentNode,
  execute,
  type ExecutionArgs,
  type ExecutionResult,
  getOperationAST,
  GraphQLError,
  Kind,
  specifiedRules,
  validate,
} from 'graphql';
import type { Logger } from 'pino';
import { noteRefusals } from './audited-fields.ts';
import { logGraphqlErrors, publicError, withRequestId } from './errors.ts';
import type { Metrics } from './metrics.ts';
import type { OperationGate } from './operation-gate.ts';
import { operationRules, readDocument } from './operation-limits.ts';
import type { RequestContext } from './request-context.ts';
import { schema } from './schema.ts';

export interface LiveOperationsOptions {
  gate: OperationGate;
  logger: Logger;
  metrics: Metrics;
  production: boolean;
}

export interface OperationRequest {
  query?: unknown;
  operationName?: unknown;
  variables?: unknown;
}

export type LiveArgs = ExecutionArgs & { contextValue: RequestContext };

/** Subscriptions, whatever carries them: under the same rules and with the same errors as all other operations. */
export interface LiveOperations {
  prepare(request: OperationRequest, context: RequestContext): Promise<LiveArgs | ExecutionResult>;
  subscribe(args: LiveArgs): Promise<AsyncGenerator<ExecutionResult, void, void> | ExecutionResult>;
}

export function createLiveOperations({ gate, logger, metrics, production }: LiveOperationsOptions): LiveOperations {
  const rules = [...specifiedRules, ...operationRules({ production })];

  /** The same result with its errors as the public may see them. */
  async function published(result: ExecutionResult, context: RequestContext, action: string): Promise<ExecutionResult> {
    if (!result.errors) return result;
    const { requestId } = context;
    logGraphqlErrors(result.errors, requestId, logger);
    await noteRefusals(result.errors, context, action);
    const errors = withRequestId(result.errors.map(publicError), requestId).map(
      // The transports insist on this class.
      ({ message, path, extensions }) => new GraphQLError(message, { path: path ?? null, extensions: extensions ?? null }),
    );
    return { ...result, errors };
  }

  type Checked = { document: DocumentNode } & Pick<ExecutionArgs, 'operationName' | 'variableValues'>;
  function check({ query, operationName, variables: sent }: OperationRequest, context: RequestContext): Checked {
    if (typeof query !== 'string') throw badRequest('The operation must be sent as text in query.');
    if (operationName != null && typeof operationName !== 'string') throw badRequest('operationName must be text.');
    if (sent != null && (typeof sent !== 'object' || Array.isArray(sent))) throw badRequest('variables must be an object.');
    const variables = (sent ?? {}) as Record<string, unknown>;
    const document = readDocument(query);
    const errors = validate(schema, document, rules);
    if (errors.length) throw new AggregateError(errors);
    const operation = getOperationAST(document, operationName);
    if (operation?.operation !== 'subscription') throw badRequest('Only subscriptions are served here: POST queries and mutations to /graphql.');
    gate.admit({ document, operation, variables, context });
    return { document, operationName: operationName ?? null, variableValues: variables };
  }

  /** Each event reads for itself, in a short session, as whoever the caller now is. */
  async function answer(args: LiveArgs, event: unknown): Promise<ExecutionResult> {
    const reader = await args.contextValue.renewed();
    try {
      return await published(await execute({ ...args, rootValue: event, contextValue: reader }), reader, actionOf(args));
    } finally {
      await reader.endReads();
    }
  }

  return {
    async prepare(request, context) {
      try {
        return { schema, contextValue: context, ...check(request, context) };
      } catch (error) {
        const errors = error instanceof AggregateError ? (error.errors as GraphQLError[]) : [asGraphqlError(error)];
        return published({ errors }, context, 'subscription.operation');
      }
    },

    async subscribe(args) {
      const context = args.contextValue;
      const source = await createSourceEventStream(args);
      await context.endReads();
      if (!(Symbol.asyncIterator in source)) return published(source, context, actionOf(args));
      const results = (async function* (): AsyncGenerator<ExecutionResult, void, void> {
        metrics.subscriptionBegan();
        try {
          for await (const event of source) yield await answer(args, event);
        } catch (error) {
          yield await published({ errors: [asGraphqlError(error)] }, context, actionOf(args));
        } finally {
          metrics.subscriptionEnded();
        }
      })();
      // A generator that waits for news cannot be told to return: what it waits for is ended first.
      const end = results.return.bind(results);
      results.return = (value) => {
        context.end();
        return end(value);
      };
      return results;
    },
  };
}

/** A subscription has one root field. */
function actionOf({ document, operationName }: LiveArgs): string {
  const [field] = getOperationAST(document, operationName)!.selectionSet.selections;
  return field?.kind === Kind.FIELD ? `subscription.${field.name.value}` : 'subscription.operation';
}

function badRequest(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'BAD_REQUEST' } });
}

function asGraphqlError(error: unknown): GraphQLError {
  return error instanceof GraphQLError ? error : new GraphQLError('', { originalError: error as Error });
}
