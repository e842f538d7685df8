import { rowsForLoss } from './loss-bound.ts';
import type { OptimisedCandidate } from './outcome.ts';

type Lossy = Pick<OptimisedCandidate, 'validationLoss' | 'validationBound' | 'interval' | 'bound'>;

/**
 * Why a candidate is not shown to lose at most so many points, in words: by the rows that the choice is made by, or where none
 * are, by those of the test. Null where it is shown.
 */
export function lossComplaint({ validationLoss, validationBound, interval, bound }: Lossy, limit: number): string | null {
  const [loss, own] = validationBound ? [validationLoss, validationBound] : [interval?.loss ?? null, bound];
  if (loss === null || !own) return 'Its loss is undefined on the rows that it is chosen by.';
  if (own.atMost !== null && own.atMost <= limit + 1e-9) return null;
  if (loss > limit) return `It is ${loss.toFixed(2)} points worse; at most ${limit} are allowed.`;
  const enough = rowsForLoss(limit);
  const remedy = enough === null ? '' : `; some ${enough} rows without a new error would show it`;
  const most = own.atMost === null ? '' : ` It may be up to ${own.atMost.toFixed(2)} worse, where at most ${limit} are allowed.`;
  return `It is ${loss.toFixed(2)} points worse, but ${own.atMost === null ? 'there are too few rows to say more' : 'that is not certain enough'}.${most} It answers ${own.differing} rows otherwise than the base${remedy}.`;
}
