import type { Actor, Auth } from '@millrace/auth';
import { createLookout, DomainError, type Logger } from '@millrace/kernel';
import type { PredictionUsage } from '@millrace/quota';
import { type ClaimedPrediction, mostAttempts, type PredictionFault, type PredictionQueue } from '@millrace/registry';
import type { PredictionAnswer, Predictor } from '../predictor.ts';
import { RequestError, toRequestError } from '../request-error.ts';
import { requireAccess } from '../route.ts';
import { readAsyncInput } from './async-input.ts';
import type { PredictionNews } from './prediction-news.ts';

export interface PredictionRunnerOptions {
  queue: PredictionQueue;
  news: PredictionNews;
  auth: Pick<Auth, 'present'>;
  /** makes the predictions, and hands what is to be billed to the given journal instead of the usual one */
  createPredictor(journal: { record(usage: PredictionUsage): Promise<void> }): Predictor;
  /** predictions at a time; 0 leaves them to other processes */
  slots: number;
  leaseMs: number;
  /** what has ended is kept for so long */
  keptHours: number;
  logger: Logger;
}

const lookEveryMs = 1_000;
const sweepEveryMs = 60_000;
/** What is in hand when the process ends gets so long; then it waits for another process. */
const patienceMs = 5_000;

interface InHand {
  held: ClaimedPrediction;
  isLost: boolean;
  ended: Promise<void>;
}

/**
 * Makes accepted predictions: claims them, of each tenant in turn, and makes them as the other routes do, under the rights that
 * whoever asked has by now and within the limits of that moment.
 */
