import type { Optimisation, OptimisationStep } from '@millrace/configuration';
import { defaultMaxLoss } from '@millrace/configuration';
import type { Problem } from '../table.ts';
import { lossComplaint } from './loss-complaint.ts';
import type { OptimisedCandidate, OptimiseEvent, OptimiseOptions, OptimiseOutcome } from './outcome.ts';

/** A model counts as faster only if it is by so much: two measurements of one model differ. */
const smallestGain = 0.05;

type Steps = OptimisationStep[];

/** A measured base, and how something is made of it and measured on the same rows. */
export interface Workbench<Model, Scores> {
  base: OptimisedCandidate<Model, Scores>;
  chosenOn: Extract<OptimiseOutcome, { type: 'optimised' }>['chosenOn'];
  /** Does steps to the base and measures what comes of it. */
  attempt(steps: Steps): Promise<{ type: 'measured'; candidate: OptimisedCandidate<Model, Scores> } | { type: 'failed'; problem: Problem } | { type: 'cancelled' }>;
}

interface Search {
  optimisation: Pick<Optimisation, 'steps' | 'target' | 'maxLoss'>;
  /** what a target is looked for among, at first */
  first: readonly Steps[];
  /** and then, by those of the first that paid */
  combined(paying: readonly Steps[]): Steps[];
  onEvent: OptimiseOptions['onEvent'];
}

/** Tries the steps, or what may reach the target, and says which is best of those that are shown to lose no more than is allowed. */
export async function chooseAmong<Model, Scores>({ base, chosenOn, attempt }: Workbench<Model, Scores>, { optimisation, first, combined, onEvent }: Search): Promise<OptimiseOutcome<Model, Scores>> {
  type Candidate = OptimisedCandidate<Model, Scores>;
  const { steps, target, maxLoss } = optimisation;
  const limit = maxLoss ?? (target ? defaultMaxLoss : Infinity);
  const emit = async (event: OptimiseEvent) => onEvent?.(event);
  const asked = steps ? [steps] : first;
  await emit({ type: 'started', candidates: asked.length });
  const candidates: Candidate[] = [];
  const failures: Problem[] = [];
  /** False when the pacer said stop. */
  const tryAll = async (all: readonly Steps[]): Promise<boolean> => {
    const count = candidates.length + failures.length + all.length;
    for (const own of all) {
      const candidate = candidates.length + failures.length;
      await emit({ type: 'candidate-started', candidate, candidates: count, steps: own });
      const made = await attempt(own);
      if (made.type === 'cancelled') return false;
      if (made.type === 'failed') {
        failures.push(made.problem);
        await emit({ type: 'candidate-failed', candidate, problem: made.problem });
        continue;
      }
      candidates.push(made.candidate);
      const { validationLoss, interval, appraisal: { sizeBytes, predTimeMsP50 }, fitTimeSeconds } = made.candidate;
      await emit({ type: 'candidate-finished', candidate, loss: validationLoss ?? interval?.loss ?? null, sizeBytes, predTimeMsP50, fitTimeSeconds });
    }
    return true;
  };
  const judge = (one: Candidate) => complaintOf(one, base, limit, target ?? null);
  if (!(await tryAll(asked))) return { type: 'cancelled' };
  if (target && !(await tryAll(combined(candidates.filter((one) => judge(one) === null).map((one) => one.steps))))) return { type: 'cancelled' };
  if (candidates.length === 0 && failures.length > 0) return { type: 'invalid', problems: failures };

  const figure = ({ appraisal }: Candidate) => (target === 'LATENCY' ? (appraisal.predTimeMsP50 ?? Infinity) : appraisal.sizeBytes);
  const fit = candidates.flatMap((candidate, index) => (judge(candidate) === null ? [index] : []));
  const best = fit.reduce<number | null>((least, index) => (least === null || figure(candidates[index]!) < figure(candidates[least]!) ? index : least), null);
  candidates.forEach((candidate, index) => {
    const reason = judge(candidate) ?? (index === best ? null : target === 'LATENCY' ? 'Another one within the greatest loss is faster.' : 'Another one within the greatest loss is smaller.');
    if (reason) candidate.reason = reason;
  });
  return { type: 'optimised', base, candidates, best, chosenOn };
}

type Judged = Parameters<typeof lossComplaint>[0] & Pick<OptimisedCandidate, 'appraisal'>;

/** Why a candidate is no choice; null where it is one. */
function complaintOf(candidate: Judged, base: Pick<Judged, 'appraisal'>, limit: number, target: 'SIZE' | 'LATENCY' | null): string | null {
  const { appraisal } = candidate;
  const tooGreat = limit === Infinity ? null : lossComplaint(candidate, limit);
  if (tooGreat) return tooGreat;
  if (target === 'SIZE' && appraisal.sizeBytes >= base.appraisal.sizeBytes) return 'It is not smaller than the base.';
  if (target === 'LATENCY' && !((appraisal.predTimeMsP50 ?? Infinity) <= (base.appraisal.predTimeMsP50 ?? 0) * (1 - smallestGain))) return 'It is not faster than the base.';
  return null;
}
