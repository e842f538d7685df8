import { metricValue, scoreClassification, scoreOneMetric, scoreRegression } from './metrics.ts';

/** Scores with probability 1 for the predicted class. */
function scoreLabels(classes: string[], actual: number[], predicted: number[], positiveClass: string | null = null) {
  return scoreClassification({
    classes, positiveClass,
    actual: Int32Array.from(actual),
    predicted: Int32Array.from(predicted),
    probabilities: predicted.flatMap((index) => classes.map((_, at) => (at === index ? 1 : 0))),
  });
}

// The expected figures of the next six tests are the worked examples in the documentation of scikit-learn's metrics.

test('the confusion matrix has a row per true and a column per predicted class', () => {
  const metrics = scoreLabels(['a', 'b', 'c'], [2, 0, 2, 2, 0, 1], [0, 0, 2, 2, 0, 2]);
  expect(metrics.confusionMatrix).toEqual({ labels: ['a', 'b', 'c'], counts: [[2, 0, 0], [0, 0, 1], [1, 0, 2]] });
});

test('macro precision, recall and F1 match known values', () => {
  const { macro, f1, accuracy } = scoreLabels(['a', 'b', 'c'], [0, 1, 2, 0, 1, 2], [0, 2, 1, 0, 0, 1]);
  expect(macro.precision).toBeCloseTo(0.2222, 4);
  expect(macro.recall).toBeCloseTo(0.3333, 4);
  expect(macro.f1).toBeCloseTo(0.2667, 4);
  expect(f1).toBe(macro.f1);
  expect(accuracy).toBeCloseTo(2 / 6, 12);
});

test('balanced accuracy matches a known value', () => {
  expect(scoreLabels(['0', '1'], [0, 1, 0, 0, 1, 0], [0, 1, 0, 0, 0, 1]).balancedAccuracy).toBeCloseTo(0.625, 12);
});

test('log loss matches a known value', () => {
  const metrics = scoreClassification({
    classes: ['ham', 'spam'], positiveClass: 'spam',
    actual: Int32Array.of(1, 0, 0, 1), predicted: Int32Array.of(1, 0, 0, 1),
    probabilities: [0.1, 0.9, 0.9, 0.1, 0.8, 0.2, 0.35, 0.65],
  });
  expect(metrics.logLoss).toBeCloseTo(0.21616, 5);
});

test('the ROC area matches a known value', () => {
  const scores = [0.1, 0.4, 0.35, 0.8];
  const metrics = scoreClassification({
    classes: ['0', '1'], positiveClass: '1',
    actual: Int32Array.of(0, 0, 1, 1), predicted: Int32Array.of(0, 0, 0, 1),
    probabilities: scores.flatMap((score) => [1 - score, score]),
  });
  expect(metrics.rocAuc).toBeCloseTo(0.75, 12);
});

test('root mean square error, mean absolute error and R² match known values', () => {
  const metrics = scoreRegression(Float64Array.of(3, -0.5, 2, 7), Float64Array.of(2.5, 0, 2, 8));
  expect(metrics.rmse).toBeCloseTo(Math.sqrt(0.375), 12);
  expect(metrics.mae).toBeCloseTo(0.5, 12);
  expect(metrics.r2).toBeCloseTo(0.948608, 6);
});

test('equal scores count half in the ROC area', () => {
  const metrics = scoreClassification({
    classes: ['0', '1'], positiveClass: '1',
    actual: Int32Array.of(0, 1, 0, 1), predicted: Int32Array.of(0, 0, 0, 1),
    probabilities: [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.1, 0.9],
  });
  // Pairs (negative, positive): tie, win, tie, win.
  expect(metrics.rocAuc).toBeCloseTo((0.5 + 1 + 0.5 + 1) / 4, 12);
});

test('with three classes the ROC area is the mean of one class against the rest', () => {
  const metrics = scoreClassification({
    classes: ['a', 'b', 'c'], positiveClass: null,
    actual: Int32Array.of(0, 1, 2, 1), predicted: Int32Array.of(0, 1, 2, 0),
    probabilities: [0.8, 0.1, 0.1, 0.2, 0.6, 0.2, 0.3, 0.2, 0.5, 0.5, 0.3, 0.2],
  });
  // a: 1 (0.8 above 0.2, 0.3, 0.5); b: 0.6 and 0.3 against 0.1 and 0.2: 1; c: 0.5 above all: 1.
  expect(metrics.rocAuc).toBeCloseTo(1, 12);
});

