import { DomainError } from '@millrace/kernel';

/** Says of a part that it does not fit, unless it holds. */
export type EnsureFit = (holds: boolean, field: string, complaint: string) => asserts holds;

/**
 * For what a trainer hands over: a part that does not fit is a bug of the trainer, so this throws (`INVALID`) and names the part.
 * @param what is to be packaged
 */
export function ensureFitOf(what: string): EnsureFit {
  return (holds, field, complaint) => {
    if (holds) return;
    throw new DomainError('INVALID', `The ${what} cannot be packaged: ${field} ${complaint}.`, {
      field,
      remedy: 'Train again; if it comes back, report the training configuration.',
    });
  };
}

/** Of pipelines, whose parts check themselves. */
export const ensurePipeline: EnsureFit = ensureFitOf('fitted pipeline');
