import type { SelectionMetric, TrainingSpec } from './training-spec.ts';

export type Task = 'classification' | 'regression' | 'forecasting' | 'survival' | 'anomaly_detection' | 'recommendation';

export function taskOf(spec: TrainingSpec): Task {
  if (spec.forecast) return 'forecasting';
  if (spec.recommendation) return 'recommendation';
  if (spec.survival) return 'survival';
  if (spec.anomaly) return 'anomaly_detection';
  return spec.outputFeatures[0]!.type === 'number' ? 'regression' : 'classification';
}

/** What the best model is best at. */
export function selectionMetricOf(spec: TrainingSpec): SelectionMetric {
  const { metric, costs } = spec.selection;
  const usual = {
    classification: 'f1', regression: 'rmse', forecasting: 'mase', survival: 'integratedBrier', anomaly_detection: spec.outputFeatures.length > 0 ? 'prAuc' : 'massVolume',
    recommendation: spec.recommendation?.feedback === 'explicit' ? 'rmse' : 'ndcg',
  } as const;
  return metric ?? (costs ? 'cost' : usual[taskOf(spec)]);
}
