import type { SelectionMetric } from '@millrace/configuration';
import { type PreparedData, scoresToMetric } from '../prepared-data.ts';
import { scoresOf, signOf } from './evaluation.ts';

export interface EnsembleChoice {
  /** Above 0, adding up to 1; a candidate that is not listed does not take part. */
  weights: { at: number; weight: number }[];
  /** What it was judged by, on the scored rows. */
  score: number | null;
}

interface Judged {
  score: number | null;
  merit: number;
  loss(): number;
}

const labelMetrics = new Set<SelectionMetric>(['accuracy', 'balancedAccuracy', 'precision', 'recall', 'f1']);
const fewRows = 1000;

const mostSteps = 25;
const patience = 5;

/**
 * Weighs candidates by their out-of-fold predictions: greedy forward selection with replacement (Caruana et al. 2004).
 * It begins with the best and adds, step by step, whichever improves the blend most; of blends with equal scores the one
 * with the lower loss (log loss, or squared error) counts as better, since many metrics move in steps. Of fewer than
 * 1000 rows a step is so large that it is a matter of luck: there the loss alone stands for figures of labels.
 * @param mayGoOn asked before each step but the first: there may be no time for more
 * @param outOfFold per candidate, probabilities [rows, classes] or values [rows]
 */
export function selectEnsemble(data: PreparedData, rows: Int32Array, metric: SelectionMetric, outOfFold: readonly Float64Array[], mayGoOn: () => boolean = () => true): EnsembleChoice {
  const criterion = rows.length < fewRows && labelMetrics.has(metric) ? 'logLoss' : metric;
  const judge = (numbers: Float64Array): Judged => {
    const scores = scoresOf(data, numbers, rows.length);
    const score = scoresToMetric(data, rows, scores, criterion);
    return { score, merit: score === null ? -Infinity : signOf(criterion) * score, loss: () => scoresToMetric(data, rows, scores, data.target.task === 'classification' ? 'logLoss' : 'rmse')! };
  };
  const isBetter = (a: Judged, b: Judged) => a.merit > b.merit || (a.merit === b.merit && a.loss() < b.loss());

  const picks: number[] = [];
  let sum: Float64Array = new Float64Array(outOfFold[0]!.length);
  let best: { picks: number[]; judged: Judged } | null = null;
  for (let step = 0; step < mostSteps && step - (best?.picks.length ?? 0) < patience && (step === 0 || mayGoOn()); step++) {
    let chosen: { at: number; sum: Float64Array; judged: Judged } | null = null;
    for (const [at, own] of outOfFold.entries()) {
      const next = sum.map((value, cell) => value + own[cell]!);
      const judged = judge(next.map((value) => value / (step + 1)));
      if (!chosen || isBetter(judged, chosen.judged)) chosen = { at, sum: next, judged };
    }
    picks.push(chosen!.at);
    sum = chosen!.sum;
    if (!best || isBetter(chosen!.judged, best.judged)) best = { picks: [...picks], judged: chosen!.judged };
  }
  const counts = new Map<number, number>();
  for (const at of best!.picks) counts.set(at, (counts.get(at) ?? 0) + 1);
  return {
    weights: [...counts].map(([at, count]) => ({ at, weight: count / best!.picks.length })),
    score: best!.judged.score,
  };
}
