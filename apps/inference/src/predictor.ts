import { type Actor, actorName, mayCall } from '@millrace/auth';
import { newId } from '@millrace/kernel';
import type { RowWarning } from '@millrace/packaging';
import type { LimitStanding, Meter, Metered, UsageJournal } from '@millrace/quota';
import type { PredictionRecorder, ServedEndpoint, ServedRequest, TrafficRecorder } from '@millrace/registry';
import type { Batcher } from './batcher.ts';
import type { EndpointDirectory } from './endpoint-directory.ts';
import { nonFiniteJson } from './json-body.ts';
import type { HeldModel, ModelCache } from './model-cache.ts';
import { overQuota } from './over-quota.ts';
import type { RefusedJob } from './overload-door.ts';
import type { PictureLook } from './picture-look.ts';
import { type Payload, type ReadRequest, toPayload } from './protocols/protocol.ts';
import { invalidRows, modelNotFound, refusedAsMissing, RequestError, versionMeant } from './request-error.ts';
import type { Shadow } from './shadow.ts';
import { callerGone, deadlineExceeded, overloaded } from './shedding.ts';
import { createTrafficTurns, type Turn } from './traffic-turns.ts';

export interface PredictionCall {
  actor: Actor;
  endpoint: string;
  versionNumber?: number | undefined;
  body: { value: unknown; hasNonFinite: boolean };
  /** `performance.now()` when the request came in */
  startedAt: number;
  /** under which it is billed; a new one if left out */
  predictionId?: string | undefined;
  /** whether the caller has hung up */
  isGone(): boolean;
  /** told when it is refused because there is too much to do for its model */
  onFull?: ((job: RefusedJob, refusal: RequestError) => void) | undefined;
}

/** An answer that has been entered into the ledger and may leave. */
export interface PredictionAnswer {
  predictionId: string;
  versionNumber: number;
  variant: 'STABLE' | 'CANARY';
  rows: number;
  /** everything but the run of the model itself */
  overheadMs: number;
  warnings: readonly RowWarning[];
  /** of the limits of usage that it fell under */
  limits: readonly LimitStanding[];
  /** for an answer that does not leave after all, and is not billed: it counts against no limit */
  giveBack(): void;
  payload: Payload;
}

export interface PredictorOptions {
  directory: Pick<EndpointDirectory, 'find' | 'names'>;
  models: ModelCache;
  batcher: Pick<Batcher, 'refusal' | 'predict'>;
  journal: Pick<UsageJournal, 'record'>;
  meter: Pick<Meter, 'take'>;
  traffic: Pick<TrafficRecorder, 'record'>;
  shadow: Pick<Shadow, 'mirror'>;
  recorder: Pick<PredictionRecorder, 'record'>;
  lookAtPictures: PictureLook;
  /** requests under way at a time; further ones are refused */
  maxInFlight: number;
}

export type Predictor = ReturnType<typeof createPredictor>;

