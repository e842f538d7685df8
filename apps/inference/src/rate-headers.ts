import type { LimitStanding, LimitTerms, Standing } from '@millrace/quota';
import type { FastifyReply } from 'fastify';

/** On every answer to a key that has limits: what they are and what is left, as OpenAI's clients and as the IETF's draft know it. */
export function tellKeyLimits({ requests, parallel }: Standing, reply: FastifyReply): void {
  const policies: string[] = [];
  const states: string[] = [];
  if (requests) {
    const { limit, remaining, resetSeconds } = requests;
    tellRequests(reply, limit, remaining, resetSeconds);
    policies.push(`"key";q=${limit};w=60`);
    states.push(`"key";r=${remaining};t=${resetSeconds}`);
  }
  if (parallel) {
    policies.push(`"key-parallel";q=${parallel.limit};qu="concurrent-requests"`);
    states.push(`"key-parallel";r=${parallel.remaining}`);
  }
  tellPolicies(reply, policies, states);
}

/** The same for limits of usage, beside those of the key; and which of them come near. */
export function tellLimits(standings: readonly LimitStanding[], reply: FastifyReply): void {
  const policies: string[] = [];
  const states: string[] = [];
  const notices: string[] = [];
  let tightest: LimitStanding | null = null;
  for (const standing of standings) {
    const { terms, most, used, remaining, resetSeconds, windowSeconds } = standing;
    const name = nameOf(terms);
    if (terms.soft !== null && used >= terms.soft) notices.push(`"${name}";used=${used};soft=${terms.soft};limit=${most}`);
    if (terms.measure === 'UNITS') {
      reply.header('x-millrace-budget-remaining', String(remaining));
      continue;
    }
    policies.push(`"${name}";q=${most}${windowSeconds === null ? '' : `;w=${windowSeconds}`}`);
    states.push(`"${name}";r=${remaining}${resetSeconds === null ? '' : `;t=${resetSeconds}`}`);
    if (terms.measure === 'REQUESTS' && (tightest === null || remaining < tightest.remaining)) tightest = standing;
  }
  const told = reply.getHeader('x-ratelimit-remaining-requests');
  if (tightest && (told === undefined || tightest.remaining < Number(told))) tellRequests(reply, tightest.most, tightest.remaining, tightest.resetSeconds ?? 0);
  if (notices.length) reply.header('x-millrace-quota-notice', notices.join(', '));
  tellPolicies(reply, policies, states);
}

/** Such as `tenant-rows-month`: one of a kind for each caller and model. */
const nameOf = ({ source, measure, period, isRate }: LimitTerms): string => (measure === 'UNITS' ? 'key-budget' : isRate ? `${source}-rate` : `${source}-${measure.toLowerCase()}-${period}`);

function tellRequests(reply: FastifyReply, limit: number, remaining: number, resetSeconds: number): void {
  reply
    .header('x-ratelimit-limit-requests', String(limit))
    .header('x-ratelimit-remaining-requests', String(remaining))
    .header('x-ratelimit-reset-requests', `${resetSeconds}s`);
}

function tellPolicies(reply: FastifyReply, policies: readonly string[], states: readonly string[]): void {
  for (const [header, values] of [['ratelimit-policy', policies], ['ratelimit', states]] as const) {
    const before = reply.getHeader(header);
    if (values.length) reply.header(header, [...(before === undefined ? [] : [String(before)]), ...values].join(', '));
  }
}