test('with two classes precision, recall and F1 are about the positive class', () => {
  const actual = [0, 0, 0, 0, 0, 0, 1, 1, 1, 1];
  const predicted = [0, 0, 0, 0, 0, 1, 1, 1, 1, 0];
  const rare = scoreLabels(['no', 'yes'], actual, predicted, 'yes');
  expect(rare).toMatchObject({ positiveClass: 'yes', precision: 0.75, recall: 0.75, f1: 0.75 });
  const other = scoreLabels(['no', 'yes'], actual, predicted, 'no');
  expect(other.precision).toBeCloseTo(5 / 6, 12);
  expect(rare.perClass[0]).toMatchObject({ label: 'no', support: 6 });
});

test('a certain and wrong probability gives a large but finite log loss', () => {
  expect(scoreLabels(['0', '1'], [0], [1]).logLoss).toBeCloseTo(-Math.log(1e-15), 6);
});

test('figures that are undefined are null, not NaN', () => {
  expect(scoreLabels(['0', '1'], [1, 1], [1, 0]).rocAuc).toBeNull();
  const constant = scoreRegression(Float64Array.of(2, 2), Float64Array.of(2, 3));
  expect(constant.r2).toBeNull();
  expect(metricValue(constant, 'r2')).toBeNull();
  expect(metricValue(constant, 'rmse')).toBeCloseTo(Math.sqrt(0.5), 12);
  expect(metricValue(constant, 'f1')).toBeNull();
});

// The expected figures of the next two tests are worked examples of scikit-learn's documentation as well.

test('average precision and the Brier score match known values', () => {
  const binary = (truth: number[], scores: number[]) => scoreClassification({
    classes: ['0', '1'], positiveClass: '1', actual: Int32Array.from(truth), predicted: Int32Array.from(scores, (score) => Number(score > 0.5)),
    probabilities: scores.flatMap((score) => [1 - score, score]),
  });
  expect(binary([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).prAuc).toBeCloseTo(0.8333, 4);
  expect(binary([0, 1, 1, 0], [0.1, 0.9, 0.8, 0.3]).brier).toBeCloseTo(0.0375, 12);
  // Rows of equal score enter together: of three at 0.5, one is positive.
  expect(binary([1, 0, 0, 1], [0.5, 0.5, 0.5, 0.9]).prAuc).toBeCloseTo(0.5 * 1 + 0.5 * (2 / 4), 12);
});

test('the mean absolute percentage error matches a known value; a truth of 0 leaves it undefined', () => {
  expect(scoreRegression(Float64Array.of(3, -0.5, 2, 7), Float64Array.of(2.5, 0, 2, 8)).mape).toBeCloseTo(0.3274, 4);
  const withZero = scoreRegression(Float64Array.of(0, 4), Float64Array.of(0, 2));
  expect(withZero.mape).toBeNull();
  // |4 - 2| over the mean of 4 and 2; the row of two zeros is right.
  expect(withZero.smape).toBeCloseTo((2 / 3) / 2, 12);
});

test('the calibration curve shows what came true of each tenth, and its error is weighted by rows', () => {
  const scores = [0.05, 0.05, 0.05, 0.95];
  const { calibration } = scoreClassification({
    classes: ['no', 'yes'], positiveClass: 'yes', actual: Int32Array.of(0, 0, 1, 1), predicted: Int32Array.of(0, 0, 0, 1),
    probabilities: scores.flatMap((score) => [1 - score, score]),
  });
  expect(calibration.bins.map(({ from, rows }) => [from, rows])).toEqual([[0, 3], [0.9, 1]]);
  expect(calibration.bins[0]).toMatchObject({ predicted: expect.closeTo(0.05, 12), observed: expect.closeTo(1 / 3, 12) });
  expect(calibration.error).toBeCloseTo(0.75 * (1 / 3 - 0.05) + 0.25 * 0.05, 12);
});

test('one figure alone is that of the whole result', () => {
  const answers = {
    classes: ['a', 'b', 'c'], positiveClass: null, actual: Int32Array.of(0, 1, 2, 1), predicted: Int32Array.of(0, 1, 2, 0),
    probabilities: [0.8, 0.1, 0.1, 0.2, 0.6, 0.2, 0.3, 0.2, 0.5, 0.5, 0.3, 0.2],
  };
  const whole = scoreClassification(answers);
  for (const metric of ['accuracy', 'balancedAccuracy', 'precision', 'recall', 'f1', 'rocAuc', 'prAuc', 'logLoss', 'brier'] as const) {
    expect([metric, scoreOneMetric(answers, metric)]).toEqual([metric, metricValue(whole, metric)]);
  }
});
