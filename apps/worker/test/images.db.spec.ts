import { encodePng } from '@millrace/images';
import { checkRows, loadModel, readConvolutions } from '@millrace/packaging';
import { zipOf, type TenantInWorld, type World } from '@millrace/testkit';
import { createWorkerWorld, isOver, type WorkerWorld } from './worker-world.ts';

const size = 12;
/** Grey noise; a scratch is a bright line across it. */
function part(scratched: boolean, seed: number): Uint8Array {
  const data = Uint8Array.from({ length: size * size }, (_, at) => 60 + ((at * 7919 + seed * 104_729) % 61));
  if (scratched) for (let x = 0; x < size; x++) data[((seed + x) % size) * size + x] = 250;
  return encodePng({ width: size, height: size, channels: 1, data });
}
const archive = zipOf(Array.from({ length: 80 }, (_, i) => ({ name: `${i % 2 ? 'scratch' : 'good'}/${i}.png`, bytes: part(i % 2 === 1, i) })));

let world: World;
let tenant: TenantInWorld;
let startTestWorker: WorkerWorld['startTestWorker'];
let until: WorkerWorld['until'];
beforeAll(async () => {
  ({ world, tenant, startTestWorker, until } = await createWorkerWorld());
});
afterAll(() => world.close());

const spec = {
  inputFeatures: [{ name: 'image', type: 'image' }],
  outputFeatures: [{ name: 'label', type: 'category', positiveClass: 'scratch' }],
  models: [{ family: 'convolutional', imageSize: size, blocks: 2, filters: 4, dropout: 0 }],
  trainer: { epochs: 25, learningRate: 0.01, batchSize: 16 },
};

it('pictures go from an archive to a version that tells their classes apart', async () => {
  const worker = await startTestWorker('eyes');
  const submitted = await tenant.run(await tenant.dataset(archive), spec, 'parts');
  const run = await until(submitted.id, isOver);
  expect(run).toMatchObject({ status: 'SUCCEEDED', attempt: 1 });
  expect(run.trials.map(({ family }) => family).sort()).toEqual(['baseline', 'convolutional']);
  expect(run.metrics).toHaveLength(25);
  const version = run.modelVersion!;
  expect(version).toMatchObject({ status: 'READY', agreement: { type: 'agrees', rows: 80 } });
  expect(version.metrics).toMatchObject({ accuracy: 1 });

  const model = await loadModel(await world.registry.readPackage(version), { digest: version.packageSha256 });
  expect(model.signature.inputs).toEqual([{ name: 'image', type: 'image', required: true, width: size, height: size, channels: 1 }]);
  const checked = checkRows(model.signature, [true, false].map((scratched) => ({ image: { b64: Buffer.from(part(scratched, 999)).toString('base64') } })));
  const answers = checked.type === 'valid' ? await model.predict(checked.rows) : checked.problems;
  expect(answers).toMatchObject([{ label: 'scratch' }, { label: 'good' }]);
  await model.close();

  expect(await world.registry.setAlias(tenant.owner.actor, { modelId: version.modelId, alias: 'champion', versionNumber: 1 })).toMatchObject({ type: 'set' });
  const onBase = (base: object, more: object = {}) => ({ ...spec, models: [{ family: 'convolutional', imageSize: size, base: { model: 'parts', ...base }, ...more }], trainer: { epochs: 2 } });
  const child = await until((await tenant.run(await tenant.dataset(archive), onBase({ alias: 'champion', freezeEpochs: 2 }), 'parts')).id, isOver);
  expect(child).toMatchObject({ status: 'SUCCEEDED', spec: { models: [{ base: { model: 'parts', version: 1, freezeEpochs: 2 } }] }, modelVersion: { number: 2, agreement: { type: 'agrees' } } });
  const [parentFiles, childFiles] = await Promise.all([version, child.modelVersion!].map((one) => world.registry.readPackage(one)));
  expect(readConvolutions(childFiles!)).toEqual(readConvolutions(parentFiles!));
  expect(JSON.parse(Buffer.from(childFiles!.get('lineage.json')!).toString())).toMatchObject({ parentModelVersionId: version.id });

  const refused = async (of: object) => {
    const outcome = await world.training.submit(tenant.owner.actor, { datasetVersionId: run.datasetVersionId, modelName: 'refused', spec: of });
    return outcome.type === 'invalid' ? outcome.problems.map(({ field }) => field) : outcome.type;
  };
  expect(await refused(onBase({ model: 'nobody' }))).toEqual(['spec.models[0].base.model']);
  expect(await refused(onBase({ version: 9 }))).toEqual(['spec.models[0].base.version']);
  expect(await refused(onBase({ alias: 'none' }))).toEqual(['spec.models[0].base.alias']);
  expect(await refused(onBase({ alias: 'a', version: 1 }))).toEqual(['spec.models[0].base.alias']);
  expect(await refused(onBase({}, { imageSize: 8 }))).toEqual(['spec.models[0].imageSize']);
  expect(await refused(onBase({}, { colour: 'colour' }))).toEqual(['spec.models[0].colour']);
  const other = await world.tenant();
  const theirs = await world.training.submit(other.owner.actor, { datasetVersionId: (await other.dataset(archive)).id, modelName: 'theirs', spec: onBase({}) });
  expect(theirs).toMatchObject({ type: 'invalid', problems: [{ field: 'spec.models[0].base.model' }] });
  await worker.close();
});

it('what does not fit pictures is refused before it is queued', async () => {
  const version = await tenant.dataset(archive);
  const outcome = await world.training.submit(tenant.owner.actor, { datasetVersionId: version.id, modelName: 'refused', spec: { ...spec, models: [{ family: 'convolutional', imageSize: 8, blocks: 4 }, { family: 'knn' }] } });
  expect(outcome).toMatchObject({ type: 'invalid', problems: [{ field: 'spec.models[0].blocks' }, { field: 'spec.models[1].family' }] });
});
