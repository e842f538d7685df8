import { type Permission, permissionRefusal } from '@millrace/auth';
import { type PothosTypes, pothosDatamodel } from '@millrace/database';
import { DomainError } from '@millrace/kernel';
import SchemaBuilder from '@pothos/core';
import ComplexityPlugin from '@pothos/plugin-complexity';
import PrismaPlugin from '@pothos/plugin-prisma';
import RelayPlugin from '@pothos/plugin-relay';
import ScopeAuthPlugin, { type AuthFailure, AuthScopeFailureType } from '@pothos/plugin-scope-auth';
import { fieldAccessPlugin } from './field-access.ts';
import { permissionToReadNode, typeOfId } from './node-types.ts';
import { complexityLimit, tooCostly } from './operation-limits.ts';
import type { RequestContext } from './request-context.ts';
import { bigIntScalar, dateTimeScalar, jsonScalar } from './scalars.ts';

/** The models as reads see them: without the columns that hold secrets, which the database refuses to the application. */
type WithoutSecret<Name extends keyof PothosTypes, Column extends PropertyKey> = Omit<PothosTypes[Name], 'Shape'> & {
  Shape: Omit<PothosTypes[Name]['Shape'], Column>;
};
interface ReadTypes extends Omit<PothosTypes, 'Person' | 'ApiKey' | 'Session' | 'Invitation' | 'SsoConnection' | 'SigningKey'> {
  Person: WithoutSecret<'Person', 'passwordHash' | 'totpSealed' | 'totpLastStep'>;
  ApiKey: WithoutSecret<'ApiKey', 'secretHmac' | 'previousHmac'>;
  Session: WithoutSecret<'Session', 'tokenHash'>;
  Invitation: WithoutSecret<'Invitation', 'tokenHash'>;
  SsoConnection: WithoutSecret<'SsoConnection', 'secretSealed'>;
  SigningKey: WithoutSecret<'SigningKey', 'wrapped' | 'masterKeyId'>;
}

export interface SchemaTypes {
  Context: RequestContext;
  PrismaTypes: ReadTypes;
  Scalars: {
    ID: { Input: string; Output: string };
    DateTime: { Input: Date; Output: Date };
    JSON: { Input: unknown; Output: unknown };
    BigInt: { Input: bigint; Output: bigint | number };
  };
  AuthScopes: { public: boolean; signedIn: boolean; permission: Permission };
  DefaultFieldNullability: false;
  DefaultEdgesNullability: { list: false; items: false };
  DefaultNodeNullability: false;
}

export const builder = new SchemaBuilder<SchemaTypes>({
  plugins: [fieldAccessPlugin, ScopeAuthPlugin, ComplexityPlugin, RelayPlugin, PrismaPlugin],
  defaultFieldNullability: false,
  prisma: {
    // Typed for a whole client; reads need no more than the models, which a transaction has.
    client: (context) => context.db as never,
    dmmf: pothosDatamodel() as never,
    maxConnectionSize: 100,
    defaultConnectionSize: 20,
  },
  scopeAuth: {
    authorizeOnSubscribe: true,
    authScopes: (context) => ({
      public: true,
      signedIn: () => context.actor !== null,
      permission: (permission) => context.actor !== null && context.can(permission),
    }),
    unauthorizedError: (_parent, context, _info, { failure }) => {
      if (!context.actor) return refusalOf(() => context.signedIn);
      const lacking = permissionIn(failure);
      if (lacking) return permissionRefusal(context.actor, lacking);
      return new DomainError('FORBIDDEN', 'Your role or key may not do this.', { remedy: 'Ask an administrator of your tenant, or use a key that has the scope.' });
    },
  },
  complexity: {
    limit: { complexity: complexityLimit },
    defaultListMultiplier: 10,
    complexityError: (_kind, { complexity }) => tooCostly(complexity),
  },
  relay: {
    encodeGlobalID: (_type, id) => String(id),
    decodeGlobalID: (id) => ({ typename: typeOfId(id) ?? '', id }),
    cursorType: 'String',
    nodeTypeOptions: { description: 'Anything with an id of its own. The prefix of the id tells its type.' },
    idFieldOptions: { description: 'Prefix and 26 characters; sorts by the time of making.' },
    nodeQueryOptions: {
      nullable: true,
      description: 'Whatever has this id; null if there is nothing, or nothing of yours.',
      args: { id: { description: 'Any id that the API has given out.' } },
      authScopes: { signedIn: true },
      resolve: async (_root, { id }, context, _info, resolveNode) => {
        const permission = permissionToReadNode(id.typename);
        if (permission && context.can(permission)) return resolveNode(id);
        // Answered like what is not there, and yet a refusal.
        const { actor, origin } = context;
        if (permission) await context.services.auth.trail.refuse({ actor, origin, action: 'query.node', subject: id.id, details: { permission } }, 'forbidden');
        return null;
      },
    },
    nodesQueryOptions: false,
    edgesFieldOptions: {
      nullable: { list: false, items: false },
      description: 'The page, one edge an item.',
      complexity: { field: 0, multiplier: 1 }, // the length of the page counts with the connection: without a multiplier of its own it would count as a list once more
    },
    nodeFieldOptions: { nullable: false, description: 'The item.' },
    cursorFieldOptions: { description: 'Where this item stands: pass it as after to get what follows.' },
    pageInfoFieldOptions: { description: 'Where this page stands in the whole.' },
    pageInfoTypeOptions: { description: 'Where a page stands in the whole.' },
    hasNextPageFieldOptions: { description: 'Whether there is more after this page.' },
    hasPreviousPageFieldOptions: { description: 'Whether there is more before this page.' },
    startCursorFieldOptions: { description: 'Cursor of the first item; null on an empty page.' },
    endCursorFieldOptions: { description: 'Cursor of the last item; null on an empty page.' },
    firstArgOptions: { description: 'So many items at most: 1 to 100, 20 if left out.' },
    afterArgOptions: { description: 'Only what follows this cursor.' },
    lastArgOptions: { description: 'So many items from the end: 1 to 100.' },
    beforeArgOptions: { description: 'Only what comes before this cursor.' },
    defaultConnectionTypeOptions: { description: 'A page of items.' },
    defaultEdgeTypeOptions: { description: 'An item of a page.' },
  },
});

