import { type Actor, actorName, type ApiKeyView, type Auth, can } from '@millrace/auth';
import type { KeySpend, OwnUsage, Quota } from '@millrace/quota';
import { FreshValue } from './fresh-value.ts';

export interface CallersOptions {
  keys: Pick<Auth['keys'], 'own'>;
  quota: Pick<Quota, 'ownUsage' | 'spendOf'>;
}

export type Callers = ReturnType<typeof createCallers>;

/** The route asks for nothing but a credential and counts against no limit, while the ledger may be long: it is not asked each time. */
const believed = { renewAfterMs: 1_000, staleAfterMs: 5_000 };
const mostRemembered = 10_000;

/** What a caller may know of itself: `GET /v1/key`, in the words of OpenRouter's route of this name. */
export function createCallers({ keys, quota }: CallersOptions) {
  const usages = new Map<string, FreshValue<{ usage: OwnUsage; spend: KeySpend | null }>>();

  function usageOf(actor: Actor) {
    const key = `${actor.tenantId}/${actorName(actor)}`;
    let usage = usages.get(key);
    if (!usage) {
      if (usages.size >= mostRemembered) usages.delete(usages.keys().next().value!);
      usage = new FreshValue(async () => ({ usage: await quota.ownUsage(actor), spend: await spendOf(actor) }), () => believed);
      usages.set(key, usage);
    }
    return usage.get();
  }

  async function spendOf(actor: Actor): Promise<KeySpend | null> {
    if (actor.type !== 'key' || !actor.budget) return null;
    const { duration: budgetDuration, since: createdAt } = actor.budget;
    return (await quota.spendOf(actor, [{ id: actor.keyId, budgetDuration, createdAt }])).get(actor.keyId) ?? null;
  }

  return {
    async describe(actor: Actor): Promise<object> {
      const known = await usageOf(actor);
      const usage = usageInWords(known.usage);
      const canPredict = { can_predict: can(actor, 'endpoint:predict') };
      if (actor.type === 'person') return { id: actorName(actor), type: 'person', role: actor.role, models: [], ...canPredict, ...usage };
      const own = await keys.own(actor);
      const { id, alias, scopes, models, addresses, expiresAt, rpmLimit, maxParallelRequests } = own;
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
        ...budgetInWords(own, known.spend),
      };
    },
  };
}

/** For whom there is no budget, these clients read null as "no limit". */
function budgetInWords({ maxBudget, softBudget, budgetDuration }: Pick<ApiKeyView, 'maxBudget' | 'softBudget' | 'budgetDuration'>, spend: KeySpend | null): object {
  if (maxBudget === null || spend === null) return {};
  return {
    limit: maxBudget,
    limit_remaining: Math.max(0, maxBudget - spend.spend),
    limit_reset: spend.resetAt,
    soft_budget: softBudget,
    budget_duration: budgetDuration,
  };
}

function usageInWords({ total, today, thisWeek, thisMonth }: OwnUsage): object {
  return {
    limit: null,
    limit_remaining: null,
    limit_reset: null,
    usage: total,
    usage_daily: today,
    usage_weekly: thisWeek,
    usage_monthly: thisMonth,
  };
}
