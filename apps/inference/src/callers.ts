import { type Actor, actorName, type Auth, can } from '@millrace/auth';
import type { OwnUsage, Quota } from '@millrace/quota';
import { FreshValue } from './fresh-value.ts';

export interface CallersOptions {
  keys: Pick<Auth['keys'], 'own'>;
  quota: Pick<Quota, 'ownUsage'>;
}

export type Callers = ReturnType<typeof createCallers>;

/** The route asks for nothing but a credential and counts against no limit, while the ledger may be long: it is not asked each time. */
const believed = { renewAfterMs: 1_000, staleAfterMs: 5_000 };
const mostRemembered = 10_000;

/** What a caller may know of itself: `GET /v1/key`, in the words of OpenRouter's route of this name. */
export function createCallers({ keys, quota }: CallersOptions) {
  const usages = new Map<string, FreshValue<OwnUsage>>();

  function usageOf(actor: Actor): OwnUsage | Promise<OwnUsage> {
    const key = `${actor.tenantId}/${actorName(actor)}`;
    let usage = usages.get(key);
    if (!usage) {
      if (usages.size >= mostRemembered) usages.delete(usages.keys().next().value!);
      usage = new FreshValue(() => quota.ownUsage(actor), () => believed);
      usages.set(key, usage);
    }
    return usage.get();
  }

  return {
    async describe(actor: Actor): Promise<object> {
      const usage = usageInWords(await usageOf(actor));
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
