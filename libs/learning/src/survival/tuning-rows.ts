import type { TrainingSpec } from '@millrace/configuration';
import { type SplitBy, splitRows } from '../split.ts';
import type { SurvivalData } from './survival-data.ts';

/** Ends among the training rows from which on some of these tune, instead of the validation rows. */
const fewestEnds = 2000;

/**
 * Training rows divided into those to learn from and those that say when trees are to stop, so that the validation rows only
 * compare: as the split divides them. Null where there are too few ends to spare any.
 */
export function tuningRows({ data, observed }: Pick<SurvivalData, 'data' | 'observed'>, spec: Pick<TrainingSpec, 'split'>, fewest = fewestEnds): { rows: Int32Array; heldBack: Int32Array } | null {
  const { train } = data.split;
  const isEnd = Int32Array.from(train, (row) => observed[row]!);
  if (isEnd.reduce((sum, end) => sum + end, 0) < fewest) return null;
  const keys = data.apart && Int32Array.from(train, (row) => data.apart!.keys[row]!);
  const by: SplitBy | undefined = keys ? (data.apart!.by === 'group' ? { type: 'grouped', groups: keys } : { type: 'time', ranks: keys }) : undefined;
  const { train: rows, test: heldBack } = splitRows({
    rows: train, strata: by ? null : isEnd, trainFraction: 1 - spec.split.validationFraction, validationFraction: 0, seed: spec.split.seed, by,
  });
  return rows.length > 0 && heldBack.length > 0 ? { rows, heldBack } : null;
}
