import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import type { ModelImport } from '@millrace/database';
import { encodePng } from '@millrace/images';
import { newId, silentLogger } from '@millrace/kernel';
import { buildPackage, checkRows, type FittedPipeline, loadModel } from '@millrace/packaging';
import { createImportQueue } from '@millrace/registry';
import { createWorld, type TenantInWorld, type World } from '@millrace/testkit';
// eslint-disable-next-line @nx/enforce-module-boundaries -- the writer of foreign models belongs to the specs, not to the lib
import { int64, linear, model, tensor } from '../../../libs/packaging/test/foreign-model.ts';
// eslint-disable-next-line @nx/enforce-module-boundaries -- likewise
import { answerPlainly, classes, pictureWeights, softmaxOf, torchGraph } from '../../../libs/packaging/test/picture-model.ts';
import { startImportAttempt } from '../src/import-attempt.ts';
import { startImportLoop } from '../src/import-loop.ts';
import { importer } from './worker-world.ts';

let world: World;
let acme: TenantInWorld;
let rival: TenantInWorld;

const options = () => ({
  imports: createImportQueue({ database: world.db.workerDatabase, registry: world.registry }), registry: world.registry,
  storage: world.storage, logger: silentLogger, workDirectory: path.join(world.directory, 'work'), importer,
});

beforeAll(async () => {
  world = await createWorld();
  [acme, rival] = [await world.tenant(), await world.tenant()];
});
afterAll(() => world.close());

const pipeline: FittedPipeline = {
  features: [{ name: 'x', type: 'number', min: 0, max: 1, mean: 0.5, scale: 0.5, fill: 0.5, missingAllowed: false }],
  target: { name: 'y', type: 'category', classes: ['no', 'yes'] },
  estimator: { family: 'dense', layers: [{ activation: 'softmax', inputs: 1, units: 2, kernel: Float32Array.of(-1, 1), bias: Float32Array.of(0, 0) }] },
};

/** A version of Acme's, as a run leaves it. */
async function acmesVersion(name: string) {
  const datasetVersion = await acme.iris();
  const run = await acme.run(datasetVersion);
  const versionId = newId('modelVersion');
  const modelPackage = buildPackage(pipeline, { metrics: { test: { accuracy: 0.9 } }, lineage: { runId: run.id } });
  await world.registry.storePackage(acme.tenantId, versionId, modelPackage);
  return world.db.database.forTenant(acme.tenantId).transaction((tx) =>
    world.registry.addVersion(tx, {
      tenantId: acme.tenantId, versionId, modelName: name, runId: run.id, datasetVersionId: datasetVersion.id, modelPackage, metrics: { accuracy: 0.9 },
      agreement: { type: 'agrees', rows: 3, maxDifference: 0, tolerance: 1e-4 },
    }),
  );
}

