import type { Actor } from '@millrace/auth';
import { DomainError, silentLogger } from '@millrace/kernel';
import { buildPackage, type PackageFiles } from '@millrace/packaging';
import type { Meter, PredictionUsage } from '@millrace/quota';
import { type EndpointServing, type ServedEndpoint, type ServedRequest, servingDefaults } from '@millrace/registry';
import { constant } from '../test/sample-pipelines.ts';
import { type Batcher, createBatcher } from './batcher.ts';
import { ModelCache } from './model-cache.ts';
import { createPredictor, type PredictionCall } from './predictor.ts';
import { readSimplePredict } from './protocols/simple-predict.ts';
import { overloaded } from './shedding.ts';

const built = buildPackage(constant(7), { metrics: {}, lineage: {} });
const served: ServedEndpoint = {
  endpoint: { id: 'end_1', name: 'seven', serving: servingDefaults },
  isStable: true,
  shares: [],
  version: {
    id: 'ver_1', tenantId: 'ten_1', number: 3, modelName: 'seven', packagePrefix: 'p', packageSha256: built.digest, signer: null, sizeBytes: built.sizeBytes, signature: built.signature,
  },
};
const actor: Actor = { type: 'key', tenantId: 'ten_1', keyId: 'key_1', scopes: ['PREDICT'], models: [] };

const unlimited: Meter['take'] = () => ({ type: 'admitted', standings: () => [], giveBack: () => undefined, settle: () => undefined });

interface Changes {
  batcher?: Pick<Batcher, 'refusal' | 'predict'>;
  readPackage?: (version: { id: string }) => Promise<PackageFiles>;
  shares?: ServedEndpoint['shares'];
  serving?: Partial<EndpointServing>;
  traffic?: ServedRequest[];
  recorded?: string[];
}

function createWorld(record: (entry: PredictionUsage) => Promise<void>, take = unlimited, { batcher = createBatcher(), readPackage = () => Promise.resolve(built.files), serving, traffic, recorded, shares = [] }: Changes = {}) {
  const models = new ModelCache({ registry: { readPackage: readPackage as never }, maxBytes: 1e9, logger: silentLogger });
  const endpoint = { ...served.endpoint, serving: { ...servingDefaults, ...serving } };
  const directory = { find: () => ({ ...served, endpoint, shares }), names: () => ['seven'] };
  return createPredictor({ directory, models, batcher, journal: { record }, meter: { take }, traffic: { record: (request) => void traffic?.push(request) }, shadow: { mirror: () => undefined }, recorder: { record: (answer) => void recorded?.push(answer.predictionId) }, lookAtPictures: () => null, maxInFlight: 10 });
}
const call = (changes: Partial<PredictionCall> = {}): PredictionCall => ({
  actor, endpoint: 'seven', body: { value: { features: [1] }, hasNonFinite: false }, startedAt: performance.now(), isGone: () => false, ...changes,
});

it('a version that has a share and is not loaded any more is answered for by the stable one, and loaded beside', async () => {
  const other = { ...served.version, id: 'ver_2', number: 4 };
  const traffic: ServedRequest[] = [];
  const reads: string[] = [];
  const readPackage = ({ id }: { id: string }) => (reads.push(id), id === 'ver_2' ? Promise.reject(new Error('gone')) : Promise.resolve(built.files));
  const predictor = createWorld(() => Promise.resolve(), unlimited, { readPackage, traffic, shares: [{ version: other, percent: 100, mirrorPercent: 0 }] });
  expect(await predictor.predict(call(), readSimplePredict)).toMatchObject({ versionNumber: 3, variant: 'STABLE' });
  expect(traffic).toMatchObject([{ versionId: 'ver_1', variant: 'STABLE', outcome: 'answered' }]);
  expect(new Set(reads)).toEqual(new Set(['ver_1', 'ver_2']));
});