/** From rows to an answer that is paid for. */
export function createPredictor({ directory, models, batcher, journal, meter, traffic, shadow, lookAtPictures, recorder, maxInFlight }: PredictorOptions) {
  const takeTurn = createTrafficTurns();
  let inFlight = 0;

  async function answer(call: PredictionCall, read: ReadRequest): Promise<PredictionAnswer> {
    inFlight++;
    try {
      const { actor, endpoint } = call;
      if (!mayCall(actor, endpoint)) throw refusedAsMissing(endpoint, versionMeant(call.versionNumber));
      // What is cached comes without a promise: each await of a busy server costs a microsecond.
      const found = directory.find(actor.tenantId, endpoint, call.versionNumber);
      const served = found instanceof Promise ? await found : found;
      if (!served) throw modelNotFound(endpoint, versionMeant(call.versionNumber));
      const looking = lookAtPictures(call.body.value, served);
      if (looking) await looking;
      const { version, variant, mirrors } = ofLoaded(takeTurn(served), served);
      const begun = performance.now();
      /** how the version fared; null while it is not its doing */
      let outcome: ServedRequest['outcome'] | null = 'error';
      let held: HeldModel | null = null;
      let metered: Metered | null = null;
      try {
        const { serving } = served.endpoint;
        const holding = models.hold(version, served.endpoint);
        held = holding instanceof Promise ? await within(holding, call.startedAt + serving.deadlineMs) : holding;
        outcome = null; // neither much to do nor a body of no known shape is a version's doing
        if (!held) throw deadlineExceeded(1);
        const { signature } = held.model;
        const { tenantId } = actor;
        const refusal = batcher.refusal({ tenantId, held, serving, startedAt: call.startedAt });
        if (refusal) {
          // Where versions share the traffic, the next request may be for another.
          if (!served.shares.length) call.onFull?.({ tenantId, held, serving }, refusal);
          throw refusal;
        }
        const reading = read(signature, call.body.value);
        if (reading.checked.type === 'invalid') {
          outcome = 'refused';
          throw invalidRows(reading.checked.problems);
        }
        if (call.body.hasNonFinite) throw nonFiniteJson();
        const rows = reading.checked.rows.count;
        const metering = meter.take({ actor, endpoint, rows });
        const taken = metering instanceof Promise ? await metering : metering;
        if (taken.type === 'refused') throw overQuota(taken);
        metered = taken;
        outcome = 'error';
        const { predictions, modelMs } = await batcher.predict({ tenantId, held, rows: reading.checked.rows, serving, startedAt: call.startedAt, isGone: call.isGone });
        outcome = 'answered';
        if (mirrors.length) shadow.mirror({ served, versions: mirrors, body: call.body.value, read, predictions });
        const predictionId = call.predictionId ?? newId('prediction');
        const payload = toPayload(reading.write({ predictionId, served: version === served.version ? served : { ...served, version }, signature, predictions }));
        if (call.isGone()) throw callerGone();
        // Nothing is served unbilled: the entry is safe before the answer leaves.
        await journal.record({
          tenantId: actor.tenantId,
          requestId: predictionId,
          at: new Date(),
          actor: actorName(actor),
          endpointId: served.endpoint.id,
          modelVersionId: version.id,
          rows,
          units: rows,
        });
        if (serving.recordDays !== null) recorder.record({ tenantId, endpointId: served.endpoint.id, versionId: version.id, variant: call.versionNumber === undefined ? variant : 'STABLE', predictionId, signature, predictions });
        return {
          predictionId,
          versionNumber: version.number,
          variant,
          rows,
          overheadMs: performance.now() - call.startedAt - modelMs,
          warnings: reading.checked.warnings,
          limits: taken.standings(),
          giveBack: () => taken.giveBack(),
          payload,
        };
      } catch (error) {
        if (metered?.type === 'admitted') metered.giveBack();
        if (error instanceof RequestError && outcome === 'error' && held) outcome = null; // put off, or nobody's any more
        throw error;
      } finally {
        held?.release();
        // Whoever asks for a version by its number tries it out: that says nothing of the endpoint's traffic.
        if (outcome && call.versionNumber === undefined) traffic.record({ tenantId: actor.tenantId, endpointId: served.endpoint.id, versionId: version.id, variant, outcome, milliseconds: performance.now() - begun });
      }
    } finally {
      inFlight--;
    }
  }

  /** Memory may have become short since the shares were dealt out: whoever is to be answered by a version that is not loaded is answered by the stable one, while it is loaded. */
  function ofLoaded(turn: Turn, served: ServedEndpoint): Turn {
    if (turn.version === served.version || models.isLoaded(turn.version)) return turn;
    Promise.resolve(models.hold(turn.version, served.endpoint)).then((held) => held.release(), () => undefined);
    return { ...turn, version: served.version, variant: served.isStable ? 'STABLE' : 'CANARY' };
  }

  return {
    /** @throws RequestError */
    predict(call: PredictionCall, read: ReadRequest): Promise<PredictionAnswer> {
      return inFlight < maxInFlight ? answer(call, read) : Promise.reject(overloaded('This server has as many requests as it can take.', 1));
    },

    /** The name of the only endpoint that the actor may call. @throws RequestError when there is none, or a choice */
    async onlyEndpoint(actor: Actor): Promise<string> {
      if (actor.type === 'key' && actor.models.length === 1) return actor.models[0]!;
      const names = (await directory.names(actor.tenantId)).filter((name) => mayCall(actor, name));
      if (names.length === 1) return names[0]!;
      if (names.length === 0) {
        throw new RequestError(404, 'model_not_found', 'There is no endpoint to call yet.', { field: 'model', remedy: 'Publish a version of a model first.' });
      }
      const choices = names.slice(0, 20).map((name) => `"${name}"`).join(', ') + (names.length > 20 ? ` and ${names.length - 20} more` : '');
      throw new RequestError(400, 'model_required', 'Several endpoints can be meant.', { field: 'model', remedy: `Name one as "model": ${choices}.` });
    },

    /** The endpoint and, held for the caller, its model. @throws RequestError 404, 503 */
    async describe(actor: Actor, endpoint: string, versionNumber?: number) {
      if (!mayCall(actor, endpoint)) throw refusedAsMissing(endpoint, versionMeant(versionNumber));
      const served = await directory.find(actor.tenantId, endpoint, versionNumber);
      if (!served) throw modelNotFound(endpoint, versionMeant(versionNumber));
      return served;
    },

    get inFlight(): number {
      return inFlight;
    },
  };
}

/** What comes before a moment; null when it does not. A model that loads for nobody stays loaded for the next caller. */
async function within(holding: Promise<HeldModel>, deadline: number): Promise<HeldModel | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => (timer = setTimeout(() => resolve(null), Math.max(0, deadline - performance.now()))));
  try {
    const held = await Promise.race([holding, late]);
    if (!held) holding.then((unused) => unused.release(), () => undefined);
    return held;
  } finally {
    clearTimeout(timer);
  }
}
