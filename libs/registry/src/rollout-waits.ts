import type { Rollout, TenantTx } from '@millrace/database';
import { isScore, type Judged, judgeScore, type RollbackRule, violates } from './rollback-rules.ts';
import { evidenceOf, fitting, isSeen } from './rule-evidence.ts';
import { readTraffic } from './traffic.ts';

export const rolloutWaitKinds = ['TIME', 'REQUESTS', 'PREVIOUS_REQUESTS', 'LABELS', 'SCORE', 'DOUBT'] as const;

/** What a rollout's step waits for: `has` of what it `needs`. */
export interface RolloutWait {
  kind: (typeof rolloutWaitKinds)[number];
  /** the rule that asks for it; null for what every step needs */
  rule: RollbackRule | null;
  /** seconds, requests, rows with a known truth, or of a doubt what was measured; null where that is not defined yet */
  has: number | null;
  needs: number;
}

export interface RolloutStanding extends Judged {
  rules: readonly RollbackRule[];
  /** of this step, by the database's clock */
  seconds: number;
  bakeSeconds: number;
}

/** How a rollout's versions fare in its present step. */
export async function readStanding(tx: TenantTx, rollout: Rollout): Promise<RolloutStanding> {
  const { tenantId, endpointId, stepStartedAt, minRequests, bakeSeconds } = rollout;
  const rules = rollout.rollbackOn as unknown as RollbackRule[];
  const [{ seconds }] = await tx.$queryRaw<[{ seconds: number }]>`
    SELECT extract(epoch FROM now() - step_started_at)::double precision AS seconds FROM rollouts WHERE tenant_id = ${tenantId} AND id = ${rollout.id}`;
  const traffic = await readTraffic(tx, tenantId, endpointId, stepStartedAt);
  return {
    candidate: traffic.find(({ versionId, variant }) => versionId === rollout.versionId && variant === 'CANARY'),
    stable: traffic.find(({ versionId, variant }) => versionId === rollout.previousVersionId && variant === 'STABLE'),
    score: await judgeScore(tx, rollout, rules),
    rules, minRequests, seconds, bakeSeconds,
  };
}

/**
 * All that keeps a step from ending. Nor does a version go on whose score is to be looked at and not known, or which may be broken and is not
 * known to be: what lies beyond a threshold and may do so by chance is rolled back by nothing, and is no reason to go on.
 */
export function whatItWaitsFor(standing: RolloutStanding): RolloutWait[] {
  const { rules, score, candidate, stable, minRequests, seconds, bakeSeconds } = standing;
  const isShortOfLabels = score !== null && score.labelledRows < score.neededRows;
  const waits: RolloutWait[] = [];
  if (seconds < bakeSeconds) waits.push({ kind: 'TIME', rule: null, has: seconds, needs: bakeSeconds });
  if (fitting(candidate) < minRequests) waits.push({ kind: 'REQUESTS', rule: null, has: fitting(candidate), needs: minRequests });
  if (isShortOfLabels) waits.push({ kind: 'LABELS', rule: rules.find(({ metric }) => isScore(metric))!, has: score.labelledRows, needs: score.neededRows });
  for (const rule of rules) {
    const { metric, threshold } = rule;
    if (isScore(metric)) {
      if (!isShortOfLabels && score?.valueOf(metric) === null) waits.push({ kind: 'SCORE', rule, has: null, needs: threshold });
      continue;
    }
    const measured = evidenceOf(metric, standing)?.measured ?? null;
    if (isSeen(metric, standing)) {
      if (measured !== null && violates(rule, measured)) waits.push({ kind: 'DOUBT', rule, has: measured, needs: threshold });
    } else if (fitting(candidate) >= minRequests) {
      waits.push({ kind: 'PREVIOUS_REQUESTS', rule, has: metric === 'refusedRate' ? (stable?.requests ?? 0) : fitting(stable), needs: minRequests });
    }
  }
  return waits;
}

export function waitInWords({ kind, rule, has, needs }: RolloutWait): string {
  switch (kind) {
    case 'TIME':
      return `${Math.floor(has!)} of the step’s ${needs} seconds have passed.`;
    case 'REQUESTS':
      return `The version has had ${has} of ${needs} requests whose rows fitted in this step.`;
    case 'PREVIOUS_REQUESTS':
      return `${rule!.metric} compares it with the version before, which has had ${has} of ${needs} requests in this step.`;
    case 'LABELS':
      return `The truth of ${has} of ${needs} of its rows is known.`;
    case 'SCORE':
      return `${rule!.metric} is not defined yet by the truths that are known.`;
    case 'DOUBT':
      return `${rule!.metric} is ${Number(has!.toPrecision(3))}, ${rule!.op} ${needs}, perhaps by chance: more requests decide.`;
  }
}
