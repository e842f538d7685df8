import { type Actor, actorName, networkOf } from '@millrace/auth';
import { DomainError } from '@millrace/kernel';

/** What is left to a caller. */
export interface BudgetState {
  /** units a minute, which is also the most that can be spent at once */
  limit: number;
  remaining: number;
  /** until all of it is there again */
  resetSeconds: number;
}

export interface CostBudget {
  /** @throws DomainError TOO_MANY_REQUESTS, and then nothing is spent */
  spend(spender: Spender, cost: number): BudgetState;
}

/** Callers without a valid credential share the budget of their address, or of their network of IPv6 addresses. */
export interface Spender {
  actor: Actor | null;
  address: string;
}

export interface CostBudgetOptions {
  unitsPerMinute: number;
  /** milliseconds of a clock that is never set back */
  now?: () => number;
  /** so many callers are remembered; of more, the one that was silent longest is forgotten, and has its whole budget again */
  mostCallers?: number;
}

const minuteMs = 60_000;

/**
 * What each caller's operations may cost in a minute, in this process. A budget is kept as the one moment at which it
 * will be whole again (the generic cell rate algorithm): it refills evenly, and forgetting a caller whose budget is whole
 * changes nothing.
 */
export function createCostBudget({ unitsPerMinute: limit, now = () => performance.now(), mostCallers = 50_000 }: CostBudgetOptions): CostBudget {
  const msPerUnit = minuteMs / limit;
  /** in the order of their last operations */
  const wholeAt = new Map<string, number>();

  return {
    spend(spender, cost) {
      const name = nameOf(spender);
      const moment = now();
      const known = Math.max(wholeAt.get(name) ?? 0, moment);
      const units = Math.min(Math.max(cost, 1), limit); // nothing is free, and nothing out of reach for ever
      const next = known + units * msPerUnit;
      const excessMs = next - moment - minuteMs;
      const isRefused = excessMs > 1e-6;
      wholeAt.delete(name);
      wholeAt.set(name, isRefused ? known : next);
      if (wholeAt.size > mostCallers) wholeAt.delete(wholeAt.keys().next().value!);
      if (isRefused) throw exceeded(name, { cost: units, limit, remaining: unitsIn(moment + minuteMs - known), waitSeconds: Math.ceil(excessMs / 1000) });
      return { limit, remaining: unitsIn(moment + minuteMs - next), resetSeconds: Math.ceil((next - moment) / 1000) };
    },
  };

  function unitsIn(ms: number): number {
    return Math.max(0, Math.floor(ms / msPerUnit + 1e-6));
  }
}

/**
 * As the IETF's draft on rate limit fields has it. Headers and not a part of the answer, so that equal questions have
 * equal answers: what is another tenant's looks to the byte like what there is not.
 */
export function budgetHeaders({ limit, remaining, resetSeconds }: BudgetState): Record<string, string> {
  return { 'ratelimit-policy': `"cost";q=${limit};w=60`, ratelimit: `"cost";r=${remaining};t=${resetSeconds}` };
}

function exceeded(name: string, { cost, limit, remaining, waitSeconds }: { cost: number; limit: number; remaining: number; waitSeconds: number }): DomainError {
  return new DomainError(
    'TOO_MANY_REQUESTS',
    `This operation costs ${cost}, and ${name} has ${remaining} left of the ${limit} that its operations may cost in a minute.`,
    {
      remedy: `Try again in ${waitSeconds} s, when there is enough again; ask for fewer fields, or for smaller pages with first; subscribe instead of asking again and again.`,
      retryAfterSeconds: waitSeconds,
    },
  );
}

function nameOf({ actor, address }: Spender): string {
  return actor ? actorName(actor) : `address:${networkOf(address)}`;
}
