/** @jest-environment jsdom */
import { cleanup, render, screen, within } from '@testing-library/react';
import { answerOf, type Signature } from '../registry/signature.ts';
import { anomalyParts } from './anomaly-form.tsx';
import { AnomalyCards } from './anomaly-view.tsx';
import { EvaluationView, evaluationOf, headline } from './evaluation.tsx';
import { draftOf, valueOf, type FieldSchema } from './schema-draft.ts';

afterEach(cleanup);

const scores = { type: 'anomaly_detection', rows: 200, reported: 0.02, falseAlarmRate: 0.011, massVolume: 0.08, anomalies: 7, rocAuc: 0.9, prAuc: 0.31, precision: 0.5, recall: 0.285, f1: 0.363, cost: null };
const unlabelled = { ...scores, anomalies: null, rocAuc: null, prAuc: null, precision: null, recall: null, f1: null, falseAlarmRate: 0.02 };
const metrics = {
  test: scores,
  warnings: ['Few rows are held back.'],
  anomalies: {
    threshold: 3, falseAlarmRate: 0.0095, anomalousClass: 'yes',
    histogram: { edges: [0, 1, 2, 3, 4], usual: [100, 64, 9, 4], anomalous: [0, 0, 1, 5] },
    rows: [
      { row: 17, score: 9.5, isAnomaly: true, wasAnomaly: true, values: [{ name: 'torque', value: 76.6, contribution: 9.1 }, { name: 'mode', value: null, contribution: 0.4 }] },
      { row: 4, score: 3.2, isAnomaly: true, wasAnomaly: false, values: [{ name: 'torque', value: 60, contribution: 3 }] },
    ],
  },
};

it('says how good it is beside the baseline, with a label and without', () => {
  expect([headline(scores), headline(unlabelled)]).toEqual(['PR AUC 0.31', 'Mass volume 0.08']);
  const { unmount } = render(<EvaluationView evaluation={evaluationOf(scores)!} baseline={evaluationOf({ ...scores, prAuc: 0.035, rocAuc: 0.5 })} />);
  for (const text of ['0.31', 'baseline 0.035', '50.0 %', 'of 7 anomalies', '1.1 %']) expect(screen.getByText(text)).toBeTruthy();
  unmount();
  render(<EvaluationView evaluation={evaluationOf(unlabelled)!} baseline={null} />);
  expect(screen.queryByText('PR AUC')).toBeNull();
  expect(screen.getByText('2.0 %')).toBeTruthy();
});

it('draws the scores with the threshold where it lies, and anomalies on top of the others', () => {
  const { container } = render(<AnomalyCards name="Autoencoder" metrics={metrics} />);
  expect(screen.getByRole('img', { name: 'Scores from 0 to 4 and above; threshold 3, about 9 rows beyond it' })).toBeTruthy();
  expect(screen.getByTestId('threshold').getAttribute('x1')).toBe('75');
  const heights = (fill: string) => [...container.querySelectorAll(`rect.${fill}`)].map((bar) => Math.round(Number(bar.getAttribute('height')) * 10) / 10);
  expect(heights('fill-accent-400')).toEqual([38, 30.4, 11.4, 7.6]);
  expect(heights('fill-bad-700').map((height) => height > 0)).toEqual([false, false, true, true]);
  expect(screen.getByText('Few rows are held back.')).toBeTruthy();
});

it('lists the most unusual rows with what adds to their score and what they were', () => {
  render(<AnomalyCards name="Autoencoder" metrics={metrics} />);
  const cells = within(screen.getByRole('table')).getAllByRole('cell').map((cell) => cell.textContent);
  expect(cells).toEqual(['17', '9.5', 'Reported', 'Anomaly', 'torque 76.6 (9.1), mode missing (0.4)', '4', '3.2', 'Reported', 'normal', 'torque 60 (3)']);
});

it('is not there for a model of rows', () => {
  expect(render(<AnomalyCards name="Dense network" metrics={{ test: {} }} />).container.innerHTML).toBe('');
});

it('the form draws what an anomaly detection reads of the configuration, and no more', () => {
  const schema: FieldSchema = {
    properties: {
      anomaly: { properties: { falseAlarmRate: { type: 'number', default: 0.01 }, models: { type: 'array' } } },
      trainer: { properties: { epochs: { type: 'integer', default: 80 }, earlyStop: { anyOf: [{ properties: {} }, { type: 'null' }], default: null } } },
      split: { properties: { seed: { type: 'integer', default: 0 } } },
      selection: { properties: { metric: { enum: ['rmse', 'prAuc', 'massVolume'] }, costs: { properties: { missed: { type: 'number' } } }, maxTrials: { type: 'integer' } } },
    },
  };
  const parts = anomalyParts(schema);
  expect(parts.selection.properties!['metric']!.enum).toEqual(['prAuc', 'massVolume']);
  expect(Object.entries(parts).map(([name, part]) => [name, valueOf(part, draftOf(part))])).toEqual([
    ['anomaly', { falseAlarmRate: 0.01 }], ['trainer', { epochs: 80 }], ['split', { seed: 0 }], ['selection', {}],
  ]);
});

it('reads an answer, what adds most first', () => {
  const signature = { task: 'anomaly_detection', family: 'autoencoder', inputs: [], output: { name: 'score', type: 'number' }, anomaly: { threshold: 1, falseAlarmRate: 0.01, hasContributions: true } } satisfies Signature;
  expect(answerOf(signature, { score: 2, isAnomaly: true, contributions: { speed: 0.5, torque: 1.5 } })).toEqual({
    prediction: 2, probabilities: null, anomaly: { isAnomaly: true, contributions: [{ label: 'torque', value: 1.5 }, { label: 'speed', value: 0.5 }] },
  });
  expect(answerOf(signature, { score: 0.2, isAnomaly: false })).toMatchObject({ anomaly: { isAnomaly: false, contributions: null } });
  expect(answerOf(signature, 2)).not.toHaveProperty('anomaly');
});
