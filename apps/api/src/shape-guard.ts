import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { GraphQLError } from 'graphql';
import { publicError, withRequestId } from './errors.ts';
import type { Metrics } from './metrics.ts';
import { isTooLarge, readDocument } from './operation-limits.ts';

/** How many documents are remembered as sound, so that they need not be read again. */
const mostRemembered = 1000;

/**
 * A hook before Apollo Server, which validates what it has parsed at once: it answers documents whose shape the
 * validation cannot take. What is no document at all is left to Apollo to refuse.
 */
export function createShapeGuard(metrics: Metrics): (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply | undefined> {
  const sound = new Set<string>();

  return async (request, reply) => {
    const started = performance.now();
    const { query } = ((request.method === 'GET' ? request.query : request.body) ?? {}) as { query?: unknown };
    if (typeof query !== 'string') return undefined;
    const digest = createHash('sha256').update(query).digest('base64');
    if (sound.has(digest)) return undefined;
    const problem = problemOf(query);
    if (!problem) {
      sound.add(digest);
      if (sound.size > mostRemembered) sound.delete(sound.values().next().value!);
      return undefined;
    }
    metrics.operation('none', 'errors', started);
    return reply.code(400).send({ errors: withRequestId([publicError(problem)], request.id) });
  };
}

function problemOf(query: string): GraphQLError | null {
  try {
    readDocument(query);
    return null;
  } catch (error) {
    return isTooLarge(error) ? error : null;
  }
}
