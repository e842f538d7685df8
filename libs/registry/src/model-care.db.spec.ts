import { newId, silentLogger } from '@millrace/kernel';
import { buildPackage } from '@millrace/packaging';
import { createWorld, type TenantInWorld, type World } from '@millrace/testkit';
import { pipeline } from '../test/sample-pipeline.ts';
import { createRollouts } from './rollouts.ts';
import { placeInLine, type VersionOptimisation } from './version-optimisation.ts';

let world: World;
let tenant: TenantInWorld;
beforeAll(async () => {
  world = await createWorld();
  tenant = await world.tenant();
});
afterAll(() => world.close());

/** A version as an import leaves it: without a run of its own. */
async function addVersion(modelName: string, metrics: object = { f1: 0.9 }, agrees = true, optimisation?: VersionOptimisation) {
  const versionId = newId('modelVersion');
  const modelPackage = buildPackage(pipeline, { metrics: {}, lineage: {} });
  await world.registry.storePackage(tenant.tenantId, versionId, modelPackage);
  const agreement = agrees
    ? ({ type: 'agrees', rows: 0, maxDifference: 0, tolerance: 1e-4 } as const)
    : ({ type: 'disagrees', rows: 1, maxDifference: 1, tolerance: 1e-4, differing: 1, first: { row: 0, pipeline: undefined, package: undefined }, message: 'They differ.' } as const);
  return world.db.database.forTenant(tenant.tenantId).transaction((tx) =>
    world.registry.addVersion(tx, {
      tenantId: tenant.tenantId, versionId, modelName, runId: null, datasetVersionId: null, imported: { source: 'ONNX', provenance: { filename: 'm.onnx' } }, modelPackage, metrics: metrics as never, agreement, optimisation,
    }),
  );
}

const owner = () => tenant.owner.actor;
const champion = (modelId: string, versionNumber: number) => world.registry.setAlias(owner(), { modelId, alias: 'champion', versionNumber });
const numbersOf = async (modelId: string): Promise<number[]> =>
  (await world.db.asOwner<{ number: number }>('SELECT number FROM model_versions WHERE model_id = $1 ORDER BY number', [modelId])).map(({ number }) => number);
const filesOf = async (versionId: string): Promise<number> => (await world.storage.list(`tenants/${tenant.tenantId}/packages/${versionId}`)).length;
const policy = { approvalRequired: false, gate: null, optimisedAtMostWorse: null, keepVersions: null };