describe('a prediction', () => {
  it('leaves only after its entry is safe', async () => {
    const order: string[] = [];
    const predictor = createWorld(async (entry) => {
      await new Promise((resolve) => setImmediate(resolve));
      order.push(`entered ${entry.rows}`);
    });
    await predictor.predict(call(), readSimplePredict).then(() => order.push('answered'));
    expect(order).toEqual(['entered 1', 'answered']);
  });

  it('is entered once, with its own id, its rows and who asked', async () => {
    const entries: PredictionUsage[] = [];
    const predictor = createWorld(async (entry) => void entries.push(entry));
    const answer = await predictor.predict(call({ body: { value: { features: [[1], [2]] }, hasNonFinite: false } }), readSimplePredict);
    expect(entries).toEqual([
      {
        tenantId: 'ten_1', requestId: answer.predictionId, at: expect.any(Date), actor: 'key:key_1', endpointId: 'end_1', modelVersionId: 'ver_1', rows: 2, units: 2,
      },
    ]);
  });

  it('is not entered for a caller who has hung up', async () => {
    const entries: PredictionUsage[] = [];
    const predictor = createWorld(async (entry) => void entries.push(entry));
    await expect(predictor.predict(call({ isGone: () => true }), readSimplePredict)).rejects.toMatchObject({ code: 'caller_gone' });
    expect(entries).toEqual([]);
  });

  it('is refused when it cannot be entered: nothing is served unbilled', async () => {
    const predictor = createWorld(() => Promise.reject(new DomainError('UNAVAILABLE', 'The disk is full.')));
    await expect(predictor.predict(call(), readSimplePredict)).rejects.toThrow('The disk is full.');
    expect(predictor.inFlight).toBe(0);
  });

  it('that was not made gives back what it was counted for', async () => {
    let counted = 0;
    const take: Meter['take'] = ({ rows }) => {
      counted += rows;
      return { type: 'admitted', standings: () => [], giveBack: () => (counted -= rows), settle: () => undefined };
    };
    const body = { value: { features: [[1], [2]] }, hasNonFinite: false };
    await expect(createWorld(() => Promise.reject(new Error('full')), take).predict(call({ body }), readSimplePredict)).rejects.toThrow('full');
    await expect(createWorld(() => Promise.resolve(), take).predict(call({ body, isGone: () => true }), readSimplePredict)).rejects.toThrow();
    expect(counted).toBe(0);
    await createWorld(() => Promise.resolve(), take).predict(call({ body }), readSimplePredict);
    expect(counted).toBe(2);
  });

  it('that was put off is not entered, gives back what it was counted for, and is no mark against the version', async () => {
    const traffic: ServedRequest[] = [];
    let counted = 0;
    const take: Meter['take'] = ({ rows }) => {
      counted += rows;
      return { type: 'admitted', standings: () => [], giveBack: () => (counted -= rows), settle: () => undefined };
    };
    const entered = (): Promise<void> => Promise.reject(new Error('must not be entered'));
    const busy = { refusal: () => null, predict: () => Promise.reject(overloaded('Much to do.', 3)) };
    await expect(createWorld(entered, take, { batcher: busy, traffic }).predict(call(), readSimplePredict)).rejects.toMatchObject({ status: 503, code: 'overloaded', details: { retryAfterSeconds: 3 } });
    const full = { ...busy, refusal: () => overloaded('Much to do.', 3) };
    await expect(createWorld(entered, take, { batcher: full, traffic }).predict(call({ body: { value: 'not even read', hasNonFinite: false } }), readSimplePredict)).rejects.toMatchObject({ code: 'overloaded' });
    expect([counted, traffic]).toEqual([0, []]);
  });

  it('is refused when its model is not loaded before its deadline; the next one finds it loaded', async () => {
    let arrive: (files: PackageFiles) => void = () => undefined;
    const entries: PredictionUsage[] = [];
    const readPackage = () => new Promise<PackageFiles>((resolve) => (arrive = resolve));
    const predictor = createWorld(async (entry) => void entries.push(entry), unlimited, { readPackage, serving: { deadlineMs: 10 } });
    await expect(predictor.predict(call(), readSimplePredict)).rejects.toMatchObject({ status: 503, code: 'deadline_exceeded' });
    arrive(built.files);
    await predictor.predict(call({ startedAt: performance.now() + 60_000 }), readSimplePredict);
    expect(entries).toHaveLength(1);
    expect(predictor.inFlight).toBe(0);
  });
});
