import { budgetSeconds, type KeyActor } from '@millrace/auth';
import type { UsageLimit } from '@millrace/database';

export type UsageScope = UsageLimit['scope'];
export type UsageMeasure = UsageLimit['measure'];
export type UsagePeriod = UsageLimit['period'];

/** Whose limit it is, in the words of a refusal. */
export type LimitSource = 'key' | 'tenant' | 'model' | 'plan' | 'member';

/** A limit as a meter keeps it. */
export interface LimitTerms {
  /** of its account */
  id: string;
  source: LimitSource;
  /** id of the key or person, name of the endpoint; empty for the tenant and its plan */
  subject: string;
  measure: UsageMeasure | 'UNITS';
  /** what its window is called, such as `day` */
  period: string;
  most: number;
  /** comes back one by one, instead of all at once when a window begins */
  isRate: boolean;
  /** from here on the limit is said to come near */
  soft: number | null;
  raise: { by: number; until: number } | null;
  /** length of a window in seconds; null for calendar months (UTC), 0 for one that never ends */
  span: number | null;
  /** where windows of seconds begin to be counted, in milliseconds since 1970 */
  anchor: number;
}

const spans: Record<Exclude<UsagePeriod, 'RATE'>, number | null> = { MINUTE: 60, DAY: 86_400, MONTH: null };

export function termsOf(row: UsageLimit): LimitTerms {
  const { id, scope, subject, measure, period, limit, softLimit, raiseBy, raiseUntil } = row;
  return {
    id,
    source: scope.toLowerCase() as LimitSource,
    subject,
    measure,
    period: period === 'RATE' ? 'minute' : period.toLowerCase(),
    most: Number(limit),
    isRate: period === 'RATE',
    soft: softLimit === null ? null : Number(softLimit),
    raise: raiseUntil && { by: Number(raiseBy), until: raiseUntil.getTime() },
    span: period === 'RATE' ? 60 : spans[period],
    anchor: 0,
  };
}

/** The limit at a moment, with what it is raised by. */
export function mostAt({ most, raise }: Pick<LimitTerms, 'most' | 'raise'>, now: number): number {
  return raise !== null && now < raise.until ? most + raise.by : most;
}

/** A key's budget as a limit; null where it has none. */
export function budgetTerms({ keyId, budget }: KeyActor): LimitTerms | null {
  if (!budget) return null;
  const { max, soft, duration, since } = budget;
  return {
    id: `budget.${keyId}`,
    source: 'key',
    subject: keyId,
    measure: 'UNITS',
    period: duration ?? 'ever',
    most: Math.floor(max),
    isRate: false,
    soft,
    raise: null,
    span: duration === null ? 0 : budgetSeconds[duration]!,
    anchor: since.getTime(),
  };
}
