import { type Actor, actorName, mayCall } from '@millrace/auth';
import { type Explanation, type InTurn, mostEvaluations, type PlannedExplanation, planExplanation, TooMuchWork } from '@millrace/explanation';
import { newId } from '@millrace/kernel';
import type { RowWarning, ValidatedRows } from '@millrace/packaging';
import type { LimitStanding, Meter, Metered, UsageJournal } from '@millrace/quota';
import type { ServedEndpoint } from '@millrace/registry';
import type { Batcher } from './batcher.ts';
import type { EndpointDirectory } from './endpoint-directory.ts';
import type { ExplanationBases } from './explanation-bases.ts';
import { nonFiniteJson } from './json-body.ts';
import type { HeldModel, ModelCache } from './model-cache.ts';
import { overQuota } from './over-quota.ts';
import type { PictureLook } from './picture-look.ts';
import type { PredictionCall } from './predictor.ts';
import type { ReadExplainRequest } from './protocols/explanations.ts';
import { invalidRequest, invalidRows, modelNotFound, refusedAsMissing, RequestError, versionMeant } from './request-error.ts';
import { callerGone } from './shedding.ts';
import { NoTurn } from './side-turns.ts';

/** Evaluations of the model to one cost unit, which is what a predicted row costs. */
const evaluationsPerUnit = 100;
/** Of all tenants together, and of one, at a time: they take turns, and the more there are the longer each takes. */
const mostUnderWay = { all: 16, tenant: 2 };

/** An explained row. */
export interface ExplainedRow extends Explanation {
  row: ValidatedRows;
}

/** Explanations that have been entered into the ledger and may leave. */
export interface ExplanationAnswer {
  predictionId: string;
  versionNumber: number;
  units: number;
  overheadMs: number;
  warnings: readonly RowWarning[];
  limits: readonly LimitStanding[];
  /** the JSON text of the body */
  payload: string;
}

export interface ExplainerOptions {
  directory: Pick<EndpointDirectory, 'find'>;
  models: ModelCache;
  bases: ExplanationBases;
  turns: Pick<Batcher, 'beside'>;
  journal: Pick<UsageJournal, 'record'>;
  meter: Pick<Meter, 'take'>;
  lookAtPictures: PictureLook;
}

export type Explainer = ReturnType<typeof createExplainer>;

type Planned = Extract<PlannedExplanation, { type: 'planned' }>;

