import { silentLogger } from '@millrace/kernel';
import { buildPackage, checkVectors, createModelThreads, type FittedPipeline, type ModelPackage, type ModelThread } from '@millrace/packaging';
import type { ServedVersion } from '@millrace/registry';
import { constant, irisNetwork, setosa } from '../test/sample-pipelines.ts';
import { ModelCache, type ModelCacheOptions } from './model-cache.ts';

/** Packages in memory, and how often each was read. */
function createShelf() {
  const packages = new Map<string, ModelPackage>();
  const reads: string[] = [];
  return {
    reads,
    add(id: string, pipeline: FittedPipeline): ServedVersion {
      const built = buildPackage(pipeline, { metrics: {}, lineage: {} });
      packages.set(id, built);
      return {
        id, tenantId: 'ten_1', number: 1, modelName: 'm', packagePrefix: id, packageSha256: built.digest, signer: null, sizeBytes: built.sizeBytes, signature: built.signature,
      };
    },
    damage(id: string): void {
      const file = packages.get(id)!.files.get('model.onnx')!;
      file[file.length - 1]! ^= 1;
    },
    readPackage(version: Pick<ServedVersion, 'packagePrefix'>) {
      reads.push(version.packagePrefix);
      const found = packages.get(version.packagePrefix);
      return found ? Promise.resolve(found.files) : Promise.reject(new Error('not on the shelf'));
    },
  };
}

/** Counts models by their packages: what is measured varies. */
const createCache = (shelf: ReturnType<typeof createShelf>, maxBytes = 1024 ** 3, options: Partial<ModelCacheOptions> = {}) =>
  new ModelCache({ registry: shelf, maxBytes, logger: silentLogger, sizeOf: (_model, { sizeBytes }) => sizeBytes, ...options });

