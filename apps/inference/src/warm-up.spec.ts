import { loadModel, type LoadedModel } from '@millrace/packaging';
import { type Fitted, packageOf } from '../test/inference-world.ts';
import { irisNeighbours, irisNetwork, mixedRegression, partsRecommender, pictureNetwork, visitsForecast } from '../test/sample-pipelines.ts';
import { warmUp } from './warm-up.ts';

async function withModel<T>(fitted: Fitted, use: (model: LoadedModel) => Promise<T>): Promise<T> {
  const model = await loadModel(packageOf(fitted).files);
  try {
    return await use(model);
  } finally {
    await model.close();
  }
}

describe('the warm-up of a model', () => {
  it.each<[string, Fitted]>([
    ['neighbours', irisNeighbours()], ['a network', irisNetwork()], ['categories', mixedRegression()], ['pictures', pictureNetwork()], ['recommendations', partsRecommender()], ['a forecast', visitsForecast()],
  ])('lets rows of %s be run together', async (_, fitted) => {
    expect(await withModel(fitted, (model) => warmUp(model))).toMatchObject({ isJoinable: true });
  });

  it('keeps rows apart whose answers change with their neighbours, be it in the last bit', async () => {
    const isJoinable = await withModel(mixedRegression(), async (model) => {
      const shaky: LoadedModel = {
        ...model,
        predict: async (rows) => (await model.predict(rows)).map((one) => ('value' in one && rows.count > 1 ? { ...one, value: one.value * (1 + Number.EPSILON) } : one)),
      };
      return (await warmUp(shaky)).isJoinable;
    });
    expect(isJoinable).toBe(false);
  });

  it('keeps the rows of slow models apart, and of those that take one row a call', async () => {
    await withModel(irisNetwork(), async (model) => {
      let now = 0;
      expect(await warmUp(model, { now: () => (now += 200) })).toMatchObject({ isJoinable: false });
      const { signature } = model;
      expect(await warmUp({ ...model, signature: { ...signature, graph: { ...signature.graph, rowsPerCall: 1 } } })).toMatchObject({ isJoinable: false });
    });
  });

  it('tries no more of a model that is to run elsewhere than shows it, and no call that holds others for long', async () => {
    await withModel(irisNetwork(), async (model) => {
      let now = 0;
      const calls: number[] = [];
      const taking = (msPerRow: number): LoadedModel => ({
        ...model,
        predict(rows) {
          calls.push(rows.count);
          now += msPerRow * rows.count;
          return model.predict(rows);
        },
      });
      const tried = async (msPerRow: number, tooLongMs: number) => {
        calls.length = 0;
        const outcome = await warmUp(taking(msPerRow), { tooLongMs, now: () => now });
        return { ...outcome, msPerCall: Math.round(100 * outcome.msPerCall) / 100, calls: calls.filter((rows, at) => at < 2 || rows > 1) };
      };
      expect(await tried(0.25, 0.25)).toEqual({ isJoinable: false, msPerCall: 0.25, calls: [1, 1] });
      expect(await tried(0.25, 0.5)).toEqual({ isJoinable: true, msPerCall: 0.25, calls: [1, 1, 3, 8, 64, 100] });
      expect(await tried(0.01, 0.5)).toEqual({ isJoinable: true, msPerCall: 0.01, calls: [1, 1, 3, 8, 64, 1024] });
      expect(await tried(13, 20)).toEqual({ isJoinable: false, msPerCall: 13, calls: [1, 1] });
    });
  });

  it('tries pictures that differ: one whose answer is its neighbour’s is found', async () => {
    await withModel(pictureNetwork(), async (model) => {
      expect(await warmUp({ ...model, predict: async (rows) => (await model.predict(rows)).toReversed() })).toMatchObject({ isJoinable: false });
    });
  });

  it('survives a model that has no answer to rows made up', async () => {
    await withModel(irisNetwork(), async (model) => {
      expect(await warmUp({ ...model, predict: () => Promise.reject(new Error('no finite prediction')) })).toMatchObject({ isJoinable: false });
    });
  });
});
