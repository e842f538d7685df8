import type { TrainingSpec } from '@millrace/configuration';
import { calibrate, fitCalibration } from './calibration.ts';
import { conformalInterval } from './conformal-interval.ts';
import { cheapestDecision, decide } from './decision.ts';
import type { FittedPipeline, FittedTarget } from './pipeline.ts';
import type { Scores } from './predict.ts';
import type { PreparedData } from './prepared-data.ts';

/** What is done with a model's probabilities before it answers, and how sure its numbers are. */
export type AnswerRule = Pick<Extract<FittedTarget, { classes: string[] }>, 'calibration' | 'decision'> & Pick<Extract<FittedTarget, { type: 'number' }>, 'interval'>;

/**
 * Learns from held-out answers how probabilities are to be corrected, and from which one on a row counts as positive: what
 * the configuration asks for of the two. First the correction, since the threshold is one of corrected probabilities.
 */
export function fitAnswer(data: PreparedData, { selection }: TrainingSpec, rows: Int32Array, scores: Scores): AnswerRule {
  const { target } = data;
  if (target.task === 'regression' || scores.type === 'values') {
    if (selection.intervalCoverage === undefined || scores.type !== 'values') return {};
    return { interval: conformalInterval(Float64Array.from(rows, (row) => data.truth[row]!), scores.predicted, selection.intervalCoverage) };
  }
  const actual = Int32Array.from(rows, (row) => data.truth[row]!);
  const { calibration: kind = 'none', costs } = selection;
  const calibration = kind === 'none' ? null : fitCalibration(kind, actual, scores.probabilities, target.classes.length);
  const corrected = calibration ? calibrate(scores, calibration) : scores;
  if (!costs || target.positiveClass === null || corrected.type === 'values') return calibration ? { calibration } : {};
  const { positive, threshold } = cheapestDecision(actual, corrected.probabilities, target.classes.indexOf(target.positiveClass), costs);
  return { ...(calibration ? { calibration } : {}), decision: { positive, threshold } };
}

/** The answers of a model with such a rule. */
export function applyAnswer(scores: Scores, { calibration, decision }: AnswerRule): Scores {
  const corrected = calibration ? calibrate(scores, calibration) : scores;
  return decision ? decide(corrected, decision) : corrected;
}

export function withAnswer(pipeline: FittedPipeline, rule: AnswerRule): FittedPipeline {
  const { interval, ...classRule } = rule;
  if (pipeline.target.type === 'number') return interval ? { ...pipeline, target: { ...pipeline.target, interval } } : pipeline;
  return { ...pipeline, target: { ...pipeline.target, ...classRule } };
}
