import type { AnomalyMetric } from '@millrace/configuration';
import type { Costs } from '../decision.ts';
import { areaUnderRoc, averagePrecision } from '../ranking-areas.ts';

/** How good scores and threshold are on rows that took no part in learning. What needs a label is null without one. */
export interface AnomalyMetrics {
  type: 'anomaly_detection';
  rows: number;
  /** share of the rows that are reported */
  reported: number;
  /** share of the normal rows that are; without a label, of all rows */
  falseAlarmRate: number | null;
  massVolume: number;
  /** rows that the label calls anomalies */
  anomalies: number | null;
  rocAuc: number | null;
  prAuc: number | null;
  /** of the rows reported, those that are anomalies; null where none is reported */
  precision: number | null;
  recall: number | null;
  f1: number | null;
  /** mean cost of a labelled row, where costs are given */
  cost: number | null;
}

/** @param labels by score: 1 for an anomaly, 0 for a normal row, -1 where nobody knows; null where there is no label */
export function scoreAnomalies(scores: Float64Array, threshold: number, labels: Int8Array | null, massVolume: number, costs: Costs | null): AnomalyMetrics {
  const reported = scores.filter((score) => score > threshold).length;
  const common = { type: 'anomaly_detection' as const, rows: scores.length, reported: shareOf(reported, scores.length) ?? 0, massVolume };
  if (!labels) {
    return { ...common, falseAlarmRate: common.reported, anomalies: null, rocAuc: null, prAuc: null, precision: null, recall: null, f1: null, cost: null };
  }
  const known = scores.filter((_, row) => labels[row]! >= 0);
  const truth = labels.filter((label) => label >= 0);
  const isAnomaly = (row: number) => truth[row] === 1;
  const anomalies = truth.filter((label) => label === 1).length;
  const hits = known.filter((score, row) => score > threshold && isAnomaly(row)).length;
  const falseAlarms = known.filter((score, row) => score > threshold && !isAnomaly(row)).length;
  const misses = anomalies - hits;
  return {
    ...common,
    falseAlarmRate: shareOf(falseAlarms, truth.length - anomalies),
    anomalies,
    rocAuc: areaUnderRoc(known, isAnomaly),
    prAuc: averagePrecision(known, isAnomaly),
    precision: shareOf(hits, hits + falseAlarms),
    recall: shareOf(hits, anomalies),
    f1: shareOf(2 * hits, 2 * hits + falseAlarms + misses),
    cost: costs && truth.length > 0 ? (misses * costs.missed + falseAlarms * costs.falseAlarm) / truth.length : null,
  };
}

const shareOf = (part: number, whole: number): number | null => (whole > 0 ? part / whole : null);

/** The higher, the better; an undefined figure loses to every other. */
export function meritOf(metrics: AnomalyMetrics, metric: AnomalyMetric): number {
  const value = metrics[metric];
  if (value === null) return -Infinity;
  return metric === 'massVolume' || metric === 'cost' ? -value : value;
}
