import type { TrainingSpec } from '@millrace/configuration';
import { madeUpTable, specFor } from '../test/sample-tables.ts';
import { selectBackend } from './backend.ts';
import { encodeState } from './state-codec.ts';
import { type CheckpointStore, train, type TrainEvent } from './train.ts';

const table = madeUpTable(120, 5);
// A constant rate, and all that depends on the number of rows given: epochs are then the same whoever counts them.
const trainer = { epochs: 40, batchSize: 16, learningRate: 0.05, schedule: { kind: 'constant' }, regularization: { l2: 1e-4 } };
const models = [{ family: 'dense', hiddenLayers: [8] }];
const specOf = (earlyStop: object | null, more: object = {}): TrainingSpec =>
  specFor(table, { name: 'grade', type: 'category' }, { models, trainer: { ...trainer, earlyStop, ...more } }, ['amount', 'passed']);

async function trained(spec: TrainingSpec, more: { checkpoint?: CheckpointStore; onEvent?: (event: TrainEvent) => void } = {}) {
  const outcome = await train({ table, spec, backend: await selectBackend({ prefer: 'cpu' }), ...more });
  if (outcome.type !== 'trained') throw new Error(JSON.stringify(outcome));
  return outcome;
}

it('learns from all training rows for the epochs that the held-back rows found best', async () => {
  const stopped = await trained(specOf({ patience: 3 }));
  const again = await trained(specOf({ patience: 3, refit: true }));
  const [first, second] = [stopped.trials[0]!, again.trials[0]!];
  expect(first.bestEpoch).toBeLessThan(trainer.epochs);
  // What was found out is the same; only what is learned in the end differs.
  expect([second.bestEpoch, second.epochs, second.history, second.metrics.validation]).toEqual([first.bestEpoch, first.epochs, first.history, first.metrics.validation]);
  expect(again.split).toEqual(stopped.split);
  expect(encodeState(second.pipeline)).not.toEqual(encodeState(first.pipeline));
  const all = await trained(specOf(null, { epochs: first.bestEpoch }));
  expect(all.split.validation).toHaveLength(0);
  expect(encodeState(second.pipeline)).toEqual(encodeState(all.trials[0]!.pipeline));
});

it('keeps to the schedule of all epochs', async () => {
  const schedule = { schedule: { kind: 'cosine' } };
  const again = await trained(specOf({ patience: 3, refit: true }, schedule));
  const shorter = await trained(specOf(null, { ...schedule, epochs: again.trials[0]!.bestEpoch }));
  expect(encodeState(again.trials[0]!.pipeline)).not.toEqual(encodeState(shorter.trials[0]!.pipeline));
});

it('killed after any epoch of either fit and resumed ends as an uninterrupted run', async () => {
  const spec = specOf({ patience: 2, refit: true });
  const saved: Uint8Array[] = [];
  const keeping: CheckpointStore = { load: async () => null, save: async (bytes) => void saved.push(bytes.slice()), isDue: () => true };
  const whole = await trained(spec, { checkpoint: keeping });
  const { epochs, bestEpoch } = whole.trials[0]!;
  expect(saved).toHaveLength(epochs + bestEpoch + 2); // and the two models that were finished
  const expected = encodeState(whole.trials.map(({ pipeline }) => pipeline));
  for (const at of [0, epochs - 1, epochs, epochs + bestEpoch - 1]) {
    const resumed = await trained(spec, { checkpoint: { load: async () => saved[at]!, save: async () => undefined, isDue: () => false } });
    expect(encodeState(resumed.trials.map(({ pipeline }) => pipeline))).toEqual(expected);
  }
});
