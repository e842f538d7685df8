import { type Auth, tooManySignIns } from '@millrace/auth';
import { createFloodLog, type Logger } from '@millrace/kernel';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { GraphQLError } from 'graphql';
import { publicError, statusOfGraphql, withRequestId } from './errors.ts';
import type { Metrics } from './metrics.ts';

/**
 * A hook before everything that costs: while there is no room for a further sign-in, whoever asks for one without showing
 * who they are is refused here, as `signIn` would refuse them a few milliseconds of work later. A flood then takes little
 * from those at work.
 */
export function createSignInShed({ auth, metrics, logger }: { auth: Pick<Auth, 'hasRoomToSignIn'>; metrics: Metrics; logger: Logger }) {
  // Made once: an error of GraphQL's takes its stack along, which costs more than all the rest of a refusal.
  const refusal = tooManySignIns();
  const error = publicError(new GraphQLError('', { originalError: refusal }));
  const { status, headers } = statusOfGraphql([error])!;
  const log = createFloodLog(logger, 'sign-ins were refused: more at once than there is room for');

  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    if (!asksToSignIn(request) || auth.hasRoomToSignIn(request.ip)) return undefined;
    metrics.refusal('session.open', refusal.code.toLowerCase());
    log('sign-in', {});
    return reply.code(status).headers(headers).send({ errors: withRequestId([error], request.id) });
  };
}

/** By the text alone. Somebody nobody knows who names the mutation without asking for it is refused along with the flood. */
function asksToSignIn({ method, headers, body }: FastifyRequest): boolean {
  if (method !== 'POST' || headers.authorization !== undefined || headers['x-api-key'] !== undefined) return false;
  const { query } = (body ?? {}) as { query?: unknown };
  return typeof query === 'string' && /\bsignIn\b/.test(query);
}
