import type { LimitStanding, LimitTerms, Standing } from '@millrace/quota';
import type { Exchange } from './exchange.ts';

/** On every answer to a key that has limits: what they are and what is left, as OpenAI's clients and as the IETF's draft know it. */
export function tellKeyLimits({ requests, parallel }: Standing, exchange: Exchange): void {
  let policies = '';
  let states = '';
  if (requests) {
    const { limit, remaining, resetSeconds } = requests;
    tellRequests(exchange, limit, remaining, resetSeconds);
    policies = `"key";q=${limit};w=60`;
    states = `"key";r=${remaining};t=${resetSeconds}`;
  }
  if (parallel) {
    policies = joined(policies, `"key-parallel";q=${parallel.limit};qu="concurrent-requests"`);
    states = joined(states, `"key-parallel";r=${parallel.remaining}`);
  }
  tellPolicies(exchange, policies, states);
}

/** The same for limits of usage, beside those of the key; and which of them come near. */
export function tellLimits(standings: readonly LimitStanding[], exchange: Exchange): void {
  let policies = exchange.header('ratelimit-policy') ?? '';
  let states = exchange.header('ratelimit') ?? '';
  let notices = '';
  let tightest: LimitStanding | null = null;
  for (const standing of standings) {
    const { terms, most, used, remaining, resetSeconds, windowSeconds } = standing;
    const name = nameOf(terms);
    const soft = terms.soft === null ? null : terms.soft + most - terms.most; // a raise puts off the notice as well
    if (soft !== null && used >= soft) notices = joined(notices, `"${name}";used=${used};soft=${soft};limit=${most}`);
    if (terms.measure === 'UNITS') {
      exchange.setHeader('x-millrace-budget-remaining', String(remaining));
      continue;
    }
    policies = joined(policies, windowSeconds === null ? `"${name}";q=${most}` : `"${name}";q=${most};w=${windowSeconds}`);
    states = joined(states, resetSeconds === null ? `"${name}";r=${remaining}` : `"${name}";r=${remaining};t=${resetSeconds}`);
    if (terms.measure === 'REQUESTS' && (tightest === null || remaining < tightest.remaining)) tightest = standing;
  }
  if (tightest) {
    const told = exchange.header('x-ratelimit-remaining-requests');
    if (told === undefined || tightest.remaining < Number(told)) tellRequests(exchange, tightest.most, tightest.remaining, tightest.resetSeconds ?? 0);
  }
  if (notices) exchange.setHeader('x-millrace-quota-notice', notices);
  tellPolicies(exchange, policies, states);
}

/** Such as `tenant-rows-month`: one of a kind for each caller and model. */
const nameOf = ({ source, measure, period, isRate }: LimitTerms): string => (measure === 'UNITS' ? 'key-budget' : isRate ? `${source}-rate` : `${source}-${measure.toLowerCase()}-${period}`);

const joined = (list: string, item: string): string => (list ? `${list}, ${item}` : item);

function tellRequests(exchange: Exchange, limit: number, remaining: number, resetSeconds: number): void {
  exchange
    .setHeader('x-ratelimit-limit-requests', String(limit))
    .setHeader('x-ratelimit-remaining-requests', String(remaining))
    .setHeader('x-ratelimit-reset-requests', `${resetSeconds}s`);
}

function tellPolicies(exchange: Exchange, policies: string, states: string): void {
  if (policies) exchange.setHeader('ratelimit-policy', policies).setHeader('ratelimit', states);
}
