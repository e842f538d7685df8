import { newId } from '@millrace/kernel';
import { buildPackage, type FittedPipeline, loadModel, SIGNATURE_FILE } from '@millrace/packaging';
import { createWorld, openInspection, type TenantInWorld, type World } from '@millrace/testkit';
import { pipeline } from '../test/sample-pipeline.ts';

let world: World;
let tenant: TenantInWorld;
beforeAll(async () => {
  world = await createWorld();
  tenant = await world.tenant();
});
afterAll(() => world.close());

/** Adds a version as the end of a run does. */
async function addVersion(owner: TenantInWorld, modelName: string, agrees = true, fitted = pipeline) {
  const datasetVersion = await owner.iris();
  const run = await owner.run(datasetVersion);
  const versionId = newId('modelVersion');
  const modelPackage = buildPackage(fitted, { metrics: {}, lineage: {} });
  await world.registry.storePackage(owner.tenantId, versionId, modelPackage);
  return world.db.database.forTenant(owner.tenantId).transaction(async (tx) => {
    const agreement = agrees
      ? ({ type: 'agrees', rows: 3, maxDifference: 0, tolerance: 1e-4 } as const)
      : ({ type: 'disagrees', rows: 3, maxDifference: 1, tolerance: 1e-4, differing: 1, first: { row: 0, pipeline: undefined, package: undefined }, message: 'They differ.' } as const);
    return world.registry.addVersion(tx, {
      tenantId: owner.tenantId, versionId, modelName, runId: run.id, datasetVersionId: datasetVersion.id, modelPackage, metrics: { accuracy: 1 }, agreement,
    });
  });
}

const publish = (versionId: string, endpointName: string) => world.registry.publish(tenant.owner.actor, { versionId, endpointName });

const aliasesOf = (modelId: string) =>
  world.db.database.forTenant(tenant.tenantId).transaction(async (tx) =>
    Object.fromEntries((await tx.modelAlias.findMany({ where: { modelId }, include: { version: true } })).map(({ name, version }) => [name, version.number])),
  );

describe('versions', () => {
  it('are numbered without gaps or twins, also when many end at once', async () => {
    const versions = await Promise.all(Array.from({ length: 5 }, () => addVersion(tenant, 'numbered')));
    expect(versions.map(({ number }) => number).sort()).toEqual([1, 2, 3, 4, 5]);
    expect(new Set(versions.map(({ modelId }) => modelId)).size).toBe(1);
  });

  it('carry a package that loads and predicts', async () => {
    const version = await addVersion(tenant, 'packed');
    const model = await loadModel(await world.registry.readPackage(version), { digest: version.packageSha256 });
    expect(model.signature.output.classes).toEqual(['no', 'yes']);
    await model.close();
  });

  it('leave as one file, which is signed on the way only where it is the package of before there were signatures', async () => {
    const version = await addVersion(tenant, 'leaving');
    const exporting = async () => {
      const exported = await world.registry.exportPackage(tenant.owner.actor, { modelId: version.modelId, versionNumber: version.number });
      const chunks: Uint8Array[] = [];
      for await (const chunk of exported!.content) chunks.push(chunk);
      return Buffer.concat(chunks);
    };
    const archive = await exporting();
    await world.storage.remove(`${version.packagePrefix}/${SIGNATURE_FILE}`);
    await expect(exporting()).rejects.toMatchObject({ name: 'DamagedPackageError', problems: [{ code: 'missing_signature', field: SIGNATURE_FILE }] });
    await world.db.asOwner('UPDATE model_versions SET signing_key_id = NULL WHERE id = $1', [version.id]);
    expect((await exporting()).equals(archive)).toBe(true);
    await world.storage.put(`${version.packagePrefix}/manifest.json`, Buffer.from('{}'));
    await expect(exporting()).rejects.toMatchObject({ name: 'DamagedPackageError', problems: [{ code: 'wrong_package', field: 'manifest.json' }] });
  });

  it('on which the engines disagree are FAILED and never served', async () => {
    const version = await addVersion(tenant, 'disagreeing', false);
    expect(version).toMatchObject({ status: 'FAILED', failure: expect.any(String) });
    expect((await publish(version.id, 'disagreeing')).type).toBe('version-not-ready');
    expect((await world.registry.setAlias(tenant.owner.actor, { modelId: version.modelId, alias: 'champion', versionNumber: 1 })).type).toBe('version-not-ready');
    expect(await world.registry.resolveEndpoint(tenant.tenantId, 'disagreeing')).toBeNull();
  });
});

