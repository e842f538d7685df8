import { DomainError, isId, idPrefixes, type IdKind } from '@millrace/kernel';
import { defaultFieldResolver, type GraphQLError, type GraphQLFieldResolver, type GraphQLSchema, Kind } from 'graphql';
import { auditResultOf, rootOf } from './errors.ts';
import { type RootField, rootFieldsOf } from './field-access.ts';
import type { RequestContext } from './request-context.ts';

/**
 * The edge of the audit trail in GraphQL. A mutation leaves one line, whatever way it ends; of reads, those that were
 * refused leave one.
 */
export function auditRootFields(schema: GraphQLSchema): void {
  for (const root of rootFieldsOf(schema)) {
    const { field, name } = root;
    const resolve = field.resolve ?? defaultFieldResolver;
    if (name.startsWith('Mutation.')) field.resolve = attempting(root, resolve);
    else if (field.subscribe) field.subscribe = notingRefusals(root, field.subscribe);
    else field.resolve = notingRefusals(root, resolve);
  }
}

type Resolver = GraphQLFieldResolver<unknown, unknown>;

function attempting(root: RootField, resolve: Resolver): Resolver {
  return async (source, args, given, info) => {
    const context = given as RequestContext;
    // A verb owns its transaction: while it works, its request holds no connection that an earlier field has read with.
    await context.endReads();
    return context.services.auth.trail.attempt(
      askedOf(root, args, context),
      async () => {
        const payload = (await resolve(source, args, context, info)) as unknown;
        if (!isRefused(payload)) context.noteChange();
        return payload;
      },
      { ofValue: resultOfPayload, ofError: auditResultOf },
    );
  };
}

/** Here, and not only on its way out: of several refusals in one operation GraphQL answers with one. */
function notingRefusals(root: RootField, resolve: Resolver): Resolver {
  return async (source, args, given, info) => {
    const context = given as RequestContext;
    try {
      return (await resolve(source, args, context, info)) as unknown;
    } catch (error) {
      if (isRefusal(error)) await context.note(context.services.auth.trail.refuse(askedOf(root, args, context), auditResultOf(error), error));
      throw error;
    }
  };
}

/**
 * Refusals below the root, and of a subscription that was under way: those that no field above has noted already.
 * @param rootAction the word for those of no field in particular
 */
export async function noteRefusals(errors: readonly GraphQLError[], context: RequestContext, rootAction: string): Promise<void> {
  const { actor, origin, services } = context;
  const seen = new Set<string>();
  for (const error of errors) {
    const cause = rootOf(error);
    if (!isRefusal(cause)) continue;
    const field = (error.path?.length ?? 0) > 1 ? error.nodes?.[0] : undefined;
    const action = field?.kind === Kind.FIELD ? `query.${field.name.value}` : rootAction;
    // A list whose every item is refused is one refusal.
    if (seen.has(action)) continue;
    seen.add(action);
    await services.auth.trail.refuse({ actor, origin, action }, auditResultOf(cause), cause);
  }
}

export function isRefusal(error: unknown): error is DomainError {
  return error instanceof DomainError && (error.code === 'FORBIDDEN' || error.code === 'UNAUTHENTICATED');
}

function askedOf({ action, access }: RootField, args: unknown, { actor, origin }: RequestContext) {
  const subject = subjectOf(args);
  return {
    actor,
    origin,
    action,
    ...(subject === null ? {} : { subject }),
    ...('permission' in access ? { details: { permission: access.permission } } : {}),
  };
}

const isRefused = (payload: unknown): boolean => ((payload ?? {}) as { __typename?: string }).__typename?.endsWith('Error') ?? false;

/** `ok`, or the code that the caller is told: the name of an outcome that is neither success nor error. */
function resultOfPayload(payload: unknown): string {
  const { __typename: name = '', code } = (payload ?? {}) as { __typename?: string; code?: string };
  if (name.endsWith('Error')) return code ?? 'refused';
  return name === '' || name.endsWith('Success') ? 'ok' : name.replace(/(?<=.)[A-Z]/g, '_$&').toLowerCase();
}

/** The first id among the arguments: what it was asked to be done to. Nothing else of an input gets into the trail. */
function subjectOf(args: unknown): string | null {
  const { input, ...rest } = (args ?? {}) as { input?: unknown };
  const values = Object.values({ ...rest, ...(typeof input === 'object' ? input : {}) });
  return values.find((value): value is string => kinds.some((kind) => isId(kind, value))) ?? null;
}

const kinds = Object.keys(idPrefixes) as IdKind[];
