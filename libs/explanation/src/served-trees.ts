import type { ValidatedRows } from '@millrace/packaging';

/** The trees behind an answer, read back from the served graph. */
export interface ServedTrees {
  /** Shapley values by input of the signature, the mean over the background rows, in the unit of the answer. @param output index of the class; 0 of a number */
  explain(row: ValidatedRows, background: ValidatedRows, output: number): Float64Array;
}
