import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Actor } from '@millrace/auth';
import { DomainError, newId } from '@millrace/kernel';
import { createQuota, type Quota } from '@millrace/quota';
import { type ArtefactStore, createFileStore } from '@millrace/storage';
import { createTestDatabase, type TestDatabase } from '@millrace/testkit';
import { createDatasets, type Datasets, readTable, uploadRefusalCodes } from './index.ts';

let test: TestDatabase;
let root: string;
let storage: ArtefactStore;
let quota: Quota;
let datasets: Datasets;
let tenantId: string;
let engineer: Actor;

const engineerOf = (tenant: string): Actor => ({ type: 'person', tenantId: tenant, personId: newId('person'), sessionId: newId('session'), role: 'ENGINEER' });
const newTenant = async (): Promise<string> => {
  const id = newId('tenant');
  await test.database.system().transaction((tx) => tx.tenant.create({ data: { id, slug: id.replace('_', '-'), name: 'Acme' } }));
  return id;
};

beforeAll(async () => {
  test = await createTestDatabase();
  root = await mkdtemp(path.join(os.tmpdir(), 'millrace-datasets-db-'));
  storage = createFileStore({ root });
  quota = createQuota({ database: test.database });
  datasets = createDatasets({ database: test.database, storage, quota });
});
afterAll(async () => {
  await test.close();
  await rm(root, { recursive: true, force: true });
});
beforeEach(async () => {
  tenantId = await newTenant();
  engineer = engineerOf(tenantId);
});

async function* bytes(...parts: (string | Error)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Error) throw part;
    yield Buffer.from(part);
  }
}

const maxBytes = 1_000_000;
const table = 'x,y,label\n1,2,a\n3,4,b\n5,,a\n';

async function begin(actor: Actor = engineer, filename = 'data.csv'): Promise<string> {
  const outcome = await datasets.beginUpload(actor, { filename, mediaType: 'text/csv' });
  if (outcome.type !== 'begun') throw new Error(outcome.type);
  return outcome.upload.id;
}

async function upload(content: string | Uint8Array, actor: Actor = engineer): Promise<string> {
  const id = await begin(actor);
  const source = typeof content === 'string' ? bytes(content) : (async function* () { yield content; })();
  expect(await datasets.receiveUpload(actor, id, source, { maxBytes })).toMatchObject({ type: 'complete' });
  return id;
}

const uploadRow = (id: string) => test.database.forTenant(tenantId).transaction((tx) => tx.upload.findUniqueOrThrow({ where: { id } }));
const storedKeys = async (): Promise<string[]> => (await storage.list(`tenants/${tenantId}`)).map((one) => one.key);
const storedBytes = async (): Promise<number> => (await storage.list(`tenants/${tenantId}`)).reduce((sum, one) => sum + one.sizeBytes, 0);
const usedBytes = async (): Promise<number> => Number((await quota.listCounters(engineer)).find((one) => one.resource === 'STORAGE_BYTES')!.used);
const limitBytes = (limit: number) =>
  test.asOwner(`INSERT INTO quota_counters (tenant_id, resource, limit_value) VALUES ($1, 'STORAGE_BYTES', $2)
    ON CONFLICT (tenant_id, resource) DO UPDATE SET limit_value = $2`, [tenantId, limit]);
const limitTables = (rows: number, columns: number, fileMb: number | null = null) =>
  test.asOwner(`INSERT INTO tenant_table_limits (tenant_id, rows, columns, file_mb) VALUES ($1, $2, $3, $4)
    ON CONFLICT (tenant_id) DO UPDATE SET rows = $2, columns = $3, file_mb = $4`, [tenantId, rows, columns, fileMb]);
const auditTrail = () =>
  test.asOwner<{ action: string; result: string }>('SELECT action, result FROM audit_events WHERE tenant_id = $1 ORDER BY id', [tenantId]);

