import type { LimitSource, LimitTerms, Metered } from '@millrace/quota';
import { RequestError } from './request-error.ts';

const whose: Record<LimitSource, (subject: string) => string> = {
  key: () => 'This key',
  tenant: () => 'Your tenant',
  plan: () => 'By its plan, your tenant',
  member: () => 'This member, with all keys that they have made,',
  model: (name) => `All callers of the model "${name}" together`,
};

const whoRaises: Record<LimitSource, string> = {
  key: 'ask whoever manages the keys of your tenant for a higher limit',
  tenant: 'ask your operator for a higher limit',
  plan: 'ask your operator for another plan or a higher limit',
  member: 'ask an administrator of your tenant for a higher limit',
  model: 'ask an administrator of your tenant for a higher limit',
};

/** Which limit, whose, until when, and what to do about it. */
export function overQuota({ by, needed, standings }: Extract<Metered, { type: 'refused' }>): RequestError {
  const { terms, most, remaining, retrySeconds } = by;
  const isBudget = terms.measure === 'UNITS';
  const resetsAt = retrySeconds === null ? null : new Date(endOfPeriod(terms, Date.now() + retrySeconds * 1000)).toISOString();
  const isTooLarge = needed > most && most > 0;
  const allowance = isBudget
    ? `This key has a budget of ${most} ${wordOf(terms, most)}${everyWords(terms)}`
    : `${whose[terms.source](terms.subject)} may predict ${most} ${wordOf(terms, most)} a ${terms.period}`;
  const message = isTooLarge
    ? `${allowance}, and this request has ${needed}.`
    : `${allowance}; this request needs ${needed}, and ${remaining === 0 ? 'none is' : `${remaining} ${remaining === 1 ? 'is' : 'are'}`} left${resetsAt === null ? '' : ` until ${resetsAt}`}.`;
  const ways = [...(isTooLarge || remaining > 0 ? ['send fewer rows in one request'] : []), ...(isTooLarge || retrySeconds === null ? [] : ['wait for the seconds in Retry-After'])];
  return new RequestError(isBudget ? 402 : 429, isBudget ? 'budget_exceeded' : terms.isRate ? 'rate_limited' : 'quota_exceeded', message, {
    limitSource: terms.source,
    limit: { measure: terms.measure.toLowerCase(), period: terms.period, most, remaining, resets_at: resetsAt },
    remedy: sentence([...ways, isBudget ? 'ask whoever manages the keys of your tenant for a higher maxBudget' : whoRaises[terms.source]]),
    standings,
    ...(!isTooLarge && retrySeconds !== null && { retryAfterSeconds: Math.max(1, retrySeconds) }),
  });
}

/** Of a budget: ` a day`, ` every 7 days`, or nothing where it is given once and for all. */
const everyWords = ({ span }: LimitTerms): string => (!span ? '' : span === 86_400 ? ' a day' : ` every ${span / 86_400} days`);

/** The end of the period next to a moment: what is known of it are whole seconds from now, and it is the same for whoever asks. */
function endOfPeriod({ isRate, span, anchor }: LimitTerms, about: number): number {
  if (isRate || span === 0) return about;
  if (span !== null) return anchor + Math.round((about - anchor) / (span * 1000)) * span * 1000;
  const inMonth = new Date(about + 15 * 86_400_000);
  return Date.UTC(inMonth.getUTCFullYear(), inMonth.getUTCMonth());
}

const wordOf = ({ measure }: LimitTerms, count: number): string => {
  const word = { REQUESTS: 'request', ROWS: 'row', UNITS: 'cost unit' }[measure];
  return count === 1 ? word : `${word}s`;
};

function sentence(ways: string[]): string {
  const text = ways.length > 1 ? `${ways.slice(0, -1).join(', ')}, or ${ways.at(-1)}` : ways[0]!;
  return `${text[0]!.toUpperCase()}${text.slice(1)}.`;
}
