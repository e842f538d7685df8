import { checkOptimisation } from '@millrace/configuration';
import { applySteps } from './apply-steps.ts';
import { combinedSteps, firstSteps } from './candidate-steps.ts';
import { chooseAmong } from './choose.ts';
import { compareWith } from './comparison.ts';
import type { OptimiseOptions, OptimiseOutcome } from './outcome.ts';

/**
 * Makes a trained model smaller or faster, by given steps or by those that reach a target, and measures what that costs.
 *
 * Steps learn from the rows that the base learned from. A choice is made by rows that neither has seen: those that the base's
 * training held back, or else half of the rows to test on; and only among candidates that are shown to lose no more than is allowed
 * (see `boundLoss`). Test figures are of the others, and so is the interval. On the CPU backend the same arguments give the same
 * weights, bit for bit.
 */
export async function optimise(options: OptimiseOptions): Promise<OptimiseOutcome> {
  const { base, optimisation } = options;
  const { target, maxLoss } = optimisation;
  const problems = checkOptimisation(optimisation, { family: base.estimator.family, kind: 'plain', hasHeads: base.heads !== undefined, isKept: base.heads?.storage !== undefined });
  if (problems.length > 0) return { type: 'invalid', problems };
  const outcome = await compareWith({ ...options, chooses: target !== undefined || maxLoss !== undefined });
  if (outcome.type !== 'ready') return outcome;
  const { comparison } = outcome;
  const workbench = {
    base: comparison.base,
    chosenOn: comparison.parts.chosenOn,
    async attempt(steps: NonNullable<typeof optimisation.steps>) {
      const begun = performance.now();
      const made = await applySteps(base, steps, comparison.work);
      if (made.type !== 'made') return made;
      const candidate = await comparison.measure(made, steps, (performance.now() - begun) / 1000);
      return candidate ? ({ type: 'measured', candidate } as const) : ({ type: 'cancelled' } as const);
    },
  };
  return chooseAmong(workbench, {
    optimisation,
    first: target ? firstSteps(base, target) : [],
    combined: (paying) => combinedSteps(base, target!, paying),
    onEvent: options.onEvent,
  });
}
