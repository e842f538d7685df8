import type { TrainingSpec } from '@millrace/configuration';
import type { Pacer } from '../pacer.ts';
import type { FittedFeature } from '../pipeline.ts';
import type { Table } from '../table.ts';
import { type AnomalyMetrics, scoreAnomalies } from './anomaly-metrics.ts';
import { type AnomalyReport, reportOf } from './anomaly-report.ts';
import type { FittedDetector, FittedScorer } from './detector.ts';
import { drawReference, massVolume } from './mass-volume.ts';
import type { AnomalyData } from './prepare-anomaly.ts';
import { scoreTable } from './score-anomalies.ts';
import { cheapestThreshold, conformalThreshold } from './threshold.ts';

/** A detector with its threshold, and how good it is. */
export interface JudgedDetector {
  detector: FittedDetector;
  validation: AnomalyMetrics;
  test: AnomalyMetrics;
  report: AnomalyReport;
  /** of the rows that models are chosen by, of the test rows, and of those that volumes are measured by */
  scores: { choosing: Float64Array; test: Float64Array; reference: Float64Array };
}

/** Sets thresholds and scores models, all on the same rows. The judge answers null when the pacer said stop. */
export async function createJudge(table: Table, spec: TrainingSpec, features: FittedFeature[], data: AnomalyData, pacer: Pacer): Promise<(scorer: FittedScorer) => Promise<JudgedDetector | null>> {
  const { split: { validation, test }, choosing, calibration, labels } = data;
  const { falseAlarmRate, contamination, learnFrom } = spec.anomaly!;
  const { costs = null } = spec.selection;
  const reference = drawReference(table, features, calibration, spec.split.seed);
  const everyReference = Int32Array.from({ length: reference.rows }, (_, row) => row);
  const labelsOf = (rows: Int32Array) => labels && Int8Array.from(rows, (row) => labels[row]!);
  const chosenBy = new Set(choosing);
  const isKept = (row: number) => learnFrom === 'all' || labels![row] === 0;

  return async (scorer) => {
    const [held, tested, drawn] = [
      await scoreTable(scorer, features, table, validation, pacer), await scoreTable(scorer, features, table, test, pacer),
      await scoreTable(scorer, features, reference, everyReference, pacer),
    ];
    if (!held || !tested || !drawn) return null;
    const scoreOf = new Map(Array.from(validation, (row, at) => [row, held.scores[at]!]));
    const scoresOf = (rows: Int32Array) => Float64Array.from(rows, (row) => scoreOf.get(row)!);
    const setting = data.isApart ? validation.filter((row) => !chosenBy.has(row)) : validation;
    const known = setting.filter((row) => labels !== null && labels[row]! >= 0);
    const rule = costs && known.length > 0
      ? cheapestThreshold(scoresOf(known), (at) => labels![known[at]!] === 1, costs)
      : conformalThreshold(scoresOf(calibration), falseAlarmRate, contamination);
    const metricsOf = (scores: Float64Array, rows: Int32Array) =>
      scoreAnomalies(scores, rule.threshold, labelsOf(rows), massVolume(scores.filter((_, at) => isKept(rows[at]!)), drawn.scores), costs);
    return {
      detector: { features, scorer, ...rule },
      validation: metricsOf(scoresOf(choosing), choosing),
      test: metricsOf(tested.scores, test),
      report: reportOf(table, features, test, tested, rule.threshold, labels),
      scores: { choosing: scoresOf(choosing), test: tested.scores, reference: drawn.scores },
    };
  };
}
