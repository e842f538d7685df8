import { checkOptimisation, defaultMaxLoss, type OptimisationStep } from '@millrace/configuration';
import type { Problem } from '../table.ts';
import { applySteps } from './apply-steps.ts';
import { combinedSteps, firstSteps } from './candidate-steps.ts';
import { compareWith } from './comparison.ts';
import { lossComplaint } from './loss-complaint.ts';
import type { OptimisedCandidate, OptimiseEvent, OptimiseOptions, OptimiseOutcome } from './outcome.ts';

/** A model counts as faster only if it is by so much: two measurements of one model differ. */
const smallestGain = 0.05;

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
  const { steps, target, maxLoss } = optimisation;
  const problems = checkOptimisation(optimisation, { family: base.estimator.family, kind: 'plain', hasHeads: base.heads !== undefined });
  if (problems.length > 0) return { type: 'invalid', problems };
  const outcome = await compareWith({ ...options, chooses: target !== undefined || maxLoss !== undefined });
  if (outcome.type !== 'ready') return outcome;
  const { comparison } = outcome;
  const limit = maxLoss ?? (target ? defaultMaxLoss : Infinity);
  const emit = async (event: OptimiseEvent) => options.onEvent?.(event);

  const first = steps ? [steps] : firstSteps(base, target!);
  await emit({ type: 'started', backend: comparison.backend, candidates: first.length });
  const candidates: OptimisedCandidate[] = [];
  const failures: Problem[] = [];
  /** False when the pacer said stop. */
  const tryAll = async (all: OptimisationStep[][]): Promise<boolean> => {
    const count = candidates.length + failures.length + all.length;
    for (const own of all) {
      const candidate = candidates.length + failures.length;
      await emit({ type: 'candidate-started', candidate, candidates: count, steps: own });
      const begun = performance.now();
      const made = await applySteps(base, own, comparison.work);
      if (made.type === 'failed') {
        failures.push(made.problem);
        await emit({ type: 'candidate-failed', candidate, problem: made.problem });
        continue;
      }
      const measured = made.type === 'made' ? await comparison.measure(made, own, (performance.now() - begun) / 1000) : null;
      if (!measured) return false;
      candidates.push(measured);
      const { validationLoss, interval, appraisal: { sizeBytes, predTimeMsP50 }, fitTimeSeconds } = measured;
      await emit({ type: 'candidate-finished', candidate, loss: validationLoss ?? interval?.loss ?? null, sizeBytes, predTimeMsP50, fitTimeSeconds });
    }
    return true;
  };
  const judge = (one: OptimisedCandidate) => complaintOf(one, comparison.base, limit, target ?? null);
  if (!(await tryAll(first))) return { type: 'cancelled' };
  if (target && !(await tryAll(combinedSteps(base, target, candidates.filter((one) => judge(one) === null).map((one) => one.steps))))) return { type: 'cancelled' };
  if (candidates.length === 0 && failures.length > 0) return { type: 'invalid', problems: failures };

  const figure = ({ appraisal }: OptimisedCandidate) => (target === 'LATENCY' ? (appraisal.predTimeMsP50 ?? Infinity) : appraisal.sizeBytes);
  const fit = candidates.flatMap((candidate, index) => (judge(candidate) === null ? [index] : []));
  const best = fit.reduce<number | null>((least, index) => (least === null || figure(candidates[index]!) < figure(candidates[least]!) ? index : least), null);
  candidates.forEach((candidate, index) => {
    const reason = judge(candidate) ?? (index === best ? null : target === 'LATENCY' ? 'Another one within the greatest loss is faster.' : 'Another one within the greatest loss is smaller.');
    if (reason) candidate.reason = reason;
  });
  return { type: 'optimised', base: comparison.base, candidates, best, chosenOn: comparison.parts.chosenOn };
}

/** Why a candidate is no choice; null where it is one. */
function complaintOf(candidate: OptimisedCandidate, base: OptimisedCandidate, limit: number, target: 'SIZE' | 'LATENCY' | null): string | null {
  const { appraisal } = candidate;
  const tooGreat = limit === Infinity ? null : lossComplaint(candidate, limit);
  if (tooGreat) return tooGreat;
  if (target === 'SIZE' && appraisal.sizeBytes >= base.appraisal.sizeBytes) return 'It is not smaller than the base.';
  if (target === 'LATENCY' && !((appraisal.predTimeMsP50 ?? Infinity) <= (base.appraisal.predTimeMsP50 ?? 0) * (1 - smallestGain))) return 'It is not faster than the base.';
  return null;
}
