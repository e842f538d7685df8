import { formatNumber, words } from '../../design/format.ts';
import type { RollbackMetric, ThresholdOperator } from '../../gql/graphql.ts';

/** Of which less is better; all other scores are better when they are higher. */
const errors: readonly RollbackMetric[] = ['RMSE', 'MAE', 'LOG_LOSS', 'BRIER', 'MAE_OBSERVED'];

/** What a score must be, in words, so as not to roll a version back. */
export const boundOf = (metric: RollbackMetric): 'at least' | 'at most' => (errors.includes(metric) ? 'at most' : 'at least');

const operators: Record<ThresholdOperator, string> = { ABOVE: 'above', AT_LEAST: 'at least', BELOW: 'below', AT_MOST: 'at most' };

/** When a rule rolls back: `accuracy below 0.9`. */
export const ruleInWords = ({ metric, op, threshold }: { metric: RollbackMetric; op: ThresholdOperator; threshold: number }): string =>
  `${words(metric).toLowerCase()} ${operators[op]} ${formatNumber(threshold)}${metric === 'REFUSED_RATE' ? ' more than before' : ''}`;