describe('the model cache', () => {
  it('reads a package once for all who ask at once', async () => {
    const shelf = createShelf();
    const version = shelf.add('a', irisNetwork());
    const cache = createCache(shelf);
    const held = await Promise.all(Array.from({ length: 20 }, () => cache.hold(version)));
    expect(new Set(held.map(({ model }) => model)).size).toBe(1);
    expect(shelf.reads).toEqual(['a']);
    await cache.close();
  });

  it('unloads the least recently used model when memory runs short, and no model that is in use', async () => {
    const shelf = createShelf();
    const versions = ['a', 'b', 'c'].map((id) => shelf.add(id, constant(1)));
    const [a, b, c] = versions as [ServedVersion, ServedVersion, ServedVersion];
    const cache = createCache(shelf, a.sizeBytes * 2);
    const heldA = await cache.hold(a);
    (await cache.hold(b)).release();
    (await cache.hold(c)).release();
    expect([cache.isLoaded(a), cache.isLoaded(b), cache.isLoaded(c)]).toEqual([true, false, true]);
    heldA.release();
    (await cache.hold(a)).release();
    (await cache.hold(b)).release();
    expect([cache.isLoaded(a), cache.isLoaded(b), cache.isLoaded(c)]).toEqual([true, true, false]);
    expect(cache.loadedBytes).toBe(a.sizeBytes * 2);
    await cache.close();
    expect(cache.loadedBytes).toBe(0);
  });

  it('unloads nobody for a package that is larger than all of its memory, and says so again without reading it', async () => {
    const shelf = createShelf();
    const [a, b] = [shelf.add('a', constant(1)), shelf.add('b', constant(2))];
    const cache = createCache(shelf, a.sizeBytes);
    (await cache.hold(a)).release();
    for (let i = 0; i < 2; i++) await expect(cache.hold({ ...b, sizeBytes: a.sizeBytes + 1 })).rejects.toMatchObject({ code: 'model_unavailable' });
    expect([cache.isLoaded(a), cache.loadedBytes, shelf.reads]).toEqual([true, a.sizeBytes, ['a']]);
    await cache.close();
  });

  it('keeps a model that turns out to take more than all of its memory until another is asked for', async () => {
    const shelf = createShelf();
    const [a, b] = [shelf.add('a', constant(1)), shelf.add('b', constant(2))];
    const cache = createCache(shelf, a.sizeBytes, { sizeOf: (_model, { id }) => (id === 'a' ? 1e9 : 1) });
    for (let i = 0; i < 3; i++) (await cache.hold(a)).release();
    expect([cache.isLoaded(a), shelf.reads]).toEqual([true, ['a']]);
    (await cache.hold(b)).release();
    expect([cache.isLoaded(a), cache.isLoaded(b)]).toEqual([false, true]);
    await cache.close();
  });

  it('keeps a model past its budget until its requests are done', async () => {
    const shelf = createShelf();
    const [a, b] = [shelf.add('a', constant(1)), shelf.add('b', constant(2))];
    const cache = createCache(shelf, a.sizeBytes);
    const heldA = await cache.hold(a);
    const heldB = await cache.hold(b);
    expect([cache.isLoaded(a), cache.isLoaded(b)]).toEqual([true, true]);
    heldA.release();
    expect([cache.isLoaded(a), cache.isLoaded(b)]).toEqual([false, true]);
    heldB.release();
    await cache.close();
  });

  it('refuses a damaged, an exchanged and a missing package as unavailable, and does not read it again at once', async () => {
    const shelf = createShelf();
    const damaged = shelf.add('damaged', irisNetwork());
    shelf.damage('damaged');
    const exchanged = { ...shelf.add('exchanged', constant(1)), packageSha256: '0'.repeat(64) };
    const missing = { ...damaged, id: 'missing', packagePrefix: 'missing' };
    const cache = createCache(shelf);
    for (const version of [damaged, exchanged, missing]) {
      for (let i = 0; i < 3; i++) await expect(cache.hold(version)).rejects.toMatchObject({ status: 503, code: 'model_unavailable' });
    }
    expect(shelf.reads).toEqual(['damaged', 'exchanged', 'missing']);
    expect(cache.loadedBytes).toBe(0);
    await cache.close();
  });

  it('refuses a model that is larger than all its memory', async () => {
    const shelf = createShelf();
    const version = shelf.add('a', irisNetwork());
    const cache = createCache(shelf, version.sizeBytes - 1);
    await expect(cache.hold(version)).rejects.toMatchObject({ code: 'model_unavailable' });
    expect(shelf.reads).toEqual([]);
  });

  it('keeps models of two tenants apart even if their versions had one id', async () => {
    const shelf = createShelf();
    const version = shelf.add('a', constant(1));
    const cache = createCache(shelf);
    const first = await cache.hold(version);
    const second = await cache.hold({ ...version, tenantId: 'ten_2' });
    expect(second.model).not.toBe(first.model);
    first.release();
    second.release();
    await cache.close();
  });

  it('counts what a model takes rather than what its package has', async () => {
    const shelf = createShelf();
    const [a, b] = [shelf.add('a', constant(1)), shelf.add('b', constant(2))];
    const cache = createCache(shelf, 10 * a.sizeBytes, { sizeOf: () => 6 * a.sizeBytes });
    (await cache.hold(a)).release();
    expect(cache.loadedBytes).toBe(6 * a.sizeBytes);
    (await cache.hold(b)).release();
    expect([cache.isLoaded(a), cache.isLoaded(b)]).toEqual([false, true]);
    await cache.close();
    expect(cache.loadedBytes).toBe(0);
  });

  it('unloads what no endpoint has used for as long as it says, and loads it for the next request', async () => {
    const shelf = createShelf();
    const version = shelf.add('a', constant(1));
    let now = 0;
    const unloads: string[] = [];
    const cache = createCache(shelf, 1e9, { now: () => now, observe: { loaded: () => undefined, unloaded: (reason) => unloads.push(reason) } });
    const [quick, patient] = [{ id: 'end_1', serving: { idleSeconds: 60 } }, { id: 'end_2', serving: { idleSeconds: 300 } }];
    const held = await cache.hold(version, quick);
    (await cache.hold(version, patient)).release();
    const passes = (seconds: number) => {
      now += seconds * 1000;
      cache.sweep();
      return cache.isLoaded(version);
    };
    expect(passes(400)).toBe(true); // in use
    held.release();
    expect(passes(0)).toBe(false);
    (await cache.hold(version, quick)).release();
    expect([passes(59), passes(1)]).toEqual([true, false]);
    (await cache.hold(version, patient)).release();
    (await cache.hold(version, quick)).release();
    expect([passes(299), passes(1)]).toEqual([true, false]);
    (await cache.hold(version, { id: 'end_1', serving: { idleSeconds: null } })).release();
    expect(passes(1e6)).toBe(true);
    cache.keep(version, quick); // the endpoint has changed its mind
    expect(passes(60)).toBe(false);
    expect(shelf.reads).toHaveLength(4);
    expect(unloads).toEqual(['idle', 'idle', 'idle', 'idle']);
  });

  it('has models that take long run in another thread, and loads them anew when that is lost', async () => {
    const shelf = createShelf();
    const version = shelf.add('a', irisNetwork());
    const threads = createModelThreads(1);
    let lost: ModelThread | null = null;
    const next = (): ModelThread => {
      const thread = threads.next();
      return { get isLost() { return this === lost; }, graphs: 0, open: (graph, count) => thread.open(graph, count), close: () => thread.close() };
    };
    const unloaded: string[] = [];
    const observe = { loaded: () => undefined, unloaded: (reason: string) => unloaded.push(reason) };
    const here = await createCache(shelf, undefined, { threads: { next }, longMs: Infinity }).hold(version);
    expect(here.thread).toBeNull();
    const cache = createCache(shelf, undefined, { threads: { next }, longMs: 0, observe });
    const held = await cache.hold(version);
    expect(held).toMatchObject({ isJoinable: here.isJoinable, thread: expect.anything() });
    const checked = checkVectors(held.model.signature, [setosa]);
    if (checked.type === 'invalid') throw new Error('the row does not fit');
    const answer = await here.model.predict(checked.rows);
    expect(await held.model.predict(checked.rows)).toEqual(answer);
    expect(await cache.hold(version)).toBe(held);
    lost = held.thread;
    const anew = await cache.hold(version);
    expect([anew === held, anew.model.isLost, unloaded]).toEqual([false, false, ['lost']]);
    expect(await anew.model.predict(checked.rows)).toEqual(answer);
    for (const each of [here, held, held, anew]) each.release();
    await cache.close();
    let opened = 0;
    const deadly = (): ModelThread => {
      const thread = threads.next();
      return { get isLost() { return opened > 0; }, graphs: 0, open: (graph, count) => (opened++, thread.open(graph, count)), close: () => thread.close() };
    };
    const careful = createCache(shelf, undefined, { threads: { next: deadly }, longMs: 0 });
    for (let at = 0; at < 3; at++) await expect(careful.hold(version)).rejects.toMatchObject({ code: 'model_unavailable' });
    expect([opened, careful.loadedBytes]).toEqual([1, 0]);
    await threads.close();
  });

  it('loads a large package in another thread first, and again in its own only if it is quick and soon loaded there', async () => {
    const shelf = createShelf();
    const threads = createModelThreads(1);
    const network = (width: number): FittedPipeline => {
      const { estimator, ...rest } = irisNetwork();
      if (estimator.family !== 'dense') throw new Error('the network is none');
      const [first, ...others] = estimator.layers;
      const wide = { activation: 'relu' as const, inputs: width, units: width, kernel: new Float32Array(width * width), bias: new Float32Array(width) };
      const widened = { ...first!, units: width, kernel: new Float32Array(first!.inputs * width), bias: new Float32Array(width) };
      const last = { ...others.at(-1)!, inputs: width, kernel: new Float32Array(width * others.at(-1)!.units) };
      return { ...rest, estimator: { ...estimator, layers: [widened, wide, last] } };
    };
    const opened: number[] = [];
    const next = (): ModelThread => {
      const thread = threads.next();
      return {
        isLost: false, graphs: 0, close: () => thread.close(),
        open: async (graph, count) => {
          opened.push(graph.byteLength);
          const runner = await thread.open(graph, count);
          return { ...runner, openedInMs: graph.byteLength > 4 * 1024 ** 2 ? 51 : 49 };
        },
      };
    };
    const cache = createCache(shelf, undefined, { threads: { next }, longMs: 1e6 });
    const placeOf = async (width: number): Promise<'own' | 'another'> => {
      const held = await cache.hold(shelf.add(String(width), network(width)));
      held.release();
      return held.thread === null ? 'own' : 'another';
    };
    expect([await placeOf(16), opened.length]).toEqual(['own', 0]);
    expect([await placeOf(512), opened.length]).toEqual(['own', 1]);
    expect([await placeOf(1200), opened.length]).toEqual(['another', 2]);
    expect(threads.next().graphs).toBe(1);
    await cache.close();
    await threads.close();
  });
});
