import { parseTrainingSpec } from '@millrace/configuration';
import { rateOfEpoch } from './learning-rate.ts';

const at = (schedule: object, epochs: number, losses: number[] = []) => {
  const parsed = parseTrainingSpec({
    inputFeatures: [{ name: 'x', type: 'number' }], outputFeatures: [{ name: 'y', type: 'number' }], trainer: { epochs: 20, schedule },
  });
  if (parsed.type === 'invalid') throw new Error(JSON.stringify(parsed.problems));
  return rateOfEpoch(parsed.spec.trainer, losses)(epochs);
};

test('constant stays', () => {
  expect([0.1, 7, 20].map((epochs) => at({ kind: 'constant' }, epochs))).toEqual([1, 1, 1]);
});

test('a warm-up rises from 0, whatever follows', () => {
  expect(at({ kind: 'constant', warmUpEpochs: 4 }, 1)).toBe(0.25);
  expect(at({ warmUpEpochs: 4, kind: 'step', every: 1, factor: 0.5 }, 3)).toBeCloseTo(0.75 / 8, 12);
  expect(at({ kind: 'constant', warmUpEpochs: 4 }, 4)).toBe(1);
});

test('a cosine falls from 1 over a half in the middle to 0 at the end', () => {
  expect(at({ kind: 'cosine' }, 0)).toBe(1);
  expect(at({ kind: 'cosine' }, 10)).toBeCloseTo(0.5, 12);
  expect(at({ kind: 'cosine' }, 20)).toBeCloseTo(0, 12);
});

test('steps fall by the factor after every so many epochs', () => {
  expect([4.9, 5, 12].map((epochs) => at({ kind: 'step', every: 5, factor: 0.1 }, epochs))).toEqual([1, 0.1, 0.1 ** 2]);
});

test('a plateau falls by the factor each time that the loss has not improved for so long', () => {
  const schedule = { kind: 'plateau', every: 2, factor: 0.5 };
  expect(at(schedule, 3, [3, 2, 1])).toBe(1);
  expect(at(schedule, 5, [3, 2, 2, 1, 1.5])).toBe(1);
  expect(at(schedule, 6, [3, 2, 2, 1, 1.5, 1])).toBe(0.5);
  expect(at(schedule, 8, [3, 2, 2, 1, 1.5, 1, 9, 9])).toBe(0.25);
});
