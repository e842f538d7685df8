import type { Actor } from '@millrace/auth';
import { newId } from '@millrace/kernel';
import { type AcceptOutcome, isWebhookUrl, longestWebhookUrl, type OpenedPrediction, type PredictionQueue, seesPrediction, viewPrediction, type WebhookEvent, webhookEvents } from '@millrace/registry';
import type { createAnswerOnce } from '../answer-once.ts';
import type { Exchange } from '../exchange.ts';
import { nonFiniteJson } from '../json-body.ts';
import { operations } from '../openapi.ts';
import { type PictureLook, takesPictures } from '../picture-look.ts';
import type { Predictor } from '../predictor.ts';
import { asObject, listed, own } from '../protocols/protocol.ts';
import { invalidRequest, invalidRows, RequestError, shorten } from '../request-error.ts';
import type { Route } from '../route.ts';
import { pinnedVersion, versionNumber } from '../version-number.ts';
import { readAsyncInput } from './async-input.ts';
import { readPreference } from './preference.ts';
import type { PredictionNews } from './prediction-news.ts';

export interface AsyncRoutesOptions {
  queue: PredictionQueue;
  news: PredictionNews;
  predictor: Pick<Predictor, 'describe' | 'onlyEndpoint'>;
  lookAtPictures: PictureLook;
  answerOnce: ReturnType<typeof createAnswerOnce>;
}

interface Asked {
  model: string | undefined;
  version: number | undefined;
  input: unknown;
  webhook: { url: string; events: WebhookEvent[] } | undefined;
}

const remedy = 'Send {"model": "press", "input": {"features": [5.1, 3.5, 1.4, 0.2]}}.';
const known = ['model', 'version', 'input', 'webhook', 'webhook_events_filter'];
/** Of Replicate's events there are no logs: whoever asks for them gets none. */
const knownEvents: readonly string[] = [...webhookEvents, 'logs'];

/** Predictions that are accepted now and made later. */
export function createAsyncRoutes({ queue, news, predictor, lookAtPictures, answerOnce }: AsyncRoutesOptions): Route[] {
  async function create(exchange: Exchange): Promise<object> {
    const { body } = exchange;
    const actor = exchange.actor!;
    const asked = readAsked(body.value);
    const { headers, body: kept } = await answerOnce(exchange, actor, async (predictionId) => {
      const model = asked.model ?? (await predictor.onlyEndpoint(actor));
      const version = asked.version ?? pinnedVersion(exchange, model);
      // What would be refused later is refused now.
      const served = await predictor.describe(actor, model, version);
      const looked = takesPictures(served.version) ? structuredClone(asked.input) : asked.input; // looking at pictures may change it
      await lookAtPictures(looked, { version: served.version, shares: [] });
      const { checked } = readAsyncInput(served.version.signature, looked);
      if (checked.type === 'invalid') throw invalidRows(checked.problems);
      if (body.hasNonFinite) throw nonFiniteJson();
      const id = predictionId ?? newId('prediction');
      const { origin } = exchange;
      const accepted = await queue.accept({ id, actor, endpointName: served.endpoint.name, versionNumber: version ?? null, request: { input: asked.input, origin, ...(asked.webhook && { webhook: asked.webhook }) } });
      if (accepted.type === 'no-secret') throw noWebhookSecret();
      if (accepted.type === 'full') throw queueFull(accepted);
      // What is kept for a repetition is which one it was: input and output lie sealed elsewhere.
      return { headers: { 'x-millrace-prediction-id': id }, body: JSON.stringify({ id }) };
    });
    const { id } = JSON.parse(kept.toString()) as { id: string };
    exchange.setHeaders(headers);
    await waitAsPreferred(exchange, id);
    const found = await visible(actor, id);
    exchange.status = found.row.completedAt ? 201 : 202;
    return viewPrediction(found);
  }

  /** For its end, as long as the caller prefers. */
  async function waitAsPreferred(exchange: Exchange, id: string): Promise<void> {
    const { tenantId } = exchange.actor!;
    const { waitSeconds, applied } = readPreference(exchange.headers.prefer);
    if (applied) exchange.setHeader('preference-applied', applied);
    if (waitSeconds > 0) await news.until(id, async () => exchange.isGone || (await queue.hasEnded(tenantId, id)) !== false, waitSeconds * 1000);
  }

  /** What the actor may see of the tenant's predictions. One answer for all others, and for what there is not. @throws RequestError 404 */
  async function visible(actor: Actor, id: string): Promise<OpenedPrediction> {
    const found = await queue.find(actor.tenantId, id);
    if (!found || !seesPrediction(actor, found.row)) throw predictionNotFound(id);
    return found;
  }

  const idOf = ({ params }: Exchange): string => params['id']!;

  return [
    { operation: operations.createPrediction, access: 'predict', handle: create },
    {
      operation: operations.getPrediction,
      access: 'predict',
      async handle(exchange) {
        const { row } = await visible(exchange.actor!, idOf(exchange));
        await waitAsPreferred(exchange, row.id);
        return viewPrediction(await visible(exchange.actor!, row.id));
      },
    },
    {
      operation: operations.cancelPrediction,
      access: 'predict',
      async handle(exchange) {
        const { row } = await visible(exchange.actor!, idOf(exchange));
        await queue.cancel(row.tenantId, row.id);
        return viewPrediction(await visible(exchange.actor!, row.id));
      },
    },
  ];
}