describe('An upload', () => {
  it('is PENDING, then COMPLETE with size and digest, its bytes in the store and counted once', async () => {
    const id = await begin();
    expect(await uploadRow(id)).toMatchObject({ status: 'PENDING', filename: 'data.csv', mediaType: 'text/csv', createdBy: expect.stringContaining('per_') });
    const outcome = await datasets.receiveUpload(engineer, id, bytes('hello ', 'world'), { maxBytes, contentLength: 11 });
    expect(outcome).toMatchObject({
      type: 'complete',
      upload: { id, status: 'COMPLETE', sizeBytes: 11n, sha256: 'b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9', failure: null },
    });
    const row = await uploadRow(id);
    expect(Buffer.from(await storage.read(row.objectKey!)).toString()).toBe('hello world');
    expect(row.completedAt).toBeInstanceOf(Date);
    expect(await usedBytes()).toBe(11);
    expect(await auditTrail()).toEqual([{ action: 'upload.begin', result: 'ok' }, { action: 'upload.receive', result: 'ok' }]);
  });

  const failures: [string, () => AsyncIterable<Uint8Array>, object, object, RegExp][] = [
    ['is cut off half way', () => bytes('half', new Error('aborted')), {}, { type: 'incomplete', receivedBytes: 4 }, /broke off after 4 bytes/],
    ['is shorter than announced', () => bytes('half'), { contentLength: 8 }, { type: 'incomplete', receivedBytes: 4, expectedBytes: 8 }, /4 of 8 bytes/],
    ['grows over the cap', () => bytes('12345', '67890', '1'), { maxBytes: 10 }, { type: 'too-large', limitBytes: 10 }, /larger than the 10 bytes/],
    ['is announced over the cap', () => bytes('12345678901'), { maxBytes: 10, contentLength: 11 }, { type: 'too-large', limitBytes: 10 }, /larger than the 10 bytes/],
    ['has another digest than announced', () => bytes('wrong'), { sha256: '0'.repeat(64) }, { type: 'digest-mismatch' }, /announced/],
  ];
  it.each(failures)('that %s is FAILED with the reason, leaves nothing, and can be sent again', async (_name, source, options, expected, failure) => {
    const id = await begin();
    expect(await datasets.receiveUpload(engineer, id, source(), { maxBytes, ...options })).toMatchObject({ ...expected, remedy: expect.stringMatching(/\.$/) });
    expect(await uploadRow(id)).toMatchObject({ status: 'FAILED', objectKey: null, failure: expect.stringMatching(failure) });
    expect(await storedKeys()).toEqual([]);
    expect(await usedBytes()).toBe(0);

    expect(await datasets.receiveUpload(engineer, id, bytes('good'), { maxBytes })).toMatchObject({ type: 'complete', upload: { failure: null } });
    expect(await usedBytes()).toBe(4);
    const code = uploadRefusalCodes[(expected as { type: keyof typeof uploadRefusalCodes }).type];
    expect((await auditTrail()).map((line) => line.result)).toEqual(['ok', code, 'ok']);
  });

  it('is received once: later attempts are told so, and change nothing', async () => {
    const id = await upload(table);
    const before = await uploadRow(id);
    expect(await datasets.receiveUpload(engineer, id, bytes('other'), { maxBytes })).toMatchObject({ type: 'already-complete', upload: { sha256: before.sha256 } });
    expect(await uploadRow(id)).toEqual(before);
    expect(await storedBytes()).toBe(table.length);
  });

  it('that is sent several times at once is received once, and the losers leave nothing', async () => {
    const id = await begin();
    const outcomes = await Promise.all(Array.from({ length: 5 }, (_, i) => datasets.receiveUpload(engineer, id, bytes(`attempt ${i}`), { maxBytes })));
    expect(outcomes.map((outcome) => outcome.type).sort()).toEqual(['already-complete', 'already-complete', 'already-complete', 'already-complete', 'complete']);
    expect(await storedKeys()).toEqual([(await uploadRow(id)).objectKey]);
    expect(await usedBytes()).toBe(9);
  });

  it('over the quota is refused before its bytes are taken, saying which limit fired', async () => {
    await limitBytes(100);
    const id = await begin();
    let asked = false;
    const source = (async function* () { asked = true; yield Buffer.alloc(101); })();
    expect(await datasets.receiveUpload(engineer, id, source, { maxBytes, contentLength: 101 })).toMatchObject({
      type: 'quota-exceeded', resource: 'STORAGE_BYTES', limit: 100n, requested: 101n,
    });
    expect(asked).toBe(false);
    expect(await uploadRow(id)).toMatchObject({ status: 'FAILED' });
    expect(await datasets.receiveUpload(engineer, id, bytes('x'.repeat(100)), { maxBytes, contentLength: 100 })).toMatchObject({ type: 'complete' });
    expect(await usedBytes()).toBe(100);
  });

  it('never gets the tenant over the quota, however many come at once', async () => {
    await limitBytes(100);
    const ids = await Promise.all(Array.from({ length: 10 }, () => begin()));
    const outcomes = await Promise.all(ids.map((id) => datasets.receiveUpload(engineer, id, bytes('x'.repeat(30)), { maxBytes, contentLength: 30 })));
    expect(outcomes.filter((outcome) => outcome.type === 'complete')).toHaveLength(3);
    expect(outcomes.filter((outcome) => outcome.type === 'quota-exceeded')).toHaveLength(7);
    expect(await usedBytes()).toBe(90);
  });

  it('gives its reservation back when the store fails', async () => {
    const full: ArtefactStore = { ...storage, put: () => Promise.reject(new DomainError('UNAVAILABLE', 'The artefact store has no space left.')) };
    const failing = createDatasets({ database: test.database, storage: full, quota });
    const id = await begin();
    await expect(failing.receiveUpload(engineer, id, bytes('x'), { maxBytes })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await uploadRow(id)).toMatchObject({ status: 'FAILED', failure: 'The file could not be stored.' });
    expect(await usedBytes()).toBe(0);
    expect(await datasets.receiveUpload(engineer, id, bytes('x'), { maxBytes })).toMatchObject({ type: 'complete' });
  });

  it('of no bytes is complete, counts nothing, and makes no data set', async () => {
    const id = await upload('');
    expect(await usedBytes()).toBe(0);
    expect(await datasets.createDataset(engineer, { name: 'nothing', uploadId: id })).toMatchObject({ type: 'rejected-file', problems: [{ code: 'empty_file' }] });
  });

  it('whose process was killed holds its reservation for a day, then the next upload frees it with its file', async () => {
    const id = await begin();
    const abandon = async (subject: string, key: string): Promise<void> => {
      await storage.put(key, Buffer.from('orphan'));
      await test.database.forTenant(tenantId).transaction((tx) => quota.reserve(tx, tenantId, { resource: 'STORAGE_BYTES', amount: 6n, subject }));
    };
    const version = newId('datasetVersion');
    await abandon(`${id}/0123456789abcdef`, `tenants/${tenantId}/uploads/${id}/0123456789abcdef`);
    await abandon(version, `tenants/${tenantId}/datasets/${version}/table.parquet`);
    await begin();
    expect(await usedBytes()).toBe(12);
    await test.asOwner(`UPDATE reservations SET created_at = now() - interval '25 hours' WHERE tenant_id = $1`, [tenantId]);
    await begin();
    expect(await usedBytes()).toBe(0);
    expect(await storedKeys()).toEqual([]);
  });

  it.each([
    ['filename', { filename: '' }], ['filename', { filename: 'a\0.csv' }], ['filename', { filename: 'x'.repeat(256) }],
    ['filename', { filename: 'a\u202Evsc.exe' }], ['filename', { filename: '\ud800' }], ['mediaType', { filename: 'a.csv', mediaType: 'text\r\nx' }],
  ])('is refused for its %s: %j', async (field, input) => {
    expect(await datasets.beginUpload(engineer, input)).toMatchObject({ type: 'invalid', problems: [{ field }] });
  });

  it('may be called anything visible: its name is never a path', async () => {
    const id = await begin(engineer, '../../etc/passwd; größe 📈.csv');
    expect(await uploadRow(id)).toMatchObject({ filename: '../../etc/passwd; größe 📈.csv' });
    await datasets.receiveUpload(engineer, id, bytes(table), { maxBytes });
    expect(await storedKeys()).toEqual([expect.stringMatching(new RegExp(`^tenants/${tenantId}/uploads/${id}/[0-9a-f]{16}$`))]);
  });
});

