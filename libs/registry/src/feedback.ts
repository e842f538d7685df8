import { type Actor, actorName, can, mayCall, requirePermission, type TenantBox } from '@millrace/auth';
import { type Database, Prisma, type TenantTx } from '@millrace/database';
import { isId, type Problem } from '@millrace/kernel';
import type { Signature } from '@millrace/packaging';
import { scoreSlotSeconds } from './live-scores.ts';
import type { Variant } from './traffic.ts';
import { tally, type ToldTruths } from './truth-tally.ts';
import { readTruths, type RecordedAnswer, truthKindOf } from './truths.ts';

export interface NewFeedback {
  predictionId: string;
  /** the truth, or a list with one for each row of the prediction; null where it is not known */
  label: unknown;
  /** where it comes from; at most `longestSource` characters */
  source?: string | undefined;
}

/** One answer for a prediction that there is not, that was not recorded, that is another tenant's, and whose endpoint the key may not call. */
export type GiveFeedbackOutcome =
  | { type: 'given'; endpointName: string; versionNumber: number; labelledRows: number; /** whether there was feedback on it already */ isReplaced: boolean; /** whether rules count it */ isTrusted: boolean }
  | { type: 'known' }
  | { type: 'not-found'; /** whether the endpoint is there and only the key's list keeps it out */ isRefusal: boolean }
  | { type: 'invalid'; problems: (Problem & { row?: number })[] };

export interface FeedbackOptions {
  database: Database;
  box: TenantBox;
}

export const longestSource = 100;
/** Counts are kept longer than any recording, and so than anything that could be replaced. */
const scoreDays = 400;
const sweepEveryMs = 3_600_000;
const mostSwept = 10_000;

interface Recorded {
  recordingId: string;
  place: number;
  endpointId: string;
  endpointName: string;
  versionId: string;
  versionNumber: number;
  variant: Variant;
  signature: unknown;
  outputsBox: Uint8Array;
  truthBox: Uint8Array | null;
  /** of the feedback that there is */
  trusted: boolean | null;
  withCurves: boolean | null;
  slot: Date;
}

export type FeedbackDesk = ReturnType<typeof createFeedbackDesk>;

/** Takes the truth about earlier predictions in, and counts how each version fares. */
export function createFeedbackDesk({ database, box }: FeedbackOptions) {
  /** when a tenant's old counts were last removed */
  const swept = new Map<string, number>();

  return {
    /**
     * Given again, it replaces what was given before: a prediction counts once. Rules count what comes from who has the permission
     * `endpoint:feedback`; who may only predict neither moves them nor replaces what they count. @throws DomainError FORBIDDEN
     */
    async give(actor: Actor, { predictionId, label, source }: NewFeedback): Promise<GiveFeedbackOutcome> {
      const trusted = can(actor, 'endpoint:feedback');
      if (!trusted) requirePermission(actor, 'endpoint:predict');
      const { tenantId } = actor;
      if (!isId('prediction', predictionId)) return { type: 'not-found', isRefusal: false };
      const outcome = await database.forTenant(tenantId).transaction(async (tx): Promise<GiveFeedbackOutcome> => {
        const recorded = await findRecorded(tx, tenantId, predictionId);
        if (!recorded) return { type: 'not-found', isRefusal: false };
        if (!mayCall(actor, recorded.endpointName)) return { type: 'not-found', isRefusal: true };
        const kind = truthKindOf(recorded.signature as Signature);
        if (!kind) return { type: 'not-found', isRefusal: false }; // never recorded
        const outputs = JSON.parse(await box.open(tenantId, `recording ${recorded.recordingId}`, recorded.outputsBox)) as RecordedAnswer[][];
        const answers = outputs[recorded.place]!;
        const read = readTruths(kind, label, answers.length);
        if (read.type === 'invalid') return read;
        if (recorded.trusted && !trusted) return { type: 'known' }; // by somebody whose word counts for more
        const before = recorded.truthBox ? { truths: JSON.parse(await box.open(tenantId, `truth ${predictionId}`, recorded.truthBox)) as ToldTruths['truths'], trusted: recorded.trusted === true, withCurves: recorded.withCurves === true } : null;
        const sealed = await box.seal(tenantId, `truth ${predictionId}`, JSON.stringify(read.truths));
        await tx.$executeRaw`
          INSERT INTO feedback (tenant_id, prediction_id, truth_box, source, given_by, trusted, with_curves) VALUES (${tenantId}, ${predictionId}, ${sealed}, ${source ?? null}, ${actorName(actor)}, ${trusted}, true)
          ON CONFLICT (tenant_id, prediction_id) DO UPDATE
          SET truth_box = EXCLUDED.truth_box, source = EXCLUDED.source, given_by = EXCLUDED.given_by, trusted = EXCLUDED.trusted, with_curves = true, given_at = now()`;
        await tally(tx, { tenantId, ...recorded }, kind, answers, before, { truths: read.truths, trusted, withCurves: true });
        const { endpointName, versionNumber } = recorded;
        return { type: 'given', endpointName, versionNumber, labelledRows: read.truths.filter((truth) => truth !== null).length, isReplaced: before !== null, isTrusted: trusted };
      });
      if (outcome.type === 'given') await sweepCounts(tenantId);
      return outcome;
    },
  };

  async function sweepCounts(tenantId: string): Promise<void> {
    if ((swept.get(tenantId) ?? -Infinity) > performance.now() - sweepEveryMs) return;
    if (swept.size >= mostSwept) swept.clear();
    swept.set(tenantId, performance.now());
    for (const table of ['truth_counts', 'probability_counts', 'metric_sums', 'error_sums']) {
      await database.forTenant(tenantId).transaction(
        (tx) => tx.$executeRaw`DELETE FROM ${Prisma.raw(table)} WHERE tenant_id = ${tenantId} AND slot < now() - make_interval(days => ${scoreDays}::int)`,
      );
    }
  }
}

/** Holds the prediction's row, so that of two truths at the same time one replaces the other. */
async function findRecorded(tx: TenantTx, tenantId: string, predictionId: string): Promise<Recorded | null> {
  const held = await tx.$queryRaw<unknown[]>`SELECT 1 FROM recorded_predictions WHERE tenant_id = ${tenantId} AND prediction_id = ${predictionId} FOR UPDATE`;
  if (!held.length) return null;
  const [row] = await tx.$queryRaw<Recorded[]>`
    SELECT r.id AS "recordingId", p.place, e.id AS "endpointId", e.name AS "endpointName", v.id AS "versionId", v.number AS "versionNumber", r.variant::text AS variant,
      v.signature, r.outputs_box AS "outputsBox", f.truth_box AS "truthBox", f.trusted, f.with_curves AS "withCurves", to_timestamp(floor(extract(epoch FROM r.created_at) / ${scoreSlotSeconds}::int) * ${scoreSlotSeconds}::int) AS slot
    FROM recorded_predictions p
    JOIN recordings r ON r.tenant_id = p.tenant_id AND r.id = p.recording_id
    JOIN endpoints e ON e.tenant_id = r.tenant_id AND e.id = r.endpoint_id
    JOIN model_versions v ON v.tenant_id = r.tenant_id AND v.id = r.version_id
    LEFT JOIN feedback f ON f.tenant_id = p.tenant_id AND f.prediction_id = p.prediction_id
    WHERE p.tenant_id = ${tenantId} AND p.prediction_id = ${predictionId}`;
  return row ?? null;
}