builder.queryType({ description: 'What can be read. All of it belongs to the caller’s tenant.' });
builder.mutationType({
  description:
    'What can be done. Each field answers with a union: its success, or one of the errors that the caller can mend.',
});
builder.subscriptionType({ description: 'What can be watched, over graphql-transport-ws or server-sent events.' });

builder.addScalarType('DateTime', dateTimeScalar);
builder.addScalarType('JSON', jsonScalar);
builder.addScalarType('BigInt', bigIntScalar);

interface PageArgs {
  first?: number | null | undefined;
  last?: number | null | undefined;
  after?: string | null | undefined;
  before?: string | null | undefined;
}

/** Every connection is read in the order of its ids, so that every cursor holds one. */
const cursorShape = /^GPC:S:[a-z]{3}_[0-9a-z]{26}$/;

/**
 * Refuses page sizes out of bounds instead of quietly giving another page than was asked for, and cursors that were not
 * given out here: the database would not know what to make of them.
 */
export function pageLimit(args: PageArgs): number {
  for (const field of ['after', 'before'] as const) {
    const cursor = args[field];
    if (cursor != null && !cursorShape.test(Buffer.from(cursor, 'base64').toString())) {
      throw new DomainError('INVALID', `${field} is no cursor.`, { field, remedy: 'Take it from pageInfo of the page before.' });
    }
  }
  for (const field of ['first', 'last'] as const) {
    const size = args[field];
    if (size != null && (size < 1 || size > 100)) {
      throw new DomainError('INVALID', `${field} is ${size}: a page has 1 to 100 items.`, {
        field,
        remedy: 'Ask for at most 100 items, then for the next page with after: pageInfo.endCursor.',
      });
    }
  }
  return 100;
}

/** For a connection: as costly as the page is long. */
export function pageComplexity(args: { first?: number | null | undefined; last?: number | null | undefined }): {
  field: number;
  multiplier: number;
} {
  return { field: 1, multiplier: Math.max(1, Math.min(100, args.first ?? args.last ?? 20)) };
}

function refusalOf(attempt: () => unknown): Error {
  try {
    attempt();
  } catch (error) {
    return error as Error;
  }
  throw new Error('a refusal was expected');
}

/** The permission for want of which something was refused; null where that was not the reason. */
function permissionIn(failure: AuthFailure): Permission | null {
  if ('failures' in failure) return failure.failures.map(permissionIn).find((permission) => permission !== null) ?? null;
  return failure.kind === AuthScopeFailureType.AuthScope && failure.scope === 'permission' ? (failure.parameter as Permission) : null;
}
