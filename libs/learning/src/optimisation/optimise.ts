import type { OptimiseOptions, OptimiseOutcome } from './outcome.ts';

/** Makes a trained model smaller or faster, by given steps or by those that reach a target, and measures what that costs. */
export async function optimise(_options: OptimiseOptions): Promise<OptimiseOutcome> {
  throw new Error('Not written yet');
}
