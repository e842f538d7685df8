import { isId, momentOfId } from '@millrace/kernel';
import { type FeedbackDesk, longestSource, type PredictionRecorder } from '@millrace/registry';
import type { Exchange } from '../exchange.ts';
import { nonFiniteJson } from '../json-body.ts';
import { operations } from '../openapi.ts';
import { asObject, listed, own } from '../protocols/protocol.ts';
import { invalidRequest, RequestError, shorten } from '../request-error.ts';
import type { Route } from '../route.ts';

export interface FeedbackRoutesOptions {
  desk: FeedbackDesk;
  recorder: Pick<PredictionRecorder, 'flush'>;
}

interface Sent {
  predictionId: string;
  label: unknown;
  source: string | undefined;
}

const remedy = 'Send {"prediction_id": "prd_…", "label": "setosa"}.';
const known = ['prediction_id', 'label', 'source'];
/** What was answered so lately may still be on its way to the database. */
const onItsWayMs = 5_000;

/** The truth about earlier predictions. */
export function createFeedbackRoutes({ desk, recorder }: FeedbackRoutesOptions): Route[] {
  async function give({ actor: caller, body }: Exchange): Promise<object> {
    const actor = caller!;
    const sent = readSent(body.value);
    if (body.hasNonFinite) throw nonFiniteJson();
    let outcome = await desk.give(actor, sent);
    if (outcome.type === 'not-found' && isYoung(sent.predictionId)) {
      await recorder.flush(); // it may lie here still
      outcome = await desk.give(actor, sent);
    }
    switch (outcome.type) {
      case 'given':
        return { prediction_id: sent.predictionId, model: outcome.endpointName, version: String(outcome.versionNumber), labelled_rows: outcome.labelledRows, replaced: outcome.isReplaced, trusted: outcome.isTrusted };
      case 'invalid': {
        const [first] = outcome.problems;
        throw new RequestError(400, 'invalid_label', first!.message, { field: first!.field, remedy: first!.remedy, problems: outcome.problems, ...(first!.row !== undefined && { row: first!.row }) });
      }
      case 'known':
        throw new RequestError(409, 'truth_known', 'Somebody whose truths count for rollouts has told the truth about this prediction.', {
          field: 'prediction_id', remedy: 'Send it with a key that has the scope FEEDBACK, or leave it.',
        });
      case 'not-found':
        throw notRecorded(sent.predictionId, outcome.isRefusal);
    }
  }

  return [{ operation: operations.feedback, access: 'feedback', handle: give }];
}

/** @throws RequestError 400 */
function readSent(body: unknown): Sent {
  const fields = asObject(body, 'body', remedy);
  for (const key of Object.keys(fields)) {
    if (!known.includes(key)) throw invalidRequest(key.slice(0, 80), `There is no field "${key.slice(0, 80)}" in this request.`, `Leave it out. The fields are ${listed(known)}.`);
  }
  const [predictionId, label, source] = known.map((name) => own(fields, name));
  if (typeof predictionId !== 'string') throw invalidRequest('prediction_id', 'There is no "prediction_id".', 'Send what the answer had in x-millrace-prediction-id.');
  if (label === undefined) throw invalidRequest('label', 'There is no "label".', remedy);
  if (source !== undefined && source !== null && (typeof source !== 'string' || source.length > longestSource || source.includes('\0'))) {
    throw invalidRequest('source', `"source" is no text of at most ${longestSource} characters.`, 'Send a word for where the truth comes from, or leave it out.');
  }
  return { predictionId, label, source: source ?? undefined };
}

/** Told by the id alone, whosever it is. */
const isYoung = (predictionId: string): boolean => isId('prediction', predictionId) && Math.abs(Date.now() - momentOfId(predictionId)) < onItsWayMs;

function notRecorded(predictionId: string, isRefusal: boolean): RequestError {
  return new RequestError(404, 'prediction_not_found', `There is no recorded prediction "${shorten(predictionId)}" here.`, {
    field: 'prediction_id',
    remedy: 'Check the id, that the key may call the endpoint, and that the endpoint records predictions (recordDays). What was predicted this very second is there in a moment.',
    ...(isYoung(predictionId) && { retryAfterSeconds: 1 }),
    ...(isRefusal && { isRefusal: true }),
  });
}
