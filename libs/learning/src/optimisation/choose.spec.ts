import type { OptimisationStep } from '@millrace/configuration';
import { chooseAmong } from './choose.ts';
import type { OptimisedCandidate } from './outcome.ts';

const candidate = (steps: OptimisationStep[], sizeBytes: number): OptimisedCandidate<string, object> => ({
  steps, model: `${sizeBytes} bytes`, metrics: { validation: {}, test: {} }, validationLoss: 0, validationBound: { atMost: 0, by: 'answers', rows: 2000, differing: 0 }, interval: null, bound: null,
  appraisal: { sizeBytes, sizeGzBytes: sizeBytes, predTimeMsP50: 1 }, fitTimeSeconds: 0,
});
const int8: OptimisationStep = { method: 'quantise', to: 'int8' };
const float16: OptimisationStep = { method: 'quantise', to: 'float16' };
/** What comes of each step, of a base of 1000 bytes. */
const choose = (target: 'SIZE' | undefined, sizes: { int8: number; float16: number }) =>
  chooseAmong(
    { base: candidate([], 1000), chosenOn: null, attempt: async (steps) => ({ type: 'measured', candidate: candidate(steps, sizes[(steps[0] as { to: 'int8' | 'float16' }).to]) }) },
    { optimisation: target ? { target, maxLoss: 1 } : { steps: [int8] }, first: [[int8], [float16]], combined: () => [], onEvent: undefined },
  );
const chosen = async (...of: Parameters<typeof choose>) => {
  const outcome = await choose(...of);
  return outcome.type === 'optimised' ? (outcome.best === null ? null : outcome.candidates[outcome.best]!.model) : outcome.type;
};

it('what is sought for its size is smaller than the base or nothing; what was asked for is made whatever its size', async () => {
  expect(await chosen('SIZE', { int8: 1200, float16: 900 })).toBe('900 bytes');
  expect(await chosen('SIZE', { int8: 1200, float16: 1000 })).toBeNull();
  expect(await chosen(undefined, { int8: 1200, float16: 900 })).toBe('1200 bytes');
});
