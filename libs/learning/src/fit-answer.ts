import type { TrainingSpec } from '@millrace/configuration';
import { calibrate, fitCalibration } from './calibration.ts';
import { cheapestDecision, decide } from './decision.ts';
import type { FittedPipeline, FittedTarget } from './pipeline.ts';
import type { Scores } from './predict.ts';
import type { PreparedData } from './prepared-data.ts';

/** What is done with a model's probabilities before it answers. */
export type AnswerRule = Pick<Extract<FittedTarget, { classes: string[] }>, 'calibration' | 'decision'>;

/**
 * Learns from held-out answers how probabilities are to be corrected, and from which one on a row counts as positive: what
 * the configuration asks for of the two. First the correction, since the threshold is one of corrected probabilities.
 */
export function fitAnswer(data: PreparedData, { selection }: TrainingSpec, rows: Int32Array, scores: Scores): AnswerRule {
  const { target } = data;
  if (target.task === 'regression' || scores.type === 'values') return {};
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
  return pipeline.target.type === 'number' ? pipeline : { ...pipeline, target: { ...pipeline.target, ...rule } };
}
