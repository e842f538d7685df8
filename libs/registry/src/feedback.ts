import { type Actor, actorName, mayCall, requirePermission, type TenantBox } from '@millrace/auth';
import { type Database, Prisma, type TenantTx } from '@millrace/database';
import { isId, type Problem } from '@millrace/kernel';
import type { Signature } from '@millrace/packaging';
import { scoreSlotSeconds } from './live-scores.ts';
import type { Variant } from './traffic.ts';
import { readTruths, truthKindOf } from './truths.ts';

export interface NewFeedback {
  predictionId: string;
  /** the truth, or a list with one for each row of the prediction; null where it is not known */
  label: unknown;
  /** where it comes from; at most `longestSource` characters */
  source?: string | undefined;
}

/** One answer for a prediction that there is not, that was not recorded, that is another tenant's, and whose endpoint the key may not call. */
export type GiveFeedbackOutcome =
  | { type: 'given'; endpointName: string; versionNumber: number; labelledRows: number; /** whether there was feedback on it already */ isReplaced: boolean }
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
  slot: Date;
}

export type FeedbackDesk = ReturnType<typeof createFeedbackDesk>;

/** Takes the truth about earlier predictions in, and counts how each version fares. */
export function createFeedbackDesk({ database, box }: FeedbackOptions) {
  /** when a tenant's old counts were last removed */
  const swept = new Map<string, number>();

  return {
    /** Given again, it replaces what was given before: a prediction counts once. @throws DomainError FORBIDDEN */
    async give(actor: Actor, { predictionId, label, source }: NewFeedback): Promise<GiveFeedbackOutcome> {
      requirePermission(actor, 'endpoint:predict');
      const { tenantId } = actor;
      if (!isId('prediction', predictionId)) return { type: 'not-found', isRefusal: false };
      const outcome = await database.forTenant(tenantId).transaction(async (tx): Promise<GiveFeedbackOutcome> => {
        const recorded = await findRecorded(tx, tenantId, predictionId);
        if (!recorded) return { type: 'not-found', isRefusal: false };
        if (!mayCall(actor, recorded.endpointName)) return { type: 'not-found', isRefusal: true };
        const kind = truthKindOf(recorded.signature as Signature);
        if (!kind) return { type: 'not-found', isRefusal: false }; // never recorded
        const outputs = JSON.parse(await box.open(tenantId, `recording ${recorded.recordingId}`, recorded.outputsBox)) as number[][];
        const answers = outputs[recorded.place]!;
        const read = readTruths(kind, label, answers.length);
        if (read.type === 'invalid') return read;
        const before = recorded.truthBox ? (JSON.parse(await box.open(tenantId, `truth ${predictionId}`, recorded.truthBox)) as (number | null)[]) : null;
        const sealed = await box.seal(tenantId, `truth ${predictionId}`, JSON.stringify(read.truths));
        await tx.$executeRaw`
          INSERT INTO feedback (tenant_id, prediction_id, truth_box, source, given_by) VALUES (${tenantId}, ${predictionId}, ${sealed}, ${source ?? null}, ${actorName(actor)})
          ON CONFLICT (tenant_id, prediction_id) DO UPDATE SET truth_box = EXCLUDED.truth_box, source = EXCLUDED.source, given_by = EXCLUDED.given_by, given_at = now()`;
        if (kind.type === 'classes') await countClasses(tx, tenantId, recorded, answers, before, read.truths);
        else await addErrors(tx, tenantId, recorded, answers, before, read.truths);
        const { endpointName, versionNumber } = recorded;
        return { type: 'given', endpointName, versionNumber, labelledRows: read.truths.filter((truth) => truth !== null).length, isReplaced: before !== null };
      });
      if (outcome.type === 'given') await sweepCounts(tenantId);
      return outcome;
    },
  };

  async function sweepCounts(tenantId: string): Promise<void> {
    if ((swept.get(tenantId) ?? -Infinity) > performance.now() - sweepEveryMs) return;
    if (swept.size >= mostSwept) swept.clear();
    swept.set(tenantId, performance.now());
    for (const table of ['truth_counts', 'error_sums']) {
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
      v.signature, r.outputs_box AS "outputsBox", f.truth_box AS "truthBox", to_timestamp(floor(extract(epoch FROM r.created_at) / ${scoreSlotSeconds}::int) * ${scoreSlotSeconds}::int) AS slot
    FROM recorded_predictions p
    JOIN recordings r ON r.tenant_id = p.tenant_id AND r.id = p.recording_id
    JOIN endpoints e ON e.tenant_id = r.tenant_id AND e.id = r.endpoint_id
    JOIN model_versions v ON v.tenant_id = r.tenant_id AND v.id = r.version_id
    LEFT JOIN feedback f ON f.tenant_id = p.tenant_id AND f.prediction_id = p.prediction_id
    WHERE p.tenant_id = ${tenantId} AND p.prediction_id = ${predictionId}`;
  return row ?? null;
}

type Truths = readonly (number | null)[];

async function countClasses(tx: TenantTx, tenantId: string, { endpointId, versionId, variant, slot }: Recorded, answers: readonly number[], before: Truths | null, truths: Truths): Promise<void> {
  const changes = new Map<string, { truth: number; answer: number; rows: number }>();
  for (const [sign, of] of [[-1, before ?? []], [1, truths]] as const) {
    for (const [row, truth] of of.entries()) {
      if (truth === null) continue;
      const answer = answers[row]!;
      const key = `${truth} ${answer}`;
      changes.set(key, { truth, answer, rows: (changes.get(key)?.rows ?? 0) + sign });
    }
  }
  const changed = [...changes.values()].filter(({ rows }) => rows !== 0);
  if (!changed.length) return;
  // First all that may be missing, since a count is never negative; in one order, so that two never wait for each other.
  const json = JSON.stringify(changed);
  await tx.$executeRaw`
    INSERT INTO truth_counts (tenant_id, endpoint_id, version_id, variant, slot, truth, answer, rows)
    SELECT ${tenantId}, ${endpointId}, ${versionId}, ${variant}::traffic_variant, ${slot}, c.truth, c.answer, 0
    FROM jsonb_to_recordset(${json}::jsonb) AS c(truth int, answer int) ORDER BY c.truth, c.answer ON CONFLICT DO NOTHING`;
  await tx.$queryRaw`
    SELECT 1 FROM truth_counts WHERE tenant_id = ${tenantId} AND endpoint_id = ${endpointId} AND version_id = ${versionId} AND variant = ${variant}::traffic_variant AND slot = ${slot}
      AND (truth, answer) IN (SELECT c.truth, c.answer FROM jsonb_to_recordset(${json}::jsonb) AS c(truth int, answer int)) ORDER BY truth, answer FOR UPDATE`;
  await tx.$executeRaw`
    UPDATE truth_counts t SET rows = t.rows + c.rows FROM jsonb_to_recordset(${json}::jsonb) AS c(truth int, answer int, rows int)
    WHERE t.tenant_id = ${tenantId} AND t.endpoint_id = ${endpointId} AND t.version_id = ${versionId} AND t.variant = ${variant}::traffic_variant AND t.slot = ${slot}
      AND t.truth = c.truth AND t.answer = c.answer`;
}

async function addErrors(tx: TenantTx, tenantId: string, { endpointId, versionId, variant, slot }: Recorded, answers: readonly number[], before: Truths | null, truths: Truths): Promise<void> {
  const [gone, come] = [sumErrors(answers, before ?? []), sumErrors(answers, truths)];
  // Taken away is, to the digit, what was added: the same number became the same decimal then.
  const change = (of: 'absolute' | 'squared' | 'fourth' | 'truth' | 'truthSquared') => Prisma.sql`${come[of]}::float8::numeric - ${gone[of]}::float8::numeric`;
  await tx.$executeRaw`
    INSERT INTO error_sums AS s (tenant_id, endpoint_id, version_id, variant, slot, rows, absolute, squared, fourth, truth, truth_squared)
    VALUES (${tenantId}, ${endpointId}, ${versionId}, ${variant}::traffic_variant, ${slot}, 0, 0, 0, 0, 0, 0) ON CONFLICT DO NOTHING`;
  await tx.$executeRaw`
    UPDATE error_sums SET rows = rows + ${come.rows - gone.rows}::int, absolute = absolute + ${change('absolute')}, squared = squared + ${change('squared')},
      fourth = fourth + ${change('fourth')}, truth = truth + ${change('truth')}, truth_squared = truth_squared + ${change('truthSquared')}
    WHERE tenant_id = ${tenantId} AND endpoint_id = ${endpointId} AND version_id = ${versionId} AND variant = ${variant}::traffic_variant AND slot = ${slot}`;
}

function sumErrors(answers: readonly number[], truths: Truths) {
  const sums = { rows: 0, absolute: 0, squared: 0, fourth: 0, truth: 0, truthSquared: 0 };
  for (const [row, truth] of truths.entries()) {
    if (truth === null) continue;
    const error = Math.abs(answers[row]! - truth);
    sums.rows++;
    sums.absolute += error;
    sums.squared += error ** 2;
    sums.fourth += error ** 4;
    sums.truth += truth;
    sums.truthSquared += truth ** 2;
  }
  return sums;
}
