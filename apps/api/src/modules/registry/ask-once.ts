import { createHash } from 'node:crypto';
import { DomainError } from '@millrace/kernel';
import type { GraphQLResolveInfo } from 'graphql';
import type { RequestContext } from '../../request-context.ts';

/**
 * Asks the data plane for what it bills. A field of an operation with an Idempotency-Key asks under a key of its own, the same whenever the operation is
 * begun again: after this process was killed over it, or was left without an answer, it is neither done nor billed twice.
 */
export async function askOnce<Outcome>(context: RequestContext, { path }: GraphQLResolveInfo, ask: (onceKey?: string) => Promise<Outcome>): Promise<Outcome> {
  if (context.onceId === null) return ask();
  try {
    return await ask(createHash('sha256').update(`${context.onceId} ${path.key}`).digest('hex'));
  } catch (error) {
    if (!(error instanceof DomainError) || error.code === 'UNAVAILABLE') context.noteDoubt();
    throw error;
  }
}
