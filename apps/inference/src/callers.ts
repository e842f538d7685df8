import { type Actor, actorName, type Auth, can } from '@millrace/auth';
import type { OwnUsage, Quota } from '@millrace/quota';

export interface CallersOptions {
  keys: Pick<Auth['keys'], 'own'>;
  quota: Pick<Quota, 'ownUsage'>;
}

export type Callers = ReturnType<typeof createCallers>;

/** What a caller may know of itself: `GET /v1/key`, in the words of OpenRouter's route of this name. */
export function createCallers({ keys, quota }: CallersOptions) {
  return {
    async describe(actor: Actor): Promise<object> {
      const usage = usageInWords(await quota.ownUsage(actor));
      const canPredict = { can_predict: can(actor, 'endpoint:predict') };
      if (actor.type === 'person') return { id: actorName(actor), type: 'person', role: actor.role, models: [], ...canPredict, ...usage };
      const { id, alias, scopes, models, addresses, expiresAt, rpmLimit, maxParallelRequests } = await keys.own(actor);
      return {
        id,
        type: 'key',
        alias,
        scopes,
        models,
        addresses,
        expires_at: expiresAt,
        rpm_limit: rpmLimit,
        max_parallel_requests: maxParallelRequests,
        ...canPredict,
        ...usage,
      };
    },
  };
}

function usageInWords({ total, today, thisWeek, thisMonth }: OwnUsage): object {
  return {
    // A budget: there is none yet, which these clients read as "no limit".
    limit: null,
    limit_remaining: null,
    limit_reset: null,
    usage: total,
    usage_daily: today,
    usage_weekly: thisWeek,
    usage_monthly: thisMonth,
  };
}