/** From rows to explanations that are paid for: of the version that an endpoint mostly serves, or of the one that is asked for. */
export function createExplainer({ directory, models, bases, turns, journal, meter, lookAtPictures }: ExplainerOptions) {
  let underWay = 0;
  const byTenant = new Map<string, number>();

  async function answer(call: PredictionCall, read: ReadExplainRequest): Promise<ExplanationAnswer> {
    const { actor, endpoint } = call;
    if (!mayCall(actor, endpoint)) throw refusedAsMissing(endpoint, versionMeant(call.versionNumber));
    const served = await directory.find(actor.tenantId, endpoint, call.versionNumber);
    if (!served) throw modelNotFound(endpoint, versionMeant(call.versionNumber));
    await lookAtPictures(call.body.value, served);
    return inPlace(actor, async () => {
      const held = await models.hold(served.version, served.endpoint);
      try {
        return await explain(call, read, served, held);
      } finally {
        held.release();
      }
    });
  }

  async function explain(call: PredictionCall, read: ReadExplainRequest, served: ServedEndpoint, held: HeldModel): Promise<ExplanationAnswer> {
    const { model } = held;
    const { actor, endpoint } = call;
    const { version } = served;
    const reading = read(model.signature, call.body.value);
    if (reading.checked.type === 'invalid') throw invalidRows(reading.checked.problems);
    if (call.body.hasNonFinite) throw nonFiniteJson();
    const { rows, warnings } = reading.checked;
    const plan = planned(planExplanation(model.signature, version.packageSha256, await bases.of(version).catch(unreadable), reading.request));
    const { deadlineMs } = served.endpoint.serving;
    const deadline = call.startedAt + deadlineMs;
    const metered: Metered = await meter.take({ actor, endpoint, rows: rows.count * unitsOf(plan.mostWork) });
    if (metered.type === 'refused') throw overQuota(metered);
    try {
      let modelMs = 0;
      const inTurn: InTurn = (work, what) =>
        turns.beside({
          kind: 'explanation', tenantId: actor.tenantId, deadline, ...(what === 'prediction' && { held }),
          work: async () => {
            if (call.isGone()) throw callerGone();
            const begun = performance.now();
            const result = await work();
            modelMs += performance.now() - begun;
            return result;
          },
        });
      const explained: ExplainedRow[] = [];
      for (let at = 0; at < rows.count; at++) {
        const row = rows.slice(at, at + 1);
        explained.push({ ...(await plan.explain(row, { model, inTurn })), row });
      }
      const units = explained.reduce((sum, { work }) => sum + unitsOf(work), 0);
      metered.settle(units);
      const predictionId = call.predictionId ?? newId('prediction');
      const payload = JSON.stringify(reading.write({ predictionId, served, signature: model.signature, explained }));
      if (call.isGone()) throw callerGone();
      await journal.record({
        tenantId: actor.tenantId, requestId: predictionId, at: new Date(), actor: actorName(actor), endpointId: served.endpoint.id, modelVersionId: version.id, rows: units, units,
      });
      return { predictionId, versionNumber: version.number, units, overheadMs: performance.now() - call.startedAt - modelMs, warnings, limits: metered.standings(), payload };
    } catch (error) {
      metered.giveBack();
      if (error instanceof TooMuchWork) throw tooMuchWork(reading.request.maxEvaluations);
      throw error instanceof NoTurn ? tooLong(endpoint, deadlineMs) : error;
    }
  }

  /** Nothing waits: whoever comes when all places are taken is told to come again. */
  async function inPlace<Result>({ tenantId }: Actor, work: () => Promise<Result>): Promise<Result> {
    const own = byTenant.get(tenantId) ?? 0;
    if (underWay >= mostUnderWay.all || own >= mostUnderWay.tenant) throw full(own >= mostUnderWay.tenant ? 'tenant' : 'server');
    underWay += 1;
    byTenant.set(tenantId, own + 1);
    try {
      return await work();
    } finally {
      underWay -= 1;
      const left = byTenant.get(tenantId)! - 1;
      if (left > 0) byTenant.set(tenantId, left);
      else byTenant.delete(tenantId);
    }
  }

  return {
    /** @throws RequestError */
    explain: answer,
    get underWay(): number {
      return underWay;
    },
  };
}

/** Of one row: each hundred evaluations of the model begun, or what takes as long. */
const unitsOf = (work: number): number => Math.max(1, Math.ceil(work / evaluationsPerUnit));

/** What a model can be asked to explain, or the refusal. @throws RequestError 400 */
function planned(plan: PlannedExplanation): Planned {
  if (plan.type === 'planned') return plan;
  const { code, field, message, remedy } = plan.problem;
  if (code === 'not_explainable') throw new RequestError(400, code, message, { field, remedy });
  throw invalidRequest(field, message, remedy);
}

function unreadable(cause: unknown): never {
  throw new RequestError(503, 'model_unavailable', 'What explanations need cannot be read at the moment.', {
    field: 'model', remedy: 'Try again; if it stays, ask your administrator to look at the log of the inference server.', retryAfterSeconds: 5, cause,
  });
}

function tooMuchWork(allowed: number | undefined): RequestError {
  const most = allowed === undefined ? 'usual number of' : `${allowed}`;
  const remedy = (allowed ?? 0) < mostEvaluations ? `Allow up to ${mostEvaluations} as "max_evaluations".` : 'Explain a model of fewer or smaller trees.';
  return invalidRequest('parameters.max_evaluations', `Walking through the trees of this model takes as long as more than the ${most} evaluations that the explanation may take ("max_evaluations").`, remedy);
}

function tooLong(endpoint: string, deadlineMs: number): RequestError {
  return new RequestError(503, 'deadline_exceeded', `The explanation was not done within the ${deadlineMs} milliseconds that the endpoint "${endpoint}" gives a request (deadlineMs).`, {
    limitSource: 'server',
    remedy: 'Explain fewer rows at once, allow fewer "max_evaluations", or have the deadline of the endpoint raised; on a busy server, try again after the time in Retry-After.',
    retryAfterSeconds: 5,
  });
}

function full(limitSource: 'server' | 'tenant'): RequestError {
  const whose = limitSource === 'tenant' ? 'Your tenant' : 'This server';
  return new RequestError(503, 'overloaded', `${whose} has as many explanations under way as it may.`, {
    limitSource, remedy: 'Try again after the time in Retry-After; explain one row after another.', retryAfterSeconds: 1,
  });
}
