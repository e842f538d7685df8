import { createHash } from 'node:crypto';
import { type Actor, actorName } from '@millrace/auth';
import type { Logger } from '@millrace/kernel';
import { type Idempotency, idempotencyRefusals, type IdempotentRequest, isIdempotencyKey, type KeptAnswer } from '@millrace/quota';
import { jsonLengthHeader } from './binary-body.ts';
import type { Exchange } from './exchange.ts';
import { RequestError, toRequestError } from './request-error.ts';

export const idempotencyHeader = 'idempotency-key';

/** What a route answers: a JSON text, or bytes by the binary tensor extension. */
export interface Answered {
  headers: Record<string, string>;
  body: string | Buffer;
}

export interface AnswerOnceOptions {
  idempotency: Idempotency;
  logger: Logger;
}

/**
 * Serves a request that has an Idempotency-Key once: sent again, it gets the same answer, and is neither predicted nor billed
 * anew. What was refused may be sent again. @throws RequestError 400, 409, 422
 */
export function createAnswerOnce({ idempotency, logger }: AnswerOnceOptions) {
  const underWay = new Map<string, string>();

  return (request: Exchange, actor: Actor, answer: (predictionId?: string) => Promise<Answered>): Promise<Answered> => {
    const given = request.headers[idempotencyHeader];
    return given === undefined ? answer() : once(given, request, actor, answer);
  };

  async function once(given: string | string[], request: Exchange, actor: Actor, answer: (predictionId: string) => Promise<Answered>): Promise<Answered> {
    if (typeof given !== 'string' || !isIdempotencyKey(given)) throw refusal(400, 'idempotency_key_unfit', 'unfit');
    const asked = {
      tenantId: actor.tenantId,
      key: `${actorName(actor)} ${given}`,
      sha256: createHash('sha256').update(`${request.method} ${request.url}\n${String(request.headers['x-millrace-model-version'] ?? '')}\n${request.bodySha256 ?? ''}`).digest('hex'),
    };
    // Of many at once, only the first asks the database.
    const slot = `${asked.tenantId} ${asked.key}`;
    const other = underWay.get(slot);
    if (other !== undefined) throw other === asked.sha256 ? isUnderWay(1) : isReused();
    underWay.set(slot, asked.sha256);
    try {
      return await serve(asked, answer);
    } finally {
      underWay.delete(slot);
    }
  }

  async function serve(asked: IdempotentRequest, answer: (predictionId: string) => Promise<Answered>): Promise<Answered> {
    const begun = await idempotency.begin(asked);
    switch (begun.type) {
      case 'answered':
        return restored(begun.answer);
      case 'running':
        throw isUnderWay(begun.retryAfterSeconds);
      case 'other-request':
        throw isReused();
      case 'begun': {
        let answered: Answered;
        try {
          answered = await answer(begun.predictionId);
        } catch (error) {
          // Only a refusal says that nothing came of it. A fault may be that of an answer that was lost on its way here: it may be done, and is done again under the same id.
          const isRefusal = toRequestError(error).status < 500;
          await idempotency.giveUp(asked, begun.lock, begun.isAgain || !isRefusal).catch(() => undefined); // its lock ends by itself
          throw error;
        }
        // It is billed, and must leave. Sent again, it is predicted under the same id, and not billed again.
        await idempotency.keep(asked, begun.lock, asText(answered)).catch((error: unknown) => logger.warn({ error: String(error) }, 'an answer could not be kept for its Idempotency-Key'));
        return answered;
      }
    }
  }
}

/** Bytes are kept as base64; the header that goes with them tells them apart. */
const asText = ({ headers, body }: Answered): KeptAnswer => ({ headers, body: typeof body === 'string' ? body : body.toString('base64') });

const restored = ({ headers, body }: KeptAnswer): Answered => ({
  headers: { ...headers, 'idempotent-replayed': 'true' },
  body: headers[jsonLengthHeader] === undefined ? body : Buffer.from(body, 'base64'),
});

function refusal(status: number, code: string, reason: keyof typeof idempotencyRefusals, details: { retryAfterSeconds?: number } = {}): RequestError {
  const { message, remedy } = idempotencyRefusals[reason];
  return new RequestError(status, code, message, { remedy, ...details });
}

const isUnderWay = (retryAfterSeconds: number): RequestError => refusal(409, 'request_under_way', 'underWay', { retryAfterSeconds });

const isReused = (): RequestError => refusal(422, 'idempotency_key_reused', 'reused');