describe('approval', () => {
  it('lets champion move only to what was approved, where the model asks for it', async () => {
    const version = await addVersion('approved');
    await world.registry.savePolicy(owner(), { ...policy, modelId: version.modelId, approvalRequired: true });
    expect((await champion(version.modelId, 1)).type).toBe('not-approved');
    expect((await world.registry.publish(owner(), { versionId: version.id, endpointName: 'approved' })).type).toBe('not-approved');
    // Any other alias is free.
    expect((await world.registry.setAlias(owner(), { modelId: version.modelId, alias: 'challenger', versionNumber: 1 })).type).toBe('set');

    expect((await world.registry.review(owner(), { versionId: version.id, verdict: 'REJECTED', comment: 'Too few rows.' })).type).toBe('reviewed');
    expect(await champion(version.modelId, 1)).toMatchObject({ type: 'not-approved', message: expect.stringContaining('was rejected') });
    await world.registry.review(owner(), { versionId: version.id, verdict: 'APPROVED', comment: 'Seen on line 2.' });
    expect((await world.registry.publish(owner(), { versionId: version.id, endpointName: 'approved' })).type).toBe('published');
    const reviews = await world.db.asOwner('SELECT verdict, comment, evidence, reviewed_by FROM version_reviews WHERE version_id = $1 ORDER BY id', [version.id]);
    expect(reviews).toMatchObject([
      { verdict: 'REJECTED', comment: 'Too few rows.' },
      { verdict: 'APPROVED', evidence: { metrics: { f1: 0.9 }, packageSha256: version.packageSha256 }, reviewed_by: `person:${owner().personId}` },
    ]);
  });

  it('is for those who may, of versions that work, with a comment', async () => {
    const [version, broken] = [await addVersion('reviewed'), await addVersion('reviewed', {}, false)];
    const engineer = await tenant.member('ENGINEER');
    const input = { versionId: version.id, verdict: 'APPROVED', comment: 'fine' } as const;
    await expect(world.registry.review(engineer.actor, input)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(world.registry.savePolicy(engineer.actor, { ...policy, modelId: version.modelId })).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect((await world.registry.review(owner(), { ...input, versionId: broken.id })).type).toBe('not-ready');
    for (const comment of ['', '  ', 'x'.repeat(2_001), 'a\u202eb']) expect((await world.registry.review(owner(), { ...input, comment })).type).toBe('invalid');
    const other = await world.tenant();
    expect(await world.registry.review(other.owner.actor, input)).toEqual(await world.registry.review(other.owner.actor, { ...input, versionId: newId('modelVersion') }));
  });
});

describe('a gate', () => {
  it.each([
    ['f1', [0.9, 0.895, 0.88, 0.95]],
    ['rmse', [0.9, 0.905, 0.92, 0.85]],
  ])('lets through what is at most so much worse on %s', async (metric, [first, slightly, much, better]) => {
    const version = await addVersion(`gate-${metric}`, { [metric]: first });
    const { modelId } = version;
    for (const score of [slightly, much, better]) await addVersion(`gate-${metric}`, { [metric]: score });
    await addVersion(`gate-${metric}`, { other: 1 });
    expect((await world.registry.savePolicy(owner(), { ...policy, modelId, gate: { metric, atMostWorse: 0.01 } })).type).toBe('saved');
    expect((await champion(modelId, 1)).type).toBe('set'); // nothing was there before
    expect(await champion(modelId, 3)).toMatchObject({ type: 'gate-closed', message: expect.stringContaining('0.02 worse') });
    expect((await champion(modelId, 5)).type).toBe('gate-closed'); // has no such score
    expect((await champion(modelId, 2)).type).toBe('set');
    expect((await champion(modelId, 4)).type).toBe('set');
    expect((await champion(modelId, 4)).type).toBe('set');
  });

  it('for optimised versions looks at what was lost since the trained one, whatever the champion is', async () => {
    const cost = { sizeBytes: 1, sizeGzBytes: 1, predTimeMsP50: 1 };
    const measured = (loss: number | null, atMost?: number | null) => ({
      ...(atMost === undefined ? {} : { bound: { atMost, by: 'score' as const, rows: 30, differing: 1 } }),
      steps: [{ method: 'merge_trees' }], metric: 'f1', score: 0.9, parentScore: 0.9, cost, parentCost: cost,
      loss: loss === null ? null : { loss, lower: loss - 1, upper: loss + 1, coverage: 0.95, rows: 30 },
    });
    const trained = await addVersion('smaller');
    const { modelId } = trained;
    const made = async (from: typeof trained, loss: number | null, atMost?: number | null) => addVersion('smaller', {}, true, placeInLine(measured(loss, atMost), from));
    const slightly = await made(trained, 0.3);
    await made(slightly, 0.3); // 3: half a point of its own, more than half in all
    await made(trained, -2); // 4: better
    await made(trained, null); // 5: nobody knows
    await made(trained, 0.3, 1.3); // 6: not sure to be within half a point
    const surely = await made(trained, 0.3, 0.4); // 7: sure
    await made(surely, 0, 0.2); // 8: not both together
    await made(trained, 0, null); // 9: too few rows
    expect((await champion(modelId, 3)).type).toBe('set'); // no policy yet
    await world.registry.deleteAlias(owner(), { modelId, alias: 'champion' });
    await world.registry.savePolicy(owner(), { ...policy, modelId, optimisedAtMostWorse: 0.5 });

    expect(await champion(modelId, 3)).toMatchObject({ type: 'gate-closed', message: expect.stringMatching(/0\.3 points of f1 against version 2, -0\.7 to 1\.3 with 95 % confidence; from version 1 on 0\.6 in all\. At most 0\.5/) });
    expect(await champion(modelId, 6)).toMatchObject({ type: 'gate-closed', message: expect.stringContaining('It may have lost up to 1.3.') });
    for (const number of [5, 8, 9]) expect((await champion(modelId, number)).type).toBe('gate-closed');
    for (const number of [2, 4, 7, 1]) expect((await champion(modelId, number)).type).toBe('set');
    // Traffic is no way around it.
    const endpointName = 'smaller';
    await world.registry.publish(owner(), { versionId: trained.id, endpointName });
    const rollouts = createRollouts({ database: world.db.database, logger: silentLogger });
    const [half, rest] = [3, 1].map((versionNumber) => ({ versionNumber, percent: 50 }));
    expect(await rollouts.setTraffic(owner(), { endpointName, traffic: [half!, rest!], mirror: [] })).toMatchObject({ type: 'conflict', code: 'gate_closed', field: 'traffic[0].versionNumber' });
    expect(await rollouts.setTraffic(owner(), { endpointName, traffic: [{ versionNumber: 1, percent: 100 }], mirror: [half!] })).toMatchObject({ type: 'set' });
    expect(await rollouts.start(owner(), { endpointName, versionNumber: 3 })).toMatchObject({ type: 'conflict', code: 'gate_closed' });
    // The policy is the way to let it through all the same.
    await world.registry.savePolicy(owner(), { ...policy, modelId, optimisedAtMostWorse: 0.7 });
    expect((await rollouts.start(owner(), { endpointName, versionNumber: 3 })).type).toBe('started');
    // One that came to be too much worse for a stricter policy gets no further.
    await world.registry.savePolicy(owner(), { ...policy, modelId, optimisedAtMostWorse: 0.5 });
    expect(await rollouts.promote(owner(), endpointName)).toMatchObject({ type: 'conflict', code: 'gate_closed' });
  });

  it('compares an optimised version with the champion that it was made from on the rows that both were measured on', async () => {
    const cost = { sizeBytes: 1, sizeGzBytes: 1, predTimeMsP50: 1 };
    const trained = await addVersion('halved', { f1: 0.94 });
    const { modelId } = trained;
    const beside = (score: number) => placeInLine({ steps: [{ method: 'quantise' }], metric: 'f1', score, parentScore: 0.9, cost, parentCost: cost, loss: null }, trained);
    await addVersion('halved', { f1: 0.9 }, true, beside(0.9)); // 2: answers as the champion does, and is known on fewer rows
    await addVersion('halved', { f1: 0.95 }, true, beside(0.88)); // 3: better by its own rows, worse on the same
    expect((await champion(modelId, 1)).type).toBe('set');
    await world.registry.savePolicy(owner(), { ...policy, modelId, gate: { metric: 'f1', atMostWorse: 0.01 } });
    expect(await champion(modelId, 3)).toMatchObject({ type: 'gate-closed', message: expect.stringContaining('has f1 0.88, the champion 0.9 on the same rows: that is 0.02 worse') });
    expect((await champion(modelId, 2)).type).toBe('set');
  });

  it('of no sense is refused', async () => {
    const { modelId } = await addVersion('gateless');
    for (const optimisedAtMostWorse of [-0.1, 101, NaN]) expect((await world.registry.savePolicy(owner(), { ...policy, modelId, optimisedAtMostWorse })).type).toBe('invalid');
    for (const gate of [{ metric: '', atMostWorse: 0 }, { metric: 'a b', atMostWorse: 0 }, { metric: 'f1', atMostWorse: NaN }]) {
      expect((await world.registry.savePolicy(owner(), { ...policy, modelId, gate })).type).toBe('invalid');
    }
    expect((await world.registry.savePolicy(owner(), { ...policy, modelId, keepVersions: 0 })).type).toBe('invalid');
    expect((await world.registry.savePolicy(owner(), { ...policy, modelId: newId('model') })).type).toBe('not-found');
  });
});

describe('the end of a version', () => {
  it('takes its package along, never its number, and nothing that an alias points to', async () => {
    const [first, second] = [await addVersion('ended'), await addVersion('ended')];
    await champion(first.modelId, 1);
    expect(await world.registry.deleteVersion(owner(), first.id)).toEqual({ type: 'in-use', aliases: ['champion'], endpoints: [] });
    expect(await world.registry.deleteVersion(owner(), second.id)).toEqual({ type: 'deleted', modelId: first.modelId, number: 2 });
    expect([await filesOf(first.id), await filesOf(second.id)]).toEqual([7, 0]);
    expect((await world.registry.deleteVersion(owner(), second.id)).type).toBe('not-found');
    expect((await addVersion('ended')).number).toBe(3);
  });

  it('comes to those that are too many, oldest first, by the model’s policy', async () => {
    const versions = [];
    for (let index = 0; index < 4; index++) versions.push(await addVersion('kept'));
    const { modelId } = versions[0]!;
    await champion(modelId, 1);
    expect(await world.registry.savePolicy(owner(), { ...policy, modelId, keepVersions: 2 })).toMatchObject({ type: 'saved', removed: 1 });
    expect(await numbersOf(modelId)).toEqual([1, 3, 4]);
    const fifth = await addVersion('kept');
    expect(await world.registry.retainBeside(tenant.tenantId, fifth.id)).toBe(1);
    expect(await numbersOf(modelId)).toEqual([1, 4, 5]);
    expect(await filesOf(versions[2]!.id)).toBe(0);
  });

  it('does not come to what a rollout is about, or its endpoint goes back to', async () => {
    const versions = [await addVersion('rolled'), await addVersion('rolled')];
    const { modelId } = versions[0]!;
    const rollouts = createRollouts({ database: world.db.database, logger: silentLogger });
    const alias = (name: string, versionNumber: number) => world.registry.setAlias(owner(), { modelId, alias: name, versionNumber });
    await alias('production', 1);
    await world.registry.createEndpoint(owner(), { name: 'rolled', modelId, alias: 'production' });
    expect((await rollouts.start(owner(), { endpointName: 'rolled', versionNumber: 2 })).type).toBe('started');
    versions.push(await addVersion('rolled'));
    await alias('production', 3); // nobody has looked at the rollout since
    expect(await world.registry.deleteVersion(owner(), versions[0]!.id)).toEqual({ type: 'in-use', aliases: [], endpoints: ['rolled'] });
    await alias('production', 1);
    expect((await rollouts.promote(owner(), 'rolled')).type).toBe('ended');
    expect(await world.registry.savePolicy(owner(), { ...policy, modelId, keepVersions: 1 })).toMatchObject({ type: 'saved', removed: 0 });
    await addVersion('rolled');
    expect(await world.registry.retainBeside(tenant.tenantId, (await addVersion('rolled')).id)).toBe(2);
    expect(await numbersOf(modelId)).toEqual([1, 2, 5]);
    expect((await rollouts.rollBack(owner(), 'rolled')).type).toBe('ended');
  });
});

it('words for models and versions are kept, or refused by name', async () => {
  const version = await addVersion('described');
  const tags = ['line=press-2', ' a ', 'a'];
  expect(await world.registry.describeModel(owner(), { modelId: version.modelId, description: ' Finds worn tools. ', tags })).toMatchObject({ subject: { description: 'Finds worn tools.', tags: ['a', 'line=press-2'] } });
  expect(await world.registry.describeModel(owner(), { modelId: version.modelId, tags: [] })).toMatchObject({ subject: { description: 'Finds worn tools.', tags: [] } });
  const describe = (input: object) => world.registry.describeVersion(owner(), { versionId: version.id, ...input });
  expect(await describe({ card: '# Card\r\nwith *words*\n' })).toMatchObject({ subject: { card: '# Card\nwith *words*' } });
  expect(await describe({ card: '' })).toMatchObject({ subject: { card: null } });
  for (const input of [{ tags: ['<b>'] }, { tags: Array.from({ length: 21 }, (_, at) => `t${at}`) }, { card: 'x'.repeat(70_000) }, { card: 'a\u0000' }]) {
    expect((await describe(input)).type).toBe('invalid');
  }
});
