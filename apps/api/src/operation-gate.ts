import { complexityFromQuery } from '@pothos/plugin-complexity';
import { type DocumentNode, GraphQLError, Kind, type OperationDefinitionNode } from 'graphql';
import type { BudgetState, CostBudget } from './cost-budget.ts';
import { assertNoNul, complexityLimit, tooCostly } from './operation-limits.ts';
import type { RequestContext } from './request-context.ts';
import { schema } from './schema.ts';
import type { TrustedDocuments } from './trusted-documents.ts';

export interface OperationInHand {
  document: DocumentNode;
  operation: OperationDefinitionNode;
  variables: Record<string, unknown>;
  context: RequestContext;
}

/** What an admitted operation costs, and what that leaves to its caller. */
export interface Admission {
  cost: number;
  budget: BudgetState;
}

/** What every operation must pass between its validation and its execution, whatever carries it. */
export interface OperationGate {
  /** @throws GraphQLError or DomainError */
  admit(operation: OperationInHand): Admission;
}

export function createOperationGate({ trustedDocuments, budget }: { trustedDocuments: TrustedDocuments; budget: CostBudget }): OperationGate {
  return {
    admit({ document, operation, variables, context }) {
      trustedDocuments.assertListed(document, context.channel === 'cookie');
      assertNoNul(variables);
      const cost = costOf(operation, document, variables, context);
      if (cost > complexityLimit) throw new GraphQLError('', { originalError: tooCostly(cost), extensions: { http: { status: 400 } } });
      return { cost, budget: budget.spend({ actor: context.actor, address: context.origin.address ?? '' }, cost) };
    },
  };
}

/** The cost that the limit of the schema builder is about. Zero where an operation failed before it could be told. */
function costOf(operation: OperationDefinitionNode, document: DocumentNode, variables: Record<string, unknown>, context: RequestContext): number {
  const fragments = document.definitions.filter((node) => node.kind === Kind.FRAGMENT_DEFINITION);
  try {
    return complexityFromQuery({ kind: Kind.DOCUMENT, definitions: [operation, ...fragments] }, { schema, ctx: context, variables }).complexity;
  } catch {
    return 0; // its variables don't fit
  }
}