async function bytesOf(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The files of a tar, by name. */
function readLayers(tar: Buffer): [name: string, content: Buffer][] {
  const entries: [string, Buffer][] = [];
  for (let at = 0; tar[at]; ) {
    const size = parseInt(tar.toString('latin1', at + 124, at + 135), 8);
    entries.push([tar.toString('latin1', at, at + 100).replace(/\0.*$/s, ''), tar.subarray(at + 512, at + 512 + size)]);
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return entries;
}

async function uploaded(owner: TenantInWorld, bytes: Uint8Array, filename = 'model.tar'): Promise<string> {
  const begun = await world.datasets.beginUpload(owner.owner.actor, { filename });
  if (begun.type !== 'begun') throw new Error(begun.type);
  const source = (async function* () {
    yield bytes;
  })();
  const received = await world.datasets.receiveUpload(owner.owner.actor, begun.upload.id, source, { maxBytes: 1e9, contentLength: bytes.byteLength });
  if (received.type !== 'complete') throw new Error(received.type);
  return begun.upload.id;
}

interface ImportInput {
  modelName: string;
  acceptUntrusted?: boolean;
  signature?: object;
  sampleRows?: object;
}

async function requested(owner: TenantInWorld, bytes: Uint8Array, input: ImportInput): Promise<ModelImport> {
  const outcome = await world.registry.requestImport(owner.owner.actor, { uploadId: await uploaded(owner, bytes), ...input });
  if (outcome.type !== 'requested') throw new Error(JSON.stringify(outcome));
  return outcome.modelImport;
}

const rowOf = (owner: TenantInWorld, id: string): Promise<ModelImport> =>
  world.db.database.forTenant(owner.tenantId).transaction((tx) => tx.modelImport.findUniqueOrThrow({ where: { id } }));

/** The import once a worker has ended it, and nothing of it is left in its work folder. */
async function imported(owner: TenantInWorld, bytes: Uint8Array, input: ImportInput, limits = { memoryMb: 1536, milliseconds: 60_000 }): Promise<ModelImport> {
  const { id } = await requested(owner, bytes, input);
  const held = (await options().imports.claim())!;
  expect(held.importId).toBe(id);
  await startImportAttempt(held, { ...options(), limits }).done;
  expect(await fs.readdir(path.join(world.directory, 'work'))).toEqual([]);
  return rowOf(owner, id);
}

/** As a whole worker does it: told of the file by the database. */
async function throughTheLoop(owner: TenantInWorld, bytes: Uint8Array, input: ImportInput): Promise<ModelImport> {
  const loop = await startImportLoop({ ...options(), database: world.db.workerDatabase });
  let onChange: () => void = () => undefined;
  const end = await world.db.database.listen('millrace_registry', () => onChange());
  try {
    const { id } = await requested(owner, bytes, input);
    for (;;) {
      const changed = new Promise<void>((resolve) => (onChange = resolve));
      const row = await rowOf(owner, id);
      if (row.status === 'SUCCEEDED' || row.status === 'FAILED') return row;
      await changed;
    }
  } finally {
    end();
    await loop.close();
  }
}

/** Ids of the versions whose packages lie in the store. */
const packagesOf = async (owner: TenantInWorld): Promise<string[]> => {
  const prefix = `tenants/${owner.tenantId}/packages/`;
  return [...new Set((await world.storage.list(prefix.slice(0, -1))).map(({ key }) => key.slice(prefix.length).split('/')[0]!))].sort();
};

const codesOf = (row: ModelImport): string[] => (row.problems as { code: string }[]).map(({ code }) => code);

async function predictionsOf(owner: TenantInWorld, versionId: string, rows: number[]): Promise<unknown> {
  const version = await world.db.database.forTenant(owner.tenantId).transaction((tx) => tx.modelVersion.findUniqueOrThrow({ where: { id: versionId } }));
  const key = await world.db.database.forTenant(owner.tenantId).transaction((tx) => tx.signingKey.findFirstOrThrow({ where: { keyId: version.signingKeyId! }, select: { publicKey: true } }));
  const loaded = await loadModel(await world.registry.readPackage(version), { digest: version.packageSha256, signer: key.publicKey });
  const checked = checkRows(loaded.signature, rows.map((x) => ({ x })));
  if (checked.type !== 'valid') throw new Error('rows');
  try {
    return await loaded.predict(checked.rows);
  } finally {
    await loaded.close();
  }
}

describe('a package of another installation', () => {
  let archive: Buffer;
  let versionId: string;
  beforeAll(async () => {
    const version = await acmesVersion('press');
    versionId = version.id;
    const exported = await world.registry.exportPackage(acme.owner.actor, { modelId: version.modelId, versionNumber: 1 });
    archive = await bytesOf(exported!.content);
    expect(archive.byteLength).toBe(exported!.sizeBytes);
    expect(exported!.filename).toBe('press-1.millrace.tar');
    const again = await world.registry.exportPackage(acme.owner.actor, { modelId: version.modelId, versionNumber: 1 });
    expect((await bytesOf(again!.content)).equals(archive)).toBe(true);
    const layers = await world.registry.exportLayers(acme.owner.actor, { modelId: version.modelId, versionNumber: 1 });
    const entries = readLayers(await bytesOf(layers!.content));
    expect([layers!.filename, entries.map(([name]) => name)]).toEqual(['press-1.tfjs.tar', ['model.json', 'weights.bin']]);
    expect(entries[1]![1].length).toBe(4 * (1 + 1 + 2 + 2)); // mean and variance of x, two weights, two biases
  });

  it('is refused while nobody trusts its key, and taken once an administrator does, with equal predictions', async () => {
    const refused = await imported(rival, archive, { modelName: 'press' });
    expect([refused.status, codesOf(refused)]).toEqual(['FAILED', ['untrusted_key']]);

    const key = await world.db.database.forTenant(acme.tenantId).transaction((tx) => tx.signingKey.findFirstOrThrow({ select: { publicKey: true } }));
    const engineer = await rival.member('ENGINEER');
    await expect(world.registry.trustKey(engineer.actor, { name: 'Acme', publicKey: key.publicKey })).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect((await world.registry.trustKey(rival.owner.actor, { name: 'Acme', publicKey: key.publicKey })).type).toBe('trusted');
    const row = await throughTheLoop(rival, archive, { modelName: 'press' });
    expect([row.status, row.problems]).toEqual(['SUCCEEDED', []]);
    const version = await world.db.database.forTenant(rival.tenantId).transaction((tx) => tx.modelVersion.findUniqueOrThrow({ where: { id: row.versionId! } }));
    const original = await world.db.database.forTenant(acme.tenantId).transaction((tx) => tx.modelVersion.findUniqueOrThrow({ where: { id: versionId } }));
    expect(version).toMatchObject({
      status: 'READY', source: 'PACKAGE', runId: null, packageSha256: original.packageSha256, metrics: { accuracy: 0.9 },
      provenance: { signer: { publicKey: key.publicKey, isTrusted: true, name: 'Acme' }, importedBy: `person:${rival.owner.actor.personId}` },
    });
    // Signed anew with the tenant's own key: what is served here is vouched for here.
    expect(version.signingKeyId).not.toBe(original.signingKeyId);
    expect(await predictionsOf(rival, version.id, [0, 0.3, 1])).toEqual(await predictionsOf(acme, versionId, [0, 0.3, 1]));
    expect((await world.registry.distrustKey(rival.owner.actor, original.signingKeyId!)).type).toBe('distrusted');
  });
});

describe('a plain ONNX file', () => {
  it('becomes a version that answers as its sample rows say', async () => {
    const bytes = model(linear());
    const row = await imported(acme, bytes, { modelName: 'wear', sampleRows: [{ inputs: { f0: 1, f1: 3 }, prediction: -0.5 }] });
    expect([row.status, row.problems]).toEqual(['SUCCEEDED', []]);
    const version = await world.db.database.forTenant(acme.tenantId).transaction((tx) => tx.modelVersion.findUniqueOrThrow({ where: { id: row.versionId! } }));
    expect(version).toMatchObject({
      status: 'READY', source: 'ONNX', family: 'onnx', agreement: { type: 'agrees', rows: 1 },
      provenance: { filename: 'model.tar', sha256: createHash('sha256').update(bytes).digest('hex'), producer: 'skl2onnx' },
    });
  });

  it('of pictures becomes a version that answers sample pictures as they say, or is refused by field', async () => {
    const picture = { width: 6, height: 5, channels: 3 as const, data: Uint8Array.from({ length: 90 }, (_, at) => (at * 53) % 256) };
    const probabilities = softmaxOf(answerPlainly(pictureWeights(3), picture, (channel, y, x) => picture.data[(y * 6 + x) * 3 + channel]! / 127.5 - 1));
    const prediction = classes[probabilities.indexOf(Math.max(...probabilities))]!;
    const sample = { inputs: { photo: { b64: Buffer.from(encodePng(picture)).toString('base64') } }, prediction, probabilities };
    const output = { name: 'part', type: 'category', classes, scores: 'logits' };
    const bytes = model(torchGraph(pictureWeights(3), ['batch_size', 3, 5, 6]), { producer: 'pytorch' });
    const row = await imported(acme, bytes, { modelName: 'parts', signature: { inputs: [{ name: 'photo', type: 'image', range: [-1, 1] }], output }, sampleRows: [sample] });
    expect([row.status, row.problems]).toEqual(['SUCCEEDED', []]);
    const version = await world.db.database.forTenant(acme.tenantId).transaction((tx) => tx.modelVersion.findUniqueOrThrow({ where: { id: row.versionId! } }));
    expect(version).toMatchObject({
      source: 'ONNX', family: 'onnx', agreement: { type: 'agrees', rows: 1 }, provenance: { producer: 'pytorch', speed: { rowsPerCall: expect.any(Number) } },
      signature: { inputs: [{ name: 'photo', type: 'image', width: 6, height: 5, channels: 3 }], output: { name: 'part', classes } },
    });
    const other = await imported(acme, bytes, { modelName: 'parts', signature: { inputs: [{ name: 'photo', type: 'image', range: [0, 1] }], output }, sampleRows: [sample] });
    expect(other.problems).toMatchObject([{ code: 'disagrees', field: 'sampleRows[0].prediction' }]);
  });

  it('that asks for more memory or time than it may have is stopped', async () => {
    const flood = linear({
      nodes: [{ op: 'Expand', in: ['x', 'much'], out: ['all'] }, { op: 'ReduceMax', in: ['all'], out: ['y'], attributes: { axes: { ints: [0, 2] }, keepdims: { i: 0 } } }],
      inputs: [{ name: 'x', shape: ['n', 1] }], outputs: [{ name: 'y', shape: ['n'] }], initializers: [tensor('much', 7, [3], int64(300_000_000, 1, 1))],
    });
    expect(codesOf(await imported(acme, model(flood), { modelName: 'flood' }, { memoryMb: 400, milliseconds: 60_000 }))).toEqual(['too_much_memory']);
    const slow = linear({
      nodes: [{ op: 'MatMul', in: ['x', 'w'], out: ['h0'] }, ...Array.from({ length: 4_000 }, (_, at) => ({ op: 'MatMul', in: [`h${at}`, 'big'], out: [`h${at + 1}`] })), { op: 'MatMul', in: ['h4000', 'v'], out: ['y'] }],
      initializers: [tensor('w', 1, [2, 1200], new Float32Array(2400)), tensor('big', 1, [1200, 1200], new Float32Array(1200 * 1200)), tensor('v', 1, [1200, 1], new Float32Array(1200))],
    });
    expect(codesOf(await imported(acme, model(slow), { modelName: 'slow' }, { memoryMb: 1536, milliseconds: 500 }))).toEqual(['took_too_long']);
  });
});

describe('the storage of an imported version', () => {
  let queue: ReturnType<typeof createImportQueue>;
  beforeAll(() => (queue = createImportQueue({ database: world.db.workerDatabase, registry: world.registry })));
  const used = async (owner: TenantInWorld) => (await world.quota.listCounters(owner.owner.actor)).find(({ resource }) => resource === 'STORAGE_BYTES')!.used;
  const limitTo = (owner: TenantInWorld, bytes: bigint) =>
    world.db.asOwner(`UPDATE quota_counters SET limit_value = $2 WHERE tenant_id = $1 AND resource = 'STORAGE_BYTES'`, [owner.tenantId, bytes]);
  const built = () => buildPackage(pipeline, { metrics: {}, lineage: {} });
  const { sizeBytes } = built();

  /** As an attempt does it, but for looking at the file. */
  async function ended(held: NonNullable<Awaited<ReturnType<typeof queue.claim>>>): Promise<string> {
    const versionId = newId('modelVersion');
    const holding = await queue.holdStorage(held, versionId, sizeBytes);
    if (holding.type !== 'held') return holding.type;
    const modelPackage = built();
    await world.registry.storePackage(held.tenantId, versionId, modelPackage);
    return queue.complete(held, { versionId, modelPackage, metrics: {}, agreement: { type: 'agrees', rows: 1, maxDifference: 0, tolerance: 1e-4 }, source: 'ONNX', provenance: {} });
  }

  it('is held before it is stored and kept until the version is gone, and goes over no limit, however many come at once', async () => {
    const owner = await world.tenant();
    for (let at = 0; at < 5; at++) await requested(owner, model(linear()), { modelName: `model-${at}` });
    const before = await used(owner);
    await limitTo(owner, before + BigInt(sizeBytes) * 3n - 1n); // room for two of five
    const held = [];
    for (let at = 0; at < 5; at++) held.push((await queue.claim())!);
    expect((await Promise.all(held.map(ended))).sort()).toEqual(['recorded', 'recorded', 'refused', 'refused', 'refused']);
    expect(await used(owner)).toBe(before + BigInt(sizeBytes) * 2n);
    const [first, second, ...others] = await packagesOf(owner);
    expect(others).toEqual([]);
    expect((await world.registry.deleteVersion(owner.owner.actor, first!)).type).toBe('deleted');
    expect([await used(owner), await packagesOf(owner)]).toEqual([before + BigInt(sizeBytes), [second]]);
  });

  it('that is not to be had is a refusal by name, and nothing is stored', async () => {
    const owner = await world.tenant();
    const { id } = await requested(owner, model(linear()), { modelName: 'full' });
    await limitTo(owner, await used(owner));
    await startImportAttempt((await queue.claim())!, { ...options(), limits: { memoryMb: 1536, milliseconds: 60_000 } }).done;
    const row = await rowOf(owner, id);
    expect([row.status, codesOf(row), row.versionId, await packagesOf(owner)]).toEqual(['FAILED', ['quota_exceeded'], null, []]);
  });

  it('of a worker that died over it is given back, with the package, when the file is handed out again', async () => {
    const owner = await world.tenant();
    const { id } = await requested(owner, model(linear()), { modelName: 'dying' });
    const before = await used(owner);
    const dying = (await queue.claim())!;
    const versionId = newId('modelVersion');
    expect(await queue.holdStorage(dying, versionId, sizeBytes)).toEqual({ type: 'held' });
    await world.registry.storePackage(owner.tenantId, versionId, built());
    expect([await used(owner), await packagesOf(owner)]).toEqual([before + BigInt(sizeBytes), [versionId]]);
    await world.db.asOwner(`UPDATE model_imports SET lease_until = now() - interval '1 second' WHERE id = $1`, [id]);
    const next = (await queue.claim())!;
    expect([next.importId, await used(owner), await packagesOf(owner)]).toEqual([id, before, []]);
    expect(await queue.holdStorage(dying, newId('modelVersion'), sizeBytes)).toEqual({ type: 'lost' });
    expect([await ended(next), await used(owner)]).toEqual(['recorded', before + BigInt(sizeBytes)]);
  });
});

it('what is said of a model holds no NUL', async () => {
  const uploadId = await uploaded(rival, model(linear()));
  expect(await world.registry.requestImport(rival.owner.actor, { uploadId, modelName: 'nul', signature: { inputs: [{ name: 'a\0', type: 'number' }] } })).toMatchObject({
    type: 'invalid', problems: [{ code: 'unfit_text', field: 'signature.inputs.0.name' }],
  });
});

it('a file in the hands of a worker that died is handed out again, three times in all', async () => {
  const { id } = await requested(acme, model(linear()), { modelName: 'orphan' });
  const queue = createImportQueue({ database: world.db.workerDatabase, registry: world.registry });
  const expire = () => world.db.asOwner(`UPDATE model_imports SET lease_until = now() - interval '1 second' WHERE id = $1`, [id]);
  const first = (await queue.claim())!;
  expect(await queue.claim()).toBeNull();
  await expire();
  const second = (await queue.claim())!;
  await queue.refuse(first, [{ code: 'late', field: 'f', message: 'm', remedy: 'r' }]); // has lost it: changes nothing
  expect((await world.db.asOwner('SELECT status FROM model_imports WHERE id = $1', [id]))[0]).toMatchObject({ status: 'RUNNING' });
  expect(second.token).not.toBe(first.token);
  for (let attempt = 2; attempt <= 3; attempt++) {
    await expire();
    await queue.claim();
  }
  expect((await world.db.asOwner('SELECT status, problems FROM model_imports WHERE id = $1', [id]))[0]).toMatchObject({ status: 'FAILED', problems: [{ code: 'import_interrupted' }] });
});
