import type { TenantTx } from '@millrace/database';
import type { BrokenRule } from './rollback-rules.ts';

const rolloutEvents = { SUCCEEDED: 'rollout.promoted', ROLLED_BACK: 'rollout.rolled_back', CANCELLED: 'rollout.cancelled' } as const;
export type RolloutEvent = (typeof rolloutEvents)[keyof typeof rolloutEvents];

/** What an endpoint's webhook is told of a rollout that has ended, in the envelope of Standard Webhooks. */
export interface RolloutView {
  type: RolloutEvent;
  /** when it ended */
  timestamp: string;
  data: {
    rollout: string;
    endpoint: string;
    model: string;
    version: number;
    previous_version: number;
    /** share of the requests that the version had last; 100 once it has taken over */
    percent: number;
    reason: string | null;
    /** the rule that was broken, and what was measured; null where it ended otherwise */
    rule: { metric: string; op: string; threshold: number } | null;
    measured: number | null;
    /** how many requests, or rows with a known truth, that is over */
    over: number | null;
    /** `system`, or the name of who said so */
    by: string;
  };
}

/** Of a rollout that has ended, which changes no more: the same whenever it is asked for. Null where it is gone or runs still. */
export async function viewEndedRollout(tx: TenantTx, tenantId: string, id: string): Promise<RolloutView | null> {
  const rollout = await tx.rollout.findUnique({
    where: { tenantId_id: { tenantId, id } },
    include: { endpoint: { include: { model: { select: { name: true } } } }, version: { select: { number: true } }, previousVersion: { select: { number: true } } },
  });
  if (!rollout?.endedAt || rollout.status === 'RUNNING') return null;
  const { status, endedAt, endpoint, version, previousVersion, steps, step, reason, endedBy } = rollout;
  const broken = rollout.brokenRule as unknown as BrokenRule | null;
  return {
    type: rolloutEvents[status],
    timestamp: endedAt.toISOString(),
    data: {
      rollout: id,
      endpoint: endpoint.name,
      model: endpoint.model.name,
      version: version.number,
      previous_version: previousVersion.number,
      percent: steps[step] ?? 0,
      reason,
      rule: broken && { metric: broken.metric, op: broken.op, threshold: broken.threshold },
      measured: broken?.value ?? null,
      over: broken?.over ?? null,
      by: endedBy ?? 'system',
    },
  };
}
