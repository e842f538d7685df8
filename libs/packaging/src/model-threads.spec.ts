import { createRandom, randomRows, randomTrees } from '../test/random-pipeline.ts';
import { checkVectors } from './check-rows.ts';
import { loadModel } from './loaded-model.ts';
import { buildPackage } from './model-package.ts';
import { createModelThreads } from './model-threads.ts';

const pipeline = randomTrees({ seed: 3, numbers: 4, categories: 0, classes: 2 }, 'random_forest', { trees: 20, leaves: 8 });
const { files, signature } = buildPackage(pipeline, { metrics: {}, lineage: {} });

function someRows() {
  const checked = checkVectors(signature, randomRows(pipeline.features, 4, createRandom(1)));
  if (checked.type === 'invalid') throw new Error('the rows do not fit');
  return checked.rows;
}

it('of models that are loaded at the same time, each gets a thread of its own as long as there are any', async () => {
  const threads = createModelThreads(2);
  const [first, second] = [threads.next(), threads.next()];
  expect(second).not.toBe(first);
  const models = await Promise.all([first, second].map((thread) => loadModel(files, { thread })));
  const third = threads.next();
  expect([first, second]).toContain(third);
  expect(threads.next()).not.toBe(third); // one is on its way there
  await models[0]!.close();
  await models[1]!.close();
  await threads.close();
});

describe('a thread of models', () => {
  it('is closed once it has done what goes on, and answers nobody any more', async () => {
    const threads = createModelThreads(1);
    const model = await loadModel(files, { thread: threads.next() });
    // Long enough to be under way; cut off, it would take this process with it.
    const call = model.predict(someRows().repeated(50_000)).then(() => 'answered', (error: Error) => error.message);
    await Promise.all([threads.close(), threads.close()]);
    expect(await call).toBe('The thread of the model is closed.');
    await model.close();
  });

  it('that ends while a model is unloaded leaves nothing to be released', async () => {
    const threads = createModelThreads(1);
    const model = await loadModel(files, { thread: threads.next() });
    const unloading = model.close();
    await threads.close();
    await unloading;
  });
});
