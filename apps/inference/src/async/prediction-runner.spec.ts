import type { Actor } from '@millrace/auth';
import { DomainError, silentLogger } from '@millrace/kernel';
import type { ClaimedPrediction, PredictionQueue } from '@millrace/registry';
import type { Predictor } from '../predictor.ts';
import { createPredictionRunner } from './prediction-runner.ts';

const caller: Actor = { type: 'key', tenantId: 'ten_1', keyId: 'key_1', scopes: ['PREDICT'], models: [] };
const held: ClaimedPrediction = { tenantId: 'ten_1', id: 'prd_1', token: 't', attempt: 1, caller, endpointName: 'press', versionNumber: null, request: { input: [[1]], origin: 'http://x.test' } };

it.each([
  ['that it still holds', true, 0],
  ['that was canceled meanwhile', false, 1],
  ['whose end could not be written, and which is made once more', 'away', 1],
  ['whose end may have been written, though nobody said so', 'unknown', 0],
])('what was taken of the limits for one %s (%s) is given back %i times', async (_who, isStillHeld, times) => {
  let waiting: ClaimedPrediction | null = held;
  const given: string[] = [];
  let ended = (): void => undefined;
  const isEnded = new Promise<void>((resolve) => (ended = resolve));
  const queue: Pick<PredictionQueue, 'tenantsWaiting' | 'claim' | 'succeed' | 'putBack' | 'extend' | 'sweep'> = {
    tenantsWaiting: async () => (waiting ? [{ tenantId: 'ten_1', held: 0 }] : []),
    claim: async () => {
      const claimed = waiting;
      waiting = null;
      return claimed;
    },
    succeed: async () => {
      if (typeof isStillHeld === 'boolean') return ended(), isStillHeld;
      throw new DomainError('UNAVAILABLE', 'The database is away.');
    },
    putBack: async () => (ended(), isStillHeld === 'away'),
    extend: async () => [],
    sweep: async () => undefined,
  };
  const answer = { versionNumber: 1, payload: { body: Buffer.from('{}') }, giveBack: () => void given.push(held.id) };
  const predictor = { predict: async () => answer };
  const runner = createPredictionRunner({
    queue: queue as PredictionQueue,
    news: { on: () => () => undefined } as never,
    auth: { present: async (actor) => actor },
    createPredictor: () => predictor as unknown as Predictor,
    slots: 1, leaseMs: 30_000, keptHours: 1, logger: silentLogger,
  });
  runner.start();
  await isEnded;
  await runner.close();
  expect(given).toHaveLength(times);
});
