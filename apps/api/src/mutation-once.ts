import { createHash } from 'node:crypto';
import { HeaderMap } from '@apollo/server';
import { actorName } from '@millrace/auth';
import type { Logger } from '@millrace/kernel';
import { type Idempotency, idempotencyRefusals, type IdempotentRequest, isIdempotencyKey } from '@millrace/quota';
import { type FormattedExecutionResult, getNamedType, GraphQLError, isObjectType, isUnionType, Kind, type OperationDefinitionNode } from 'graphql';
import type { RequestContext } from './request-context.ts';
import { schema } from './schema.ts';

/** A mutation that has an Idempotency-Key, as it came. */
export interface KeyedMutation {
  /** what the header says */
  given: string;
  operation: OperationDefinitionNode;
  /** all that the answer depends on beside the caller */
  body: { query?: string | undefined; operationName?: string | undefined; variables?: unknown };
  context: RequestContext;
}

/** Of a mutation that goes on, or whose answer is there already. */
export interface Turn {
  kept: FormattedExecutionResult | null;
  /** To be called with the answer before it leaves. */
  end(answer: FormattedExecutionResult): Promise<void>;
}

/** Fields of payloads that hold what is shown once, by which mutations are known that keep no answer. */
export const secretFields = new Set(['accessToken', 'refreshToken', 'token', 'key', 'secret', 'uri', 'recoveryCodes']);

/** A lock lasts a minute; a mutation that reads a large file takes longer. */
const renewEveryMs = 20_000;
/** As the store's own bound; what is longer must not be done again for that. */
const longestKept = 2 ** 20;

/**
 * Does a mutation that has an Idempotency-Key once: sent again within a day, it gets the same answer. What was refused may
 * be sent again. Answers that show a secret are not kept, so that their mutations take no such key.
 */
export function createMutationOnce({ idempotency, logger }: { idempotency: Idempotency; logger: Logger }) {
  /** @throws GraphQLError 400, 409, 422 */
  return async ({ given, operation, body, context }: KeyedMutation): Promise<Turn> => {
    if (!isIdempotencyKey(given)) throw refusal(400, 'IDEMPOTENCY_KEY_UNFIT', inWords('unfit'));
    if (operation.selectionSet.selections.some(({ kind }) => kind !== Kind.FIELD)) throw refusal(400, 'IDEMPOTENCY_UNSUPPORTED', 'A mutation with an Idempotency-Key has no fragments at its root. Write its fields there.');
    const secret = secretMutationIn(operation);
    if (secret !== null) throw refusal(400, 'IDEMPOTENCY_UNSUPPORTED', `The answer of "${secret}" holds a secret, which is shown once and never kept. Send it without an Idempotency-Key; what a lost answer made can be revoked.`);
    const actor = context.signedIn;
    const asked: IdempotentRequest = {
      tenantId: actor.tenantId,
      key: `${actorName(actor)} graphql ${given}`,
      sha256: createHash('sha256').update(JSON.stringify([body.query ?? '', body.operationName ?? '', body.variables ?? {}])).digest('hex'),
    };
    const begun = await idempotency.begin(asked);
    switch (begun.type) {
      case 'answered':
        return { kept: JSON.parse(begun.answer.body) as FormattedExecutionResult, end: async () => undefined };
      case 'running':
        throw refusal(409, 'REQUEST_UNDER_WAY', inWords('underWay'), begun.retryAfterSeconds);
      case 'other-request':
        throw refusal(422, 'IDEMPOTENCY_KEY_REUSED', inWords('reused'));
      case 'begun':
        context.beginOnce(begun.predictionId);
        return hold(asked, begun, context);
    }
  };

  function hold(asked: IdempotentRequest, { lock, isAgain }: { lock: string; isAgain: boolean }, context: RequestContext): Turn {
    let current = lock;
    let renewing: Promise<void> = Promise.resolve();
    const timer = setInterval(() => {
      renewing = idempotency.renew(asked, current).then(
        (renewed) => void (current = renewed ?? current),
        (error: unknown) => logger.warn({ error: String(error) }, 'a mutation that is under way could not say so'),
      );
    }, renewEveryMs);
    timer.unref();
    return {
      kept: null,
      async end({ data, errors }) {
        clearInterval(timer);
        await renewing;
        const whole = JSON.stringify({ data, ...(errors ? { errors } : {}) });
        const body = whole.length <= longestKept ? whole : JSON.stringify({ data: null, errors: [{ message: 'It is done. Its answer was too long to be kept.', extensions: { code: 'ANSWER_NOT_KEPT' } }] });
        await (context.hasChanged ? idempotency.keep(asked, current, { headers: {}, body }) : idempotency.giveUp(asked, current, isAgain || context.isInDoubt)).catch((error: unknown) => {
          logger.warn({ error: String(error) }, 'an answer could not be kept for its Idempotency-Key');
        });
      },
    };
  }
}

/** How a kept answer leaves. */
export const replayedHeaders = (): HeaderMap => new HeaderMap([['idempotent-replayed', 'true']]);

const inWords = (reason: keyof typeof idempotencyRefusals): string => `${idempotencyRefusals[reason].message} ${idempotencyRefusals[reason].remedy}`;

function refusal(status: number, code: string, message: string, retryAfterSeconds?: number): GraphQLError {
  const headers = new HeaderMap(retryAfterSeconds === undefined ? [] : [['retry-after', String(retryAfterSeconds)]]);
  return new GraphQLError(message, { extensions: { code, http: { status, headers } } });
}

/** The first root field whose payload has a secret, whether it is asked for or not; null where none has. */
function secretMutationIn(operation: OperationDefinitionNode): string | null {
  for (const selection of operation.selectionSet.selections) {
    if (selection.kind === Kind.FIELD && secretMutations().has(selection.name.value)) return selection.name.value;
  }
  return null;
}

let known: ReadonlySet<string> | undefined;

/** Names of the mutations whose answers show a secret. */
export function secretMutations(): ReadonlySet<string> {
  known ??= new Set(
    Object.values(schema.getMutationType()!.getFields()).filter(({ type }) => {
      const payload = getNamedType(type);
      const outcomes = isUnionType(payload) ? payload.getTypes() : [payload];
      return outcomes.some((outcome) => isObjectType(outcome) && Object.values(outcome.getFields()).some((field) => secretFields.has(field.name) && !isObjectType(getNamedType(field.type))));
    }).map(({ name }) => name),
  );
  return known;
}
