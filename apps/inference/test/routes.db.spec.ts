import { call, createInferenceWorld, type InferenceWorld } from './inference-world.ts';
import { irisNeighbours, setosa } from './sample-pipelines.ts';
let world: InferenceWorld;
beforeAll(async () => { world = await createInferenceWorld(); });
afterAll(() => world.close());
it('works', async () => {
  const server = await world.start();
  const t = await world.createTenant();
  await t.publish('iris', irisNeighbours());
  const key = await t.createKey();
  console.log(await call(`${server.url}/predict`, { key: key.text, body: { features: setosa } }));
  console.log(await call(`${server.url}/v1/models/iris:predict`, { key: key.text, body: { instances: [setosa] } }));
  console.log(await call(`${server.url}/v2/models/iris`, { key: key.text }));
});