describe('a model', () => {
  it('is for one task: a version of the other is refused, and nothing of it stays', async () => {
    const version = await addVersion(tenant, 'single-minded');
    const regression: FittedPipeline = {
      ...pipeline,
      target: { name: 'y', type: 'number', mean: 0, scale: 1 },
      estimator: { family: 'dense', layers: [{ activation: 'linear', inputs: 1, units: 1, kernel: Float32Array.of(1), bias: Float32Array.of(0) }] },
    };
    await expect(addVersion(tenant, 'single-minded', true, regression)).rejects.toThrow(/classification/);
    const numbers = await world.db.asOwner('SELECT number FROM model_versions WHERE model_id = $1', [version.modelId]);
    expect(numbers).toEqual([{ number: 1 }]);
  });
});

describe('publishing', () => {
  it('serves the new version, and remembers the one before as previous', async () => {
    const [first, second] = [await addVersion(tenant, 'press'), await addVersion(tenant, 'press')];
    expect((await publish(first.id, 'press')).type).toBe('published');
    expect(await aliasesOf(first.modelId)).toEqual({ champion: 1 });
    await publish(second.id, 'press');
    expect(await aliasesOf(first.modelId)).toEqual({ champion: 2, previous: 1 });
    await publish(second.id, 'press'); // again: nothing moves
    expect(await aliasesOf(first.modelId)).toEqual({ champion: 2, previous: 1 });
    expect((await world.registry.resolveEndpoint(tenant.tenantId, 'press'))!.version.number).toBe(2);
    expect((await world.registry.resolveEndpoint(tenant.tenantId, 'press', 1))!.version.number).toBe(1);
    expect(await world.registry.resolveEndpoint(tenant.tenantId, 'press', 3)).toBeNull();
    expect(await world.registry.listVersionNumbers(tenant.tenantId, 'press')).toEqual([1, 2]);
  });

  it('is true of an endpoint that follows another alias as well', async () => {
    const [first, second] = [await addVersion(tenant, 'drill'), await addVersion(tenant, 'drill')];
    await world.registry.setAlias(tenant.owner.actor, { modelId: first.modelId, alias: 'night-shift', versionNumber: 1 });
    await world.registry.createEndpoint(tenant.owner.actor, { name: 'drill-night', modelId: first.modelId, alias: 'night-shift' });
    expect((await publish(second.id, 'drill-night')).type).toBe('published');
    expect((await world.registry.resolveEndpoint(tenant.tenantId, 'drill-night'))!.version.number).toBe(2);
  });

  it('leaves everything as it was when the endpoint belongs to another model', async () => {
    const [one, other] = [await addVersion(tenant, 'lathe'), await addVersion(tenant, 'mill')];
    await publish(one.id, 'shared');
    expect(await publish(other.id, 'shared')).toEqual({ type: 'endpoint-of-other-model', name: 'shared' });
    expect(await aliasesOf(other.modelId)).toEqual({});
  });

  it('refuses names that do not fit in a URL, and people who may not', async () => {
    const version = await addVersion(tenant, 'named');
    for (const name of ['', '../x', 'a b', 'x'.repeat(64), 'ü', '.']) expect((await publish(version.id, name)).type).toBe('invalid');
    const viewer = await tenant.member('VIEWER');
    await expect(world.registry.publish(viewer.actor, { versionId: version.id, endpointName: 'named' })).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  it('finds a version missing that is deleted while it waits for its model', async () => {
    const own = await world.tenant();
    const version = await addVersion(own, 'fleeting');
    const inspection = await openInspection(world.db.urls.owner);
    const waiting = async () => (await inspection.query('SELECT 1 FROM pg_locks WHERE NOT granted')).length;
    let deleteIt = (): void => undefined;
    const isAsked = new Promise<void>((resolve) => (deleteIt = resolve));
    let locked = (): void => undefined;
    const isLocked = new Promise<void>((resolve) => (locked = resolve));
    const deleting = world.db.database.forTenant(own.tenantId).transaction(async (tx) => {
      await tx.$queryRaw`SELECT id FROM models WHERE tenant_id = ${own.tenantId} AND id = ${version.modelId} FOR UPDATE`;
      locked();
      await isAsked;
      await tx.modelVersion.deleteMany({ where: { tenantId: own.tenantId, id: version.id } });
    });
    await isLocked;
    const outcomes = [world.registry.publish(own.owner.actor, { versionId: version.id, endpointName: 'fleeting' }), world.registry.setAlias(own.owner.actor, { modelId: version.modelId, alias: 'spare', versionNumber: 1 })];
    while ((await waiting()) < 2);
    deleteIt();
    await deleting;
    await inspection.close();
    expect((await Promise.all(outcomes)).map(({ type }) => type)).toEqual(['not-found', 'not-found']);
  });

  it('knows another tenant’s version as little as a missing one', async () => {
    const other = await world.tenant();
    const version = await addVersion(other, 'secret');
    expect(await publish(version.id, 'x')).toEqual(await publish(newId('modelVersion'), 'x'));
    await world.registry.publish(other.owner.actor, { versionId: version.id, endpointName: 'secret' });
    expect(await world.registry.resolveEndpoint(tenant.tenantId, 'secret')).toBeNull();
  });
});

describe('aliases and endpoints', () => {
  it('keep an alias that an endpoint serves', async () => {
    const version = await addVersion(tenant, 'kept');
    const actor = tenant.owner.actor;
    await world.registry.setAlias(actor, { modelId: version.modelId, alias: 'shadow', versionNumber: 1 });
    const created = await world.registry.createEndpoint(actor, { name: 'kept', modelId: version.modelId, alias: 'shadow' });
    expect(created.type).toBe('created');
    expect(await world.registry.createEndpoint(actor, { name: 'kept', modelId: version.modelId, alias: 'shadow' })).toEqual({ type: 'name-taken', name: 'kept' });
    expect(await world.registry.deleteAlias(actor, { modelId: version.modelId, alias: 'shadow' })).toEqual({ type: 'in-use', endpoint: 'kept' });
    expect((await world.registry.deleteEndpoint(actor, 'kept')).type).toBe('deleted');
    expect((await world.registry.deleteAlias(actor, { modelId: version.modelId, alias: 'shadow' })).type).toBe('deleted');
    expect((await world.registry.deleteAlias(actor, { modelId: version.modelId, alias: 'shadow' })).type).toBe('not-found');
    expect((await world.registry.deleteEndpoint(actor, 'kept')).type).toBe('not-found');
  });

  it('refuse aliases and models that are not there', async () => {
    const version = await addVersion(tenant, 'there');
    const actor = tenant.owner.actor;
    expect((await world.registry.createEndpoint(actor, { name: 'e', modelId: version.modelId, alias: 'none' })).type).toBe('not-found');
    expect((await world.registry.createEndpoint(actor, { name: 'e', modelId: newId('model'), alias: 'champion' })).type).toBe('not-found');
    expect((await world.registry.setAlias(actor, { modelId: version.modelId, alias: 'champion', versionNumber: 9 })).type).toBe('not-found');
    expect((await world.registry.setAlias(actor, { modelId: version.modelId, alias: 'No Alias', versionNumber: 1 })).type).toBe('invalid');
  });

  it('say how they are served: what is left out stays, what is not possible is refused by field', async () => {
    const version = await addVersion(tenant, 'served');
    await publish(version.id, 'served');
    const { updateServing, resolveEndpoint } = world.registry;
    const actor = tenant.owner.actor;
    expect((await updateServing(actor, { endpointName: 'served', maxBatchRows: 8, idleSeconds: 60 })).type).toBe('updated');
    expect((await updateServing(actor, { endpointName: 'served', deadlineMs: 50, maxQueueDelayMs: 49 })).type).toBe('updated');
    expect((await resolveEndpoint(tenant.tenantId, 'served'))?.endpoint.serving).toEqual({ maxBatchRows: 8, maxQueueDelayMs: 49, deadlineMs: 50, idleSeconds: 60, recordDays: null });
    expect(await updateServing(actor, { endpointName: 'served', maxBatchRows: 0, maxQueueDelayMs: 1_001, deadlineMs: 9.5, idleSeconds: 59 })).toMatchObject({
      type: 'invalid', problems: ['maxBatchRows', 'maxQueueDelayMs', 'deadlineMs', 'idleSeconds'].map((field) => ({ field, code: 'unfit' })),
    });
    expect(await updateServing(actor, { endpointName: 'served', maxQueueDelayMs: 50 })).toMatchObject({ problems: [{ field: 'maxQueueDelayMs' }] });
    expect((await updateServing(actor, { endpointName: 'served', idleSeconds: null })).type).toBe('updated');
    expect((await updateServing(actor, { endpointName: 'none', maxBatchRows: 8 })).type).toBe('not-found');
    await expect(updateServing((await tenant.member('VIEWER')).actor, { endpointName: 'served', maxBatchRows: 8 })).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });
});