/** @throws RequestError 400 */
function readAsked(body: unknown): Asked {
  const fields = asObject(body, 'body', remedy);
  for (const key of Object.keys(fields)) {
    if (!known.includes(key)) throw invalidRequest(key.slice(0, 80), `There is no field "${key.slice(0, 80)}" in this request.`, `Leave it out. The fields are ${listed(known)}.`);
  }
  const [model, version, input] = known.map((name) => own(fields, name));
  if (model !== undefined && typeof model !== 'string') throw invalidRequest('model', '"model" is not text.', 'Send the name of an endpoint, or leave "model" out if the key has only one.');
  if (input === undefined) throw invalidRequest('input', 'There is no "input".', remedy);
  const isNumber = typeof version === 'number' || typeof version === 'string';
  if (version !== undefined && version !== null && !isNumber) throw invalidRequest('version', '"version" is no number of a version.', 'Send it as "3", or leave it out for what the endpoint serves.');
  return { model, input, webhook: readWebhook(own(fields, 'webhook'), own(fields, 'webhook_events_filter')), version: isNumber ? versionNumber({ model: model ?? '', version: String(version) }) : undefined };
}

/** Where it leads is looked at when it is called: an address may change until then. @throws RequestError 400 */
function readWebhook(url: unknown, filter: unknown): Asked['webhook'] {
  if (url === undefined || url === null) {
    if (filter !== undefined && filter !== null) throw invalidRequest('webhook_events_filter', 'There is a "webhook_events_filter" without a "webhook".', 'Send the address as "webhook".');
    return undefined;
  }
  if (!isWebhookUrl(url)) throw invalidRequest('webhook', '"webhook" is no address that can be called.', `Send an https address of at most ${longestWebhookUrl} characters.`);
  const events = filter ?? knownEvents;
  if (!Array.isArray(events) || events.length === 0 || !events.every((event) => knownEvents.includes(event as string))) {
    throw invalidRequest('webhook_events_filter', 'This is no list of events.', `Send some of ${listed(knownEvents)}.`);
  }
  return { url, events: webhookEvents.filter((event) => events.includes(event)) };
}

const noWebhookSecret = (): RequestError =>
  new RequestError(409, 'no_webhook_secret', 'Your tenant has no secret to sign webhooks with.', { field: 'webhook', remedy: 'Have whoever manages keys make one: the mutation rotateWebhookSecret.' });

function queueFull({ measure, most, open }: Extract<AcceptOutcome, { type: 'full' }>): RequestError {
  const what = measure === 'predictions' ? 'predictions' : 'bytes of input';
  return new RequestError(429, 'queue_full', `Your tenant may have ${most} ${what} waiting at a time, and has ${open}.`, {
    limitSource: 'tenant',
    remedy: 'Wait for some of them to end, or cancel some.',
    retryAfterSeconds: 5,
  });
}

function predictionNotFound(id: string): RequestError {
  return new RequestError(404, 'prediction_not_found', `There is no prediction "${shorten(id)}" here.`, {
    field: 'id',
    remedy: 'Check its id, and that this key has asked for it. Predictions are kept for a while only.',
  });
}