export function createPredictionRunner({ queue, news, auth, createPredictor, slots, leaseMs, keptHours, logger }: PredictionRunnerOptions) {
  const inHand = new Map<string, InHand>();
  const lastServed = new Map<string, number>();
  const usages = new Map<string, PredictionUsage>();
  // It is billed in the transaction that ends the prediction: what is dropped is not billed.
  const predictor = createPredictor({ record: (usage) => (usages.set(usage.requestId, usage), Promise.resolve()) });
  let turn = 0;
  let isClosed = false;
  let timers: NodeJS.Timeout[] = [];
  let stopNews: () => void = () => undefined;

  const lookout = createLookout({
    look: claimEach,
    failed: (error) => logger.warn({ error: String(error) }, 'accepted predictions were not looked for; tried again later'),
  });

  /** One sweep after the other, however long it takes. */
  const sweeper = createLookout({
    look: () => queue.sweep(keptHours, logger).then(() => false),
    failed: (error) => logger.warn({ error: String(error) }, 'predictions of long ago were not removed; tried again later'),
  });

  /** Claims one prediction of each tenant, as far as there is room; whether there may be more. */
  async function claimEach(): Promise<boolean> {
    if (inHand.size >= slots) return false; // whichever ends asks anew
    const waiting = await queue.tenantsWaiting();
    const served = (tenantId: string): number => lastServed.get(tenantId) ?? 0;
    waiting.sort((a, b) => a.held - b.held || served(a.tenantId) - served(b.tenantId));
    let hasClaimed = false;
    for (const { tenantId } of waiting) {
      if (isClosed || inHand.size >= slots) break;
      const held = await queue.claim(tenantId);
      if (!held) continue;
      hasClaimed = true;
      if (lastServed.size > 10_000) lastServed.clear();
      lastServed.set(tenantId, ++turn);
      take(held);
    }
    return hasClaimed;
  }

  function take(held: ClaimedPrediction): void {
    const entry: InHand = { held, isLost: false, ended: Promise.resolve() };
    inHand.set(held.token, entry);
    entry.ended = make(entry)
      .catch((error: unknown) => logger.warn({ predictionId: held.id, error: String(error) }, 'an accepted prediction could not be brought to its end; it is tried again when its lease is over'))
      .finally(() => {
        inHand.delete(held.token);
        usages.delete(held.id);
        lookout.ask();
      });
  }

  async function make(entry: InHand): Promise<void> {
    const { held } = entry;
    const begun = performance.now();
    let answer: PredictionAnswer | null = null;
    try {
      const actor = await presentActor(held.caller);
      answer = await predictor.predict(
        {
          actor,
          endpoint: held.endpointName,
          versionNumber: held.versionNumber ?? undefined,
          body: { value: held.request.input, hasNonFinite: false },
          startedAt: begun,
          predictionId: held.id,
          isGone: () => entry.isLost,
        },
        readAsyncInput,
      );
      const made = { output: JSON.parse(answer.payload.body.toString()) as unknown, versionNumber: answer.versionNumber, predictMs: performance.now() - begun, usage: usages.get(held.id)!, warnings: answer.warnings };
      // Canceled meanwhile, or somebody else's by now: it is not billed from here, and counts against no limit.
      if (!(await queue.succeed(held, made))) answer.giveBack();
    } catch (error) {
      const waitsAgain = !entry.isLost && (await settle(held, error));
      if (waitsAgain) answer?.giveBack(); // its end could not be written: it will be made, and counted, once more
    }
  }

  /** @throws RequestError 401, 403 */
  async function presentActor(caller: Actor): Promise<Actor> {
    const actor = await auth.present(caller);
    if (!actor) throw new RequestError(401, 'unauthenticated', 'The key or session that asked for this is not valid any more.', { remedy: 'Send it again with a valid one.' });
    requireAccess(actor, 'predict');
    return actor;
  }

  /** A refusal ends it, with the code that the caller of another route would have got; what passes by itself is waited for. @returns whether it waits again */
  async function settle(held: ClaimedPrediction, error: unknown): Promise<boolean> {
    const refusal = toRequestError(error);
    const { status, code, details } = refusal;
    if (code === 'rate_limited' && details.retryAfterSeconds !== undefined) return queue.putBack(held, details.retryAfterSeconds, false);
    if (status === 503 && (held.attempt < mostAttempts || error instanceof DomainError)) return queue.putBack(held, 2 ** held.attempt, !(error instanceof DomainError));
    if (status >= 500) logger.error({ predictionId: held.id, code, cause: String(details.cause ?? refusal.message) }, 'an accepted prediction failed');
    await queue.fail(held, (refusal.toBody() as { error: PredictionFault }).error);
    return false;
  }

  async function keepLeases(): Promise<void> {
    if (!inHand.size) return;
    try {
      for (const { token } of await queue.extend([...inHand.values()].map(({ held }) => held))) drop(token);
    } catch (error) {
      logger.warn({ error: String(error) }, 'the leases of predictions in hand were not prolonged; tried again');
    }
  }

  function drop(token: string): void {
    const entry = inHand.get(token);
    if (entry) entry.isLost = true;
  }

  return {
    start(): void {
      stopNews = news.on((predictionId) => {
        const own = [...inHand.values()].some(({ held }) => held.id === predictionId);
        if (own) void keepLeases(); // it may have been canceled
        else lookout.ask();
      });
      timers = [setInterval(lookout.ask, lookEveryMs), setInterval(() => void keepLeases(), leaseMs / 3), setInterval(sweeper.ask, sweepEveryMs)];
      for (const timer of timers) timer.unref();
      lookout.ask();
    },

    /** Claims nothing more, and gives what is in hand a while; what is not done by then is given back. */
    async close(): Promise<void> {
      isClosed = true;
      stopNews();
      await lookout.close();
      let timer: NodeJS.Timeout | undefined;
      const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, patienceMs)));
      await Promise.race([Promise.all([...inHand.values()].map(({ ended }) => ended)), patience]);
      clearTimeout(timer);
      for (const each of timers) clearInterval(each);
      for (const entry of inHand.values()) {
        entry.isLost = true;
        await queue.putBack(entry.held, 0, false).catch(() => undefined); // its lease ends by itself
      }
    },
  };
}
