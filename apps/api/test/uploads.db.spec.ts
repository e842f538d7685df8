import { createHash, randomBytes } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { createApiWorld, irisFile, type Member, type World } from './api-world.ts';

const cap = 1024 * 1024;

let world: World;
let ana: Member;
beforeAll(async () => {
  world = await createApiWorld({ maxUploadBytes: cap });
  ana = await world.tenant('uploads');
});
afterAll(() => world.close());

const stateOf = async (id: string) =>
  (await world.graphql('query ($id: ID!) { node(id: $id) { ... on Upload { status sizeBytes sha256 failure } } }', { id }, ana.token)).data!['node'];

async function errorOf(response: Response): Promise<Record<string, unknown>> {
  return ((await response.json()) as { error: Record<string, unknown> }).error;
}

/** Sends a request by hand; `write` gets the open request. */
function putByHand(
  url: string,
  headers: Record<string, string | number>,
  write: (send: ReturnType<typeof httpRequest>) => void,
): Promise<{ status: number; body: string } | 'cut'> {
  return new Promise((resolve) => {
    const send = httpRequest(`${world.api.url}${url}`, { method: 'PUT', headers: { authorization: `Bearer ${ana.token}`, ...headers } });
    send.on('error', () => resolve('cut'));
    send.on('response', (response) => {
      let body = '';
      response.on('data', (chunk) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode!, body }));
      response.on('error', () => resolve('cut'));
    });
    write(send);
  });
}

it('keeps the bytes as they came, with size and digest, whatever their type', async () => {
  const bytes = randomBytes(300_000);
  const { id, url } = await world.beginUpload(ana.token);
  const response = await fetch(`${world.api.url}${url}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${ana.token}`, 'content-type': 'application/json' },
    body: bytes,
  });
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({ upload: { id, status: 'COMPLETE', sizeBytes: bytes.length, sha256 } });
  expect(await stateOf(id)).toEqual({ status: 'COMPLETE', sizeBytes: bytes.length, sha256, failure: null });
  expect(await world.storedFiles()).toHaveLength(1);
});

it('refuses a file that announces too many bytes before they are sent', async () => {
  const { id, url } = await world.beginUpload(ana.token);
  const before = await world.storedFiles();
  const answer = await putByHand(url, { 'content-length': cap + 1 }, (send) => send.flushHeaders());
  expect(answer).toMatchObject({ status: 413 });
  expect(JSON.parse((answer as { body: string }).body).error).toMatchObject({ code: 'file_too_large', field: 'file', remedy: expect.any(String) });
  expect((await stateOf(id)).status).toBe('FAILED');
  expect(await world.storedFiles()).toEqual(before);
});

it('refuses a file of unknown length as soon as it is too long', async () => {
  const { id, url } = await world.beginUpload(ana.token);
  const before = await world.storedFiles();
  const answer = await putByHand(url, { 'transfer-encoding': 'chunked' }, (send) => {
    for (let i = 0; i < 20; i++) send.write(randomBytes(cap / 10));
    send.end();
  });
  expect(answer).toMatchObject({ status: 413 });
  expect((await stateOf(id)).status).toBe('FAILED');
  expect(await world.storedFiles()).toEqual(before);
});

it('leaves nothing of a file that is cut off half way, and takes it when it is sent again', async () => {
  const { id, url } = await world.beginUpload(ana.token);
  const before = await world.storedFiles();
  const bytes = await irisFile();
  const answer = await putByHand(url, { 'content-length': bytes.length }, (send) => {
    send.write(bytes.subarray(0, 1000), () => send.destroy());
  });
  expect(answer).toBe('cut');
  let state = await stateOf(id);
  while (state.status === 'PENDING') state = await stateOf(id);
  expect(state).toMatchObject({ status: 'FAILED', sizeBytes: null, failure: expect.stringContaining('broke off') });
  expect(await world.storedFiles()).toEqual(before);

  expect((await world.put(ana.token, url, bytes)).status).toBe(200);
  expect(await stateOf(id)).toMatchObject({ status: 'COMPLETE', sizeBytes: bytes.length, failure: null });
  expect(await world.storedFiles()).toHaveLength(before.length + 1);
});

it('takes a file once', async () => {
  const { url } = await world.beginUpload(ana.token);
  expect((await world.put(ana.token, url, 'a,b\n1,2\n')).status).toBe(200);
  const again = await world.put(ana.token, url, 'c,d\n3,4\n');
  expect(again.status).toBe(409);
  expect(await errorOf(again)).toMatchObject({ code: 'upload_already_complete' });
});

it('asks for a credential with the right to write data sets', async () => {
  const { url } = await world.beginUpload(ana.token);
  const anonymous = await fetch(`${world.api.url}${url}`, { method: 'PUT', body: 'a,b\n1,2\n' });
  expect(anonymous.status).toBe(401);
  expect(await errorOf(anonymous)).toMatchObject({ code: 'UNAUTHENTICATED', requestId: anonymous.headers.get('x-request-id') });
  const viewer = await world.member(ana.actor.tenantId, 'VIEWER');
  const refused = await world.put(viewer.token, url, 'a,b\n1,2\n');
  expect(refused.status).toBe(403);
  expect(await errorOf(refused)).toMatchObject({ code: 'FORBIDDEN' });
  expect((await world.put(ana.token, '/uploads/nonsense', 'a')).status).toBe(404);
});

