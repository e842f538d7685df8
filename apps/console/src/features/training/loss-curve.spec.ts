import { lossCurveOf, mergeMetrics, trialsWithEpochs } from './loss-curve.ts';

const at = (trial: number, epoch: number, values: unknown) => ({ trial, epoch, values });

describe('the data of a loss curve', () => {
  it('is in the order of the epochs, whatever order the news came in', () => {
    const metrics = mergeMetrics([at(0, 2, { loss: 0.5, valLoss: 0.6 })], [at(0, 3, { loss: 0.4, valLoss: 0.55 }), at(0, 1, { loss: 0.9, valLoss: 1 })]);
    expect(lossCurveOf(metrics, 0)).toEqual({ epochs: [1, 2, 3], train: [0.9, 0.5, 0.4], validation: [1, 0.6, 0.55] });
  });

  it('has each epoch once when a new connection sends all of them again', () => {
    const known = [at(0, 1, { loss: 0.9 }), at(0, 2, { loss: 0.5 })];
    const metrics = mergeMetrics(known, [at(0, 1, { loss: 0.9 }), at(0, 2, { loss: 0.45 }), at(0, 3, { loss: 0.4 })]);
    expect(lossCurveOf(metrics, 0)).toEqual({ epochs: [1, 2, 3], train: [0.9, 0.45, 0.4], validation: null });
  });

  it('keeps the trials apart', () => {
    const metrics = mergeMetrics([], [at(1, 1, { loss: 7 }), at(0, 1, { loss: 3 }), at(1, 2, { loss: 6 })]);
    expect(trialsWithEpochs(metrics)).toEqual([0, 1]);
    expect(lossCurveOf(metrics, 1)).toEqual({ epochs: [1, 2], train: [7, 6], validation: null });
  });

  it('leaves a gap where a loss is no finite number', () => {
    const metrics = [at(0, 1, { loss: 0.9, valLoss: 1 }), at(0, 2, { loss: null, valLoss: 'NaN' }), at(0, 3, null)];
    expect(lossCurveOf(metrics, 0)).toEqual({ epochs: [1, 2, 3], train: [0.9, null, null], validation: [1, null, null] });
  });
});
