import { splitColumnOf, splitTypeOf, type TrainingSpec } from '@millrace/configuration';
import { splitByOf } from '../split-keys.ts';
import { type Split, splitRows } from '../split.ts';
import { categoryAt, findColumn, type Problem, type Table } from '../table.ts';

/** Rows divided for an anomaly detection. */
export interface AnomalyData {
  type: 'prepared';
  /** Row numbers. `train` holds what may be learned from, `validation` and `test` all rows of their part. */
  split: Split;
  /** of the validation rows, those that models are chosen by */
  choosing: Int32Array;
  /** of the validation rows, those that the threshold is set on */
  calibration: Int32Array;
  /** whether these are others than those that models are chosen by */
  isApart: boolean;
  /** by row of the table: 1 for an anomaly, 0 for a normal row, -1 where the label is missing; null without a label */
  labels: Int8Array | null;
  anomalousClass: string | null;
  dropped: number;
}

/** So many rows above the threshold are to be expected among the validation rows before they are divided. */
const mostShared = 100;

export function prepareAnomalyData(table: Table, spec: TrainingSpec): AnomalyData | { type: 'invalid'; problems: Problem[] } {
  const output = spec.outputFeatures[0];
  const { learnFrom } = spec.anomaly!;
  const anomalousClass = output ? (output.positiveClass ?? rarerValue(table, output.name)) : null;
  const labelColumn = output ? findColumn(table, output.name)! : null;
  const labels = labelColumn && Int8Array.from({ length: table.rows }, (_, row) => {
    const value = categoryAt(labelColumn, row);
    return value === null ? -1 : Number(value === anomalousClass);
  });
  const splitColumnName = splitColumnOf(spec);
  const splitColumn = splitColumnName === null ? null : findColumn(table, splitColumnName)!;
  const rows = Int32Array.from({ length: table.rows }, (_, row) => row).filter((row) => !splitColumn || categoryAt(splitColumn, row) !== null);
  const isStratified = labels !== null && ['stratified', 'fold'].includes(splitTypeOf(spec));
  const split = splitRows({
    rows,
    strata: isStratified ? Int32Array.from(rows, (row) => labels[row]! + 1) : null,
    trainFraction: spec.split.trainFraction,
    validationFraction: spec.split.validationFraction,
    seed: spec.split.seed,
    by: splitColumn ? splitByOf(splitColumn, rows, spec) : undefined,
  });
  const usable = (part: Int32Array) => (learnFrom === 'normal' ? part.filter((row) => labels![row] === 0) : part);
  const isApart = spec.anomaly!.models.length > 1 && usable(split.validation).length * spec.anomaly!.falseAlarmRate >= mostShared;
  const halves = isApart
    ? splitRows({
        rows: split.validation,
        strata: isStratified ? Int32Array.from(split.validation, (row) => labels[row]! + 1) : null,
        trainFraction: 0.5,
        validationFraction: 0,
        seed: spec.split.seed,
        by: splitColumn && splitTypeOf(spec) !== 'fold' ? splitByOf(splitColumn, split.validation, spec) : undefined,
      })
    : { train: split.validation, test: split.validation };
  const prepared: AnomalyData = {
    type: 'prepared',
    split: { ...split, train: usable(split.train) },
    choosing: halves.train,
    calibration: usable(halves.test),
    isApart,
    labels,
    anomalousClass,
    dropped: table.rows - rows.length,
  };
  const parts = { training: prepared.split.train, validation: prepared.calibration, test: split.test };
  const empty = Object.entries(parts).find(([, part]) => part.length === 0);
  if (!empty) return prepared;
  const problem = splitColumn
    ? { field: 'split.column', message: `"${splitColumn.name}" leaves no ${empty[0]} row.`, remedy: 'Split by another column or fold, or add rows.' }
    : { field: 'anomaly.learnFrom', message: `There is no ${empty[0]} row that the label calls normal.`, remedy: 'Learn from all rows, or add rows with a label.' };
  return { type: 'invalid', problems: [problem] };
}

/** Of two equally frequent values the later one, as for a target. */
function rarerValue(table: Table, name: string): string {
  const column = findColumn(table, name)!;
  const counts = new Map<string, number>();
  for (let row = 0; row < table.rows; row++) {
    const value = categoryAt(column, row);
    if (value !== null) counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return [...counts].sort(([a, left], [b, right]) => left - right || (a < b ? 1 : -1))[0]![0];
}
