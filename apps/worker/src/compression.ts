import { defaultMaxLoss, type OptimisationStep } from '@millrace/configuration';
import { type Appraisal, type CompressOutcome, type LossBound, type LossInterval, type Metrics, metricValue } from '@millrace/learning';
import { findingsOf, type OptimisationFinding } from '@millrace/registry';
import type { Candidate, TrainedRun } from './publish-run.ts';
import type { Surroundings } from './surroundings.ts';
import type { TrainerJob } from './trainer-protocol.ts';

/** How a compressed model compares with the uncompressed one, as the leaderboard and the version keep it. */
export interface CompressionReport {
  /** number of the uncompressed model in the leaderboard */
  of: number;
  steps: OptimisationStep[];
  /** points that it may lose */
  maxLoss: number;
  loss: LossInterval | null;
  bound: LossBound | null;
  score: number | null;
  uncompressedScore: number | null;
  cost: Appraisal | null;
  uncompressedCost: Appraisal | null;
  /** whether it became the version */
  kept: boolean;
  /** why it did not */
  warning: { message: string; remedy: string } | null;
  /** what is to be known of it where it did */
  findings: OptimisationFinding[];
}

/**
 * Compresses what a run has chosen, which then has one candidate more. It becomes the version if it is within the declared loss and
 * the gate of its model; else the run's choice stays, and the report says why.
 */
export async function compressChosen<Model>(
  { spec, gate }: TrainerJob, run: TrainedRun<Model>, compress: NonNullable<TrainedRun<Model>['compress']>, { send, stopWhenPaused }: Pick<Surroundings, 'send' | 'stopWhenPaused'>,
): Promise<TrainedRun<Model> | 'cancelled'> {
  stopWhenPaused();
  const { candidates, best } = run;
  const chosen = candidates[best]!;
  await send({ type: 'trial-started', trial: chosen.number, trials: candidates.length + 1, family: chosen.family });
  const maxLoss = Math.min(spec.compress?.maxLoss ?? gate?.optimisedAtMostWorse ?? defaultMaxLoss, gate?.optimisedAtMostWorse ?? Infinity);
  const outcome = await compress(chosen, maxLoss);
  if (outcome.type === 'cancelled') return 'cancelled';
  const withReport = (compression: CompressionReport) => candidates.map((candidate, index) => (index === best ? { ...candidate, compression } : candidate));
  if (outcome.type === 'unfit') {
    const { message, remedy } = outcome.problem;
    const nothing = { steps: [], loss: null, bound: null, score: null, uncompressedScore: null, cost: null, uncompressedCost: null };
    return { ...run, candidates: withReport({ of: chosen.number, maxLoss, ...nothing, kept: false, warning: warningOf(message, remedy), findings: [] }) };
  }
  const { base, compressed: { steps, metrics, interval, bound, appraisal }, complaint } = outcome;
  const refusal = complaint ?? belowChampion(metrics.test, gate?.champion ?? null);
  const score = (of: { test: object }) => metricValue(of.test as Metrics, run.selectionMetric);
  const compression: CompressionReport = {
    of: chosen.number, steps, maxLoss, loss: interval, bound, score: score(metrics), uncompressedScore: score(base.metrics), cost: appraisal, uncompressedCost: base.appraisal,
    kept: refusal === null,
    warning: refusal === null ? null : warningOf(refusal, 'Compress less, allow a greater maxLoss, or train with more rows to test on.'),
    findings: refusal === null ? findingsOf({ cost: appraisal, parentCost: base.appraisal }) : [],
  };
  const made: Candidate<Model> = { ...compressedCandidate(run, outcome), compression };
  return compression.kept ? { ...run, candidates: [...candidates, made], best: candidates.length } : { ...run, candidates: [...withReport(compression), made] };
}

/** Stands after all others in the leaderboard. */
function compressedCandidate<Model>({ candidates, best, others = [], shownOf }: TrainedRun<Model>, { compressed }: Extract<CompressOutcome<Model, object>, { type: 'compressed' }>): Candidate<Model> {
  const { steps, model, metrics, fitTimeSeconds, details, appraisal } = compressed;
  const { family, parameters, metrics: { baseline }, lineage = {} } = candidates[best]!;
  return {
    number: Math.max(...[...candidates, ...others].map(({ number }) => number)) + 1,
    family, parameters: { ...parameters, compressed: steps.map(({ method }) => method) },
    model, metrics: { ...metrics, ...(baseline ? { baseline } : {}) }, fitTimeSeconds, cost: appraisal, lineage, ...(shownOf ? { shown: shownOf(model, details) } : {}),
  };
}

const warningOf = (message: string, remedy: string) => ({ message: `The version is the uncompressed model. ${message}`, remedy });

/** The gate that holds for every version of a model. */
function belowChampion(metrics: object, champion: NonNullable<TrainerJob['gate']>['champion']): string | null {
  if (!champion) return null;
  const { metric, score, atMostWorse, isError } = champion;
  const value = (metrics as Record<string, unknown>)[metric];
  if (typeof value !== 'number') return `It has no ${metric}, which the gate of its model asks for.`;
  const worse = isError ? value - score : score - value;
  return worse <= atMostWorse + 1e-12 ? null : `Its ${metric} is ${value}, that of the champion ${score}; at most ${atMostWorse} worse is allowed.`;
}

/** A finding as an event of the run. */
export const findingNote = (finding: OptimisationFinding) => ({ type: 'optimisation-finding', data: { ...finding } });

/** For the events of the run. */
export function notesOf(report: CompressionReport): { type: string; data: { message: string; remedy?: string; code?: string } }[] {
  const { kept, warning, steps, loss, maxLoss, findings } = report;
  if (warning) return [{ type: 'not-compressed', data: { ...warning } }];
  const points = loss && Number(Math.abs(loss.loss).toPrecision(3));
  const lost = loss === null ? '' : `, ${points} points ${loss.loss < 0 ? 'better' : 'worse'} where ${maxLoss} may be lost`;
  return [{ type: kept ? 'compressed' : 'not-compressed', data: { message: `The version is the compressed model: ${steps.map(({ method }) => method).join(', ')}${lost}.` } }, ...findings.map(findingNote)];
}