describe('a file that is no data set', () => {
  const png = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex');
  const files: [what: string, bytes: string | Buffer, code: string, row: number | null][] = [
    ['a picture', png, 'wrong_file_type', null],
    ['an empty file', '', 'empty_file', null],
    ['a header without rows', 'a,b\n', 'no_rows', null],
    ['ragged rows', 'a,b\n1,2\n3\n', 'ragged_row', 3],
    ['no encoding', Buffer.from('name,town\nana,K\x81ln\n', 'latin1'), 'wrong_encoding', null],
    ['half a character of UTF-16', Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from('a,b\n1,2\n', 'utf16le'), Buffer.from([0x31])]), 'wrong_encoding', null],
    ['a list in a cell', '{"a": [1]}\n', 'nested_column', 1],
    ['half a Parquet file', Buffer.from('PAR1\x15\x04\x15', 'latin1'), 'damaged_file', null],
    ['a name twice', 'a,a\n1,2\n', 'header_duplicate', null],
    ['an open quote', 'a,b\n"1,2\n3,4\n', 'unterminated_quote', null],
  ];

  it.each(files)('%s is refused with problem and remedy, and nothing is made of it', async (what, bytes, code, row) => {
    const { id, url } = await world.beginUpload(ana.token, 'table.csv');
    expect((await world.put(ana.token, url, bytes as Buffer<ArrayBuffer>)).status).toBe(200);
    const files = await world.storedFiles();
    const { data } = await world.graphql(
      `mutation ($name: String!, $id: ID!) {
        createDataset(input: { name: $name, uploadId: $id }) {
          __typename ... on RejectedFileError { code message remedy problems { code field row message remedy } }
        }
      }`,
      { name: what, id },
      ana.token,
    );
    const refusal = data!['createDataset'];
    expect(refusal).toMatchObject({ __typename: 'RejectedFileError', problems: [{ code }] });
    expect(refusal.problems[0].remedy).not.toBe('');
    if (row !== null) expect(refusal.problems[0].row).toBe(row);
    expect(await world.storedFiles()).toEqual(files);
    expect((await world.graphql('{ datasets { edges { node { name } } } }', {}, ana.token)).text).not.toContain(what);
  });

  it('the next good file works', async () => {
    const made = await world.iris(ana.token, 'after all that');
    const { data } = await world.graphql(
      `query ($id: ID!) { dataset(id: $id) { name latestVersion {
        number rowCount columnCount sampleRows(first: 3)
        columns { name type missing min max histogram { count } topValues { value count } } upload { filename } } } }`,
      { id: made.datasetId },
      ana.token,
    );
    const version = data!['dataset'].latestVersion;
    expect(version).toMatchObject({ number: 1, rowCount: 150, columnCount: 5, upload: { filename: 'iris.csv' } });
    expect(version.columns[0]).toMatchObject({ name: 'sepal length (cm)', type: 'NUMBER', missing: 0, min: 4.3, max: 7.9, topValues: [] });
    const counts = version.columns[0].histogram.map(({ count }: { count: number }) => count);
    expect(counts.reduce((sum: number, count: number) => sum + count, 0)).toBe(150);
    expect(version.columns[4]).toMatchObject({ type: 'CATEGORY', min: null, histogram: [], topValues: expect.arrayContaining([{ value: 'setosa', count: 50 }]) });
    expect(version.sampleRows).toHaveLength(3);
    expect(version.sampleRows[0]).toMatchObject({ species: expect.any(String), 'sepal length (cm)': expect.any(Number) });
  });
});

it('says what else can be wrong with a data set', async () => {
  const create = `mutation ($name: String!, $id: ID!) {
    createDataset(input: { name: $name, uploadId: $id }) { __typename ... on Error { code } ... on ConflictError { field } ... on NotFoundError { field } ... on InvalidInputError { problems { field } } }
  }`;
  const ask = async (name: string, id: string) => (await world.graphql(create, { name, id }, ana.token)).data!['createDataset'];
  const pending = await world.beginUpload(ana.token);
  const { uploadId, datasetId } = await world.iris(ana.token, 'taken');
  expect(await ask('new', pending.id)).toEqual({ __typename: 'ConflictError', code: 'upload_not_complete', field: 'uploadId' });
  expect(await ask('taken', uploadId)).toEqual({ __typename: 'ConflictError', code: 'name_taken', field: 'name' });
  expect(await ask('', uploadId)).toMatchObject({ __typename: 'InvalidInputError', problems: [{ field: 'name' }] });
  expect(await ask('new', 'upl_00000000000000000000000000')).toMatchObject({ __typename: 'NotFoundError', field: 'uploadId' });

  const added = await world.graphql(
    `mutation ($dataset: ID!, $upload: ID!) { addDatasetVersion(input: { datasetId: $dataset, uploadId: $upload }) {
      ... on AddDatasetVersionSuccess { version { number } dataset { name latestVersion { number } versions(first: 1) { edges { node { number } } pageInfo { hasNextPage } } } } } }`,
    { dataset: datasetId, upload: uploadId },
    ana.token,
  );
  expect(added.data!['addDatasetVersion']).toEqual({
    version: { number: 2 },
    dataset: { name: 'taken', latestVersion: { number: 2 }, versions: { edges: [{ node: { number: 2 } }], pageInfo: { hasNextPage: true } } },
  });
});

it('refuses what the quota has no room for', async () => {
  const poor = await world.tenant('poor');
  const { url } = await world.beginUpload(poor.token);
  await world.database.asOwner('INSERT INTO quota_counters (tenant_id, resource, limit_value) VALUES ($1, \'STORAGE_BYTES\', 10)', [poor.actor.tenantId]);
  const refused = await world.put(poor.token, url, 'a,b\n1,2\n3,4\n5,6\n');
  expect(refused.status).toBe(402);
  expect(await errorOf(refused)).toMatchObject({ code: 'quota_exceeded' });
  expect((await world.graphql('{ quota { resource limit used } }', {}, poor.token)).data!['quota']).toContainEqual({ resource: 'STORAGE_BYTES', limit: 10, used: 0 });
});
