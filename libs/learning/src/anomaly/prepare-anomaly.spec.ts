import { parseTrainingSpec, type TrainingSpec } from '@millrace/configuration';
import type { Table } from '../table.ts';
import { type AnomalyData, prepareAnomalyData } from './prepare-anomaly.ts';

const rows = 20_000;
const table: Table = {
  rows,
  columns: [
    { name: 'x', type: 'number', values: Float64Array.from({ length: rows }, (_, row) => row) },
    { name: 'shift', type: 'number', values: Float64Array.from({ length: rows }, (_, row) => row % 97) },
  ],
};

function prepared(anomaly: object, rest: object = {}): AnomalyData {
  const parsed = parseTrainingSpec({ inputFeatures: [{ name: 'x', type: 'number' }], outputFeatures: [], anomaly, ...rest });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  const data = prepareAnomalyData(table, parsed.spec as TrainingSpec);
  if (data.type === 'invalid') throw new Error(JSON.stringify(data.problems));
  return data;
}

const two = [{ family: 'robust_z_score' }, { family: 'isolation_forest' }];

test('with enough validation rows some choose and others set the threshold, whole groups of them where the split has groups', () => {
  const { choosing, calibration, split, isApart } = prepared({ falseAlarmRate: 0.05, models: two });
  expect(isApart).toBe(true);
  expect([...choosing, ...calibration].sort((a, b) => a - b)).toEqual([...split.validation]);
  expect(choosing.length).toBe(calibration.length);
  const grouped = prepared({ falseAlarmRate: 0.05, models: two }, { split: { type: 'grouped', column: 'shift' } });
  const shifts = new Set(grouped.choosing.map((row) => row % 97));
  expect([...grouped.calibration].filter((row) => shifts.has(row % 97))).toEqual([]);
});

test('with too few, or nothing to choose from, the same rows do both', () => {
  for (const anomaly of [{ falseAlarmRate: 0.01, models: two }, { falseAlarmRate: 0.05, models: two.slice(1) }]) {
    const { choosing, calibration, split, isApart } = prepared(anomaly);
    expect([isApart, choosing, calibration]).toEqual([false, split.validation, split.validation]);
  }
});
