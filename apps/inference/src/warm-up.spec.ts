import { buildPackage, loadModel, type LoadedModel } from '@millrace/packaging';
import { irisNeighbours, irisNetwork, mixedRegression } from '../test/sample-pipelines.ts';
import { warmUp } from './warm-up.ts';

const facts = { metrics: {}, lineage: {} };

async function withModel<T>(pipeline: Parameters<typeof buildPackage>[0], use: (model: LoadedModel) => Promise<T>): Promise<T> {
  const model = await loadModel(buildPackage(pipeline, facts).files);
  try {
    return await use(model);
  } finally {
    await model.close();
  }
}

describe('the warm-up of a model', () => {
  it.each([['neighbours', irisNeighbours()], ['a network', irisNetwork()], ['categories', mixedRegression()]])('lets rows of %s be run together', async (_, pipeline) => {
    expect(await withModel(pipeline, (model) => warmUp(model))).toEqual({ isJoinable: true });
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

  it('keeps the rows of forecasts, recommendations and slow models apart, whatever they answer', async () => {
    await withModel(irisNetwork(), async (model) => {
      const as = (task: 'forecasting' | 'recommendation') => ({ ...model, signature: { ...model.signature, task } });
      expect(await warmUp(as('forecasting'))).toEqual({ isJoinable: false });
      expect(await warmUp(as('recommendation'))).toEqual({ isJoinable: false });
      let now = 0;
      expect(await warmUp(model, () => (now += 200))).toEqual({ isJoinable: false });
    });
  });

  it('survives a model that has no answer to rows made up', async () => {
    await withModel(irisNetwork(), async (model) => {
      expect(await warmUp({ ...model, predict: () => Promise.reject(new Error('no finite prediction')) })).toEqual({ isJoinable: false });
    });
  });
});