describe('A data set', () => {
  it('is made of a complete upload: version 1, typed, profiled, stored as Parquet with its digest, and counted', async () => {
    const uploadId = await upload(await readFile(path.join(import.meta.dirname, '../../testkit/data/iris.csv')));
    const outcome = await datasets.createDataset(engineer, { name: '  Iris ', description: 'flowers', uploadId });
    if (outcome.type !== 'created') throw new Error(JSON.stringify(outcome));
    const { dataset, version } = outcome;
    expect(dataset).toMatchObject({ tenantId, name: 'Iris', description: 'flowers', createdBy: expect.stringContaining('per_') });
    expect(version).toMatchObject({ datasetId: dataset.id, number: 1, uploadId, rowCount: 150, columnCount: 5, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(await usedBytes()).toBe(await storedBytes());
    expect((await storage.stat(version.objectKey))!.sizeBytes).toBe(Number(version.sizeBytes));

    const tenant = test.database.forTenant(tenantId);
    const view = await tenant.transaction((tx) => datasets.findVersion(tx, tenant.tenantId, version.id));
    expect(view).toMatchObject({ id: version.id, number: 1, rowCount: 150, profile: { columns: [{ name: 'sepal length (cm)', type: 'number', distinct: 35 }, {}, {}, {}, { name: 'species', type: 'category' }], warnings: [{ code: 'duplicate_rows' }] } });
    const species = await datasets.withTable(tenant, version.id, (parquet, { id }) => {
      expect(id).toBe(version.id);
      return readTable(parquet, [{ name: 'species', type: 'category' }]);
    });
    expect(new Set(species.columns[0]!.values)).toEqual(new Set(['setosa', 'versicolor', 'virginica']));
    expect((await auditTrail()).at(-1)).toEqual({ action: 'dataset.create', result: 'ok' });
  });

  it('keeps its files for good: what is complete isn’t cleared away as abandoned', async () => {
    const created = await datasets.createDataset(engineer, { name: 'kept', uploadId: await upload(table) });
    if (created.type !== 'created') throw new Error(created.type);
    await test.asOwner(`UPDATE reservations SET created_at = now() - interval '25 hours' WHERE tenant_id = $1`, [tenantId]);
    const [keys, used] = [await storedKeys(), await usedBytes()];
    await begin();
    expect(keys).toHaveLength(2);
    expect(await storedKeys()).toEqual(keys);
    expect(await usedBytes()).toBe(used);
  });

  it('takes the column types that the user chose', async () => {
    const uploadId = await upload(table);
    const outcome = await datasets.createDataset(engineer, { name: 'typed', uploadId, columnTypes: { x: 'category' } });
    expect(outcome).toMatchObject({ type: 'created', version: { profile: { columns: [{ name: 'x', type: 'category' }, { name: 'y', type: 'number' }, { name: 'label', type: 'binary' }] } } });
    expect(await datasets.createDataset(engineer, { name: 'typed 2', uploadId, columnTypes: { label: 'number' } })).toMatchObject({
      type: 'rejected-file', problems: [{ code: 'type_mismatch', field: 'label' }],
    });
  });

  it('isn’t made of a bad file: the problems are told, no row and no Parquet remain, and the next good one works', async () => {
    const before = await upload('a,b\n1,2\n3\n');
    const used = await usedBytes();
    expect(await datasets.createDataset(engineer, { name: 'bad', uploadId: before })).toMatchObject({
      type: 'rejected-file', problems: [{ code: 'ragged_row', field: 'file', row: 3 }],
    });
    expect(await usedBytes()).toBe(used);
    expect(await storedKeys()).toHaveLength(1);
    expect(await datasets.createDataset(engineer, { name: 'bad', uploadId: await upload(table) })).toMatchObject({ type: 'created' });
    expect((await readdir(os.tmpdir())).filter((name) => name.startsWith(`millrace-table-${process.pid}-`))).toEqual([]);
  });

  it('needs a complete upload of the same tenant', async () => {
    const stranger = engineerOf(await newTenant());
    const theirs = await upload(table, stranger);
    const create = (uploadId: string) => datasets.createDataset(engineer, { name: 'x', uploadId });
    expect(await create(theirs)).toEqual({ type: 'upload-not-found' });
    expect(await create(newId('upload'))).toEqual({ type: 'upload-not-found' });
    expect(await create('../x')).toEqual({ type: 'upload-not-found' });
    const pending = await begin();
    expect(await create(pending)).toMatchObject({ type: 'upload-not-complete', message: expect.stringContaining('No file'), remedy: expect.any(String) });
    await datasets.receiveUpload(engineer, pending, bytes('half', new Error('cut')), { maxBytes });
    expect(await create(pending)).toMatchObject({ type: 'upload-not-complete', message: expect.stringContaining('broke off') });
  });

  it('has a name of its own in its tenant, also when several are made at once, and the losers leave nothing', async () => {
    const uploadId = await upload(table);
    const outcomes = await Promise.all(Array.from({ length: 5 }, () => datasets.createDataset(engineer, { name: 'same', uploadId })));
    expect(outcomes.map((outcome) => outcome.type).sort()).toEqual(['created', 'name-taken', 'name-taken', 'name-taken', 'name-taken']);
    expect(await storedKeys()).toHaveLength(2);
    expect(await usedBytes()).toBe(await storedBytes());
    expect(await datasets.createDataset(engineer, { name: 'same', uploadId })).toMatchObject({ type: 'name-taken', name: 'same' });
    const stranger = engineerOf(await newTenant());
    expect(await datasets.createDataset(stranger, { name: 'same', uploadId: await upload(table, stranger) })).toMatchObject({ type: 'created' });
  });

  it.each([['name', { name: ' ' }], ['name', { name: 'x'.repeat(101) }], ['name', { name: 'a\u202Eb' }], ['description', { name: 'x', description: 'y'.repeat(2001) }]])(
    'is refused for its %s: %j',
    async (field, input) => {
      expect(await datasets.createDataset(engineer, { ...input, uploadId: newId('upload') })).toMatchObject({ type: 'invalid', problems: [{ field }] });
    },
  );

  it('whose Parquet doesn’t fit the quota isn’t made, and its Parquet isn’t kept', async () => {
    const uploadId = await upload(table);
    await limitBytes((await usedBytes()) + 10);
    expect(await datasets.createDataset(engineer, { name: 'x', uploadId })).toMatchObject({ type: 'quota-exceeded', resource: 'STORAGE_BYTES' });
    expect(await storedKeys()).toHaveLength(1);
    expect(await usedBytes()).toBe(table.length);
  });

  it('gets further versions, numbered in turn also when added at once, and keeps the earlier ones', async () => {
    const created = await datasets.createDataset(engineer, { name: 'growing', uploadId: await upload(table) });
    if (created.type !== 'created') throw new Error(created.type);
    const datasetId = created.dataset.id;
    const uploadId = await upload(`${table}7,8,b\n`);
    const processes = Array.from({ length: 6 }, () => createDatasets({ database: test.database, storage, quota }));
    const outcomes = await Promise.all(processes.map((process) => process.addVersion(engineer, { datasetId, uploadId })));
    expect(outcomes.map((outcome) => outcome.type === 'added' && outcome.version.number).sort()).toEqual([2, 3, 4, 5, 6, 7]);
    const tenant = test.database.forTenant(tenantId);
    expect((await datasets.withTable(tenant, created.version.id, (parquet) => readTable(parquet))).rows).toBe(3);
    expect(await usedBytes()).toBe(await storedBytes());
    expect((await auditTrail()).at(-1)).toEqual({ action: 'dataset.add_version', result: 'ok' });
  });

  it('of another tenant gets no version, like a missing one', async () => {
    const created = await datasets.createDataset(engineer, { name: 'mine', uploadId: await upload(table) });
    if (created.type !== 'created') throw new Error(created.type);
    const stranger = engineerOf(await newTenant());
    const uploadId = await upload(table, stranger);
    expect(await datasets.addVersion(stranger, { datasetId: created.dataset.id, uploadId })).toEqual({ type: 'dataset-not-found' });
    expect(await datasets.addVersion(stranger, { datasetId: newId('dataset'), uploadId })).toEqual({ type: 'dataset-not-found' });
    const theirs = test.database.forTenant(stranger.tenantId);
    for (const versionId of [created.version.id, newId('datasetVersion'), 'x']) {
      expect(await theirs.transaction((tx) => datasets.findVersion(tx, theirs.tenantId, versionId))).toBeNull();
      await expect(datasets.withTable(theirs, versionId, async () => 'read')).rejects.toMatchObject({ code: 'NOT_FOUND', message: 'There is no such data set version.' });
    }
  });
});

describe('Whoever lacks dataset:write', () => {
  it('is refused by every verb that writes, before anything is looked at', async () => {
    const viewer: Actor = { ...(engineer as Actor & { type: 'person' }), role: 'VIEWER' };
    const key: Actor = { type: 'key', tenantId, keyId: newId('apiKey'), scopes: ['PREDICT', 'READ'], models: [] };
    const uploadId = await begin();
    for (const actor of [viewer, key]) {
      await expect(datasets.beginUpload(actor, { filename: '' })).rejects.toMatchObject({ code: 'FORBIDDEN' });
      await expect(datasets.receiveUpload(actor, uploadId, bytes('x'), { maxBytes })).rejects.toMatchObject({ code: 'FORBIDDEN' });
      await expect(datasets.createDataset(actor, { name: '', uploadId })).rejects.toMatchObject({ code: 'FORBIDDEN' });
      await expect(datasets.addVersion(actor, { datasetId: 'x', uploadId })).rejects.toMatchObject({ code: 'FORBIDDEN' });
    }
  });

  it('may not send to another tenant’s upload, which looks like a missing one', async () => {
    const uploadId = await begin();
    const stranger = engineerOf(await newTenant());
    expect(await datasets.receiveUpload(stranger, uploadId, bytes('x'), { maxBytes })).toEqual({ type: 'upload-not-found' });
    expect(await datasets.receiveUpload(stranger, newId('upload'), bytes('x'), { maxBytes })).toEqual({ type: 'upload-not-found' });
    expect(await datasets.receiveUpload(stranger, `upl_${randomBytes(4).toString('hex')}`, bytes('x'), { maxBytes })).toEqual({ type: 'upload-not-found' });
    expect(await uploadRow(uploadId)).toMatchObject({ status: 'PENDING' });
  });
});

describe('A data set that grows, is corrected and goes', () => {
  const typesOf = (version: { profile: unknown }) =>
    Object.fromEntries((version.profile as { columns: { name: string; type: string }[] }).columns.map(({ name, type }) => [name, type]));

  async function made(content: string): Promise<{ datasetId: string; uploadId: string; versionId: string }> {
    const uploadId = await upload(content);
    const outcome = await datasets.createDataset(engineer, { name: newId('dataset'), uploadId });
    if (outcome.type !== 'created') throw new Error(JSON.stringify(outcome));
    return { datasetId: outcome.dataset.id, uploadId, versionId: outcome.version.id };
  }
  const cellsOf = (versionId: string) =>
    datasets.withTable(test.database.forTenant(tenantId), versionId, async (parquet) => Object.fromEntries((await readTable(parquet)).columns.map(({ name, values }) => [name, [...values]])));

  it('takes the rows of a file below its own, columns in any order, as a version with its parent', async () => {
    const { datasetId, versionId } = await made(table);
    const outcome = await datasets.appendRows(engineer, { datasetId, uploadId: await upload('label;y;x\nb;7;8\na;;9\n') });
    if (outcome.type !== 'added') throw new Error(JSON.stringify(outcome));
    expect(outcome.version).toMatchObject({ number: 2, origin: 'APPEND', parentId: versionId, rowCount: 5 });
    expect(await cellsOf(outcome.version.id)).toEqual({ x: [1, 3, 5, 8, 9], y: [2, 4, NaN, 7, NaN], label: ['a', 'b', 'a', 'b', 'a'] });
    expect((await cellsOf(versionId))['x']).toEqual([1, 3, 5]);
    // And once more, on top of that.
    const third = await datasets.appendRows(engineer, { datasetId, uploadId: await upload('x,y,label\n0,0,b\n') });
    if (third.type !== 'added') throw new Error(JSON.stringify(third));
    expect((await cellsOf(third.version.id))['x']).toEqual([1, 3, 5, 8, 9, 0]);
    expect(await usedBytes()).toBe(await storedBytes());
  });

  it('refuses rows of other columns or of cells that don’t fit, and keeps nothing of them', async () => {
    const { datasetId } = await made(table);
    expect(await datasets.appendRows(engineer, { datasetId, uploadId: await upload('x,z,label\n1,2,a\n') })).toMatchObject({
      type: 'rejected-file', problems: [{ code: 'column_missing', field: 'y' }, { code: 'unknown_column', field: 'z' }],
    });
    expect(await datasets.appendRows(engineer, { datasetId, uploadId: await upload('x,y,label\n1,2,c\n') })).toMatchObject({ type: 'rejected-file', problems: [{ code: 'type_mismatch', field: 'label' }] });
    expect(await datasets.appendRows(engineer, { datasetId, uploadId: await upload('x,y,label\n1,two,a\n') })).toMatchObject({
      type: 'rejected-file', problems: [{ code: 'type_mismatch', field: 'y', message: expect.stringMatching(/^Data row 4: “two”/) }],
    });
    expect(await datasets.appendRows(engineer, { datasetId: newId('dataset'), uploadId: await upload(table) })).toEqual({ type: 'dataset-not-found' });
    expect(await usedBytes()).toBe(await storedBytes());
  });

  it('has its types corrected from its files, not from what was made of them, and keeps them when it grows', async () => {
    const { datasetId, versionId } = await made('code,n,label\n007,1,a\n012,2,b\n3,3,a\n');
    const corrected = await datasets.correctColumnTypes(engineer, { datasetId, columnTypes: { code: 'number', n: 'category' } });
    if (corrected.type !== 'added') throw new Error(JSON.stringify(corrected));
    expect(corrected.version).toMatchObject({ number: 2, origin: 'TYPES', parentId: versionId });
    expect(typesOf(corrected.version)).toEqual({ code: 'number', n: 'category', label: 'binary' });
    const appended = await datasets.appendRows(engineer, { datasetId, uploadId: await upload('code,n,label\n004,4,b\n') });
    if (appended.type !== 'added') throw new Error(JSON.stringify(appended));
    expect(await cellsOf(appended.version.id)).toEqual({ code: [7, 12, 3, 4], n: ['1', '2', '3', '4'], label: ['a', 'b', 'a', 'b'] });
    const back = await datasets.correctColumnTypes(engineer, { datasetId, columnTypes: { code: 'category' } });
    if (back.type !== 'added') throw new Error(JSON.stringify(back));
    expect((await cellsOf(back.version.id))['code']).toEqual(['007', '012', '3', '004']);

    expect(await datasets.correctColumnTypes(engineer, { datasetId, columnTypes: { label: 'number', nothing: 'text' } })).toMatchObject({ type: 'rejected-file', problems: [{ code: 'unknown_column', field: 'nothing' }] });
    expect(await datasets.correctColumnTypes(engineer, { datasetId, columnTypes: { label: 'date' } })).toMatchObject({ type: 'rejected-file', problems: [{ code: 'type_mismatch', field: 'label' }] });
  });

  it('that grows twice at once grows once: the second is told that it was overtaken', async () => {
    const { datasetId } = await made(table);
    const [one, two] = [await upload('x,y,label\n7,7,a\n'), await upload('x,y,label\n8,8,b\n')];
    const outcomes = await Promise.all([one, two].map((uploadId) => datasets.appendRows(engineer, { datasetId, uploadId })));
    expect(outcomes.map(({ type }) => type).sort()).toEqual(['added', 'superseded']);
    expect(await usedBytes()).toBe(await storedBytes());
  });

  it('is deleted with its files, its bytes and its name given back, what others were made of left alone', async () => {
    const before = await usedBytes();
    const { datasetId, uploadId, versionId } = await made(table);
    await datasets.appendRows(engineer, { datasetId, uploadId: await upload('x,y,label\n7,7,a\n') });
    const shared = await datasets.createDataset(engineer, { name: newId('dataset'), uploadId });
    if (shared.type !== 'created') throw new Error(JSON.stringify(shared));
    const { name } = await test.database.forTenant(tenantId).transaction((tx) => tx.dataset.findFirstOrThrow({ where: { id: datasetId } }));

    const outcome = await datasets.deleteDataset(engineer, datasetId);
    expect(outcome).toMatchObject({ type: 'deleted', freedBytes: expect.any(BigInt) });
    expect(await usedBytes()).toBe(await storedBytes());
    expect(await storedKeys()).toHaveLength(2); // the other data set's version, and the file that both were made of
    await expect(cellsOf(versionId)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await datasets.deleteDataset(engineer, datasetId)).toEqual({ type: 'dataset-not-found' });
    expect(await datasets.addVersion(engineer, { datasetId, uploadId })).toEqual({ type: 'dataset-not-found' });
    expect(await datasets.createDataset(engineer, { name, uploadId })).toMatchObject({ type: 'created' });

    expect(await datasets.deleteDataset(engineer, shared.dataset.id)).toMatchObject({ type: 'deleted' });
    expect(await usedBytes()).toBe(await storedBytes());
    expect(await usedBytes()).toBeGreaterThan(before); // the namesake still stands
  });

  it('is another tenant’s to nobody', async () => {
    const { datasetId } = await made(table);
    const stranger = engineerOf(await newTenant());
    expect(await datasets.deleteDataset(stranger, datasetId)).toEqual({ type: 'dataset-not-found' });
    expect(await datasets.correctColumnTypes(stranger, { datasetId, columnTypes: { x: 'category' } })).toEqual({ type: 'dataset-not-found' });
    await expect(datasets.deleteDataset({ ...engineer, role: 'VIEWER' } as Actor, datasetId)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });
});

describe('The limits of a tenant’s plan', () => {
  const create = async (content: string) => datasets.createDataset(engineer, { name: newId('dataset'), uploadId: await upload(content) });

  it('say how many rows and columns a table has, also one that is appended to, and whose limit it is', async () => {
    await limitTables(3, 3);
    const created = await create(table);
    if (created.type !== 'created') throw new Error(created.type);
    await limitTables(2, 3);
    expect(await create(table)).toMatchObject({
      type: 'rejected-file',
      problems: [{ code: 'too_many_rows', field: 'file', row: 4, message: expect.stringMatching(/more than 2 rows; your tenant may have 2/), remedy: expect.stringMatching(/or ask your operator/) }],
    });
    await limitTables(3, 2);
    expect(await create(table)).toMatchObject({ type: 'rejected-file', problems: [{ code: 'too_many_columns', message: expect.stringMatching(/your tenant may have 2/) }] });
    await limitTables(4, 3);
    const [datasetId, more] = [created.dataset.id, 'x,y,label\n1,2,a\n3,4,b\n'];
    expect(await datasets.appendRows(engineer, { datasetId, uploadId: await upload(more) })).toMatchObject({
      type: 'rejected-file', problems: [{ code: 'too_many_rows', message: expect.stringMatching(/has 5 rows; your tenant may have 4/) }],
    });
    await limitTables(5, 3);
    expect(await datasets.appendRows(engineer, { datasetId, uploadId: await upload(more) })).toMatchObject({ type: 'added', version: { rowCount: 5 } });
    expect(await storedKeys()).toHaveLength(7); // two versions, and the files that came
  });

  it('say how large a file may be, where that is less than what the server takes', async () => {
    await limitTables(10, 10, 1);
    const begun = await datasets.beginUpload(engineer, { filename: 'large.csv' });
    if (begun.type !== 'begun') throw new Error(begun.type);
    expect(begun.maxBytes).toBe(1_000_000);
    const large = () => bytes('x'.repeat(1_000_001));
    const tooLarge = { type: 'too-large', limitBytes: 1_000_000, message: expect.stringMatching(/your tenant/), remedy: expect.stringMatching(/operator/) };
    for (const contentLength of [undefined, 1_000_001]) {
      expect(await datasets.receiveUpload(engineer, begun.upload.id, large(), { maxBytes: 2_000_000, ...(contentLength && { contentLength }) })).toMatchObject(tooLarge);
    }
    expect(await datasets.receiveUpload(engineer, begun.upload.id, large(), { maxBytes: 500_000 })).toMatchObject({ limitBytes: 500_000, message: expect.stringMatching(/this server/) });
    expect(await usedBytes()).toBe(0);
  });
});
