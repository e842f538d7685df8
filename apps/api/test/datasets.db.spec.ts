import { encodePng } from '@millrace/images';
import { zipOf } from '@millrace/testkit';
import { createApiWorld, type Member, type World } from './api-world.ts';

let world: World;
let ana: Member;
beforeAll(async () => {
  world = await createApiWorld();
  ana = await world.tenant('datasets');
});
afterAll(() => world.close());

const error = '... on Error { code message remedy }';

async function uploaded(content: string | Buffer, member = ana): Promise<string> {
  const { id, url } = await world.beginUpload(member.token);
  expect((await world.put(member.token, url, content)).status).toBe(200);
  return id;
}

async function ask(query: string, variables: object, member = ana): Promise<any> { // eslint-disable-line @typescript-eslint/no-explicit-any
  const { data, errors } = await world.graphql(query, variables, member.token);
  expect(errors).toEqual([]);
  return Object.values(data!)[0];
}

async function made(name: string, content: string | Buffer, member = ana): Promise<{ dataset: { id: string }; version: { id: string } }> {
  const uploadId = await uploaded(content, member);
  const outcome = await ask(`mutation ($input: CreateDatasetInput!) { createDataset(input: $input) { __typename ... on CreateDatasetSuccess { dataset { id } version { id } } ${error} } }`, { input: { name, uploadId } }, member);
  expect(outcome.__typename).toBe('CreateDatasetSuccess');
  return outcome;
}

/** Parts that add up to the whole, and a column that has nothing to do with it. */
function partsAndWhole(): string {
  const rows = Array.from({ length: 120 }, (_, i) => {
    const [a, b] = [(i * 37) % 101, (i * 53) % 89];
    return `${a},${b},${(i * 7) % 11},${a + b}`;
  });
  return ['a,b,other,whole', ...rows].join('\n');
}

describe('Pictures', () => {
  it('come as an archive, are told about and shown, and are nobody else’s', async () => {
    const archive = zipOf([...'abcdef'].map((name, i) => ({ name: `${i % 2 ? 'good' : 'bad'}/${name}.png`, bytes: encodePng({ width: 6, height: 4, channels: 1, data: new Uint8Array(24).fill(i * 40) }) })));
    const { version } = await made('parts in pictures', archive);
    const look = `query ($id: ID!) { node(id: $id) { ... on DatasetVersion { rowCount columns { name type images { png grey minWidth brokenCount sizeBytes classes { label count } broken { path } } }
      contactSheet(perClass: 2) { label count images { path dataUri } } sampleRows(first: 1) } } }`;
    const shown = await ask(look, { id: version.id });
    expect(shown.columns.map(({ type }: { type: string }) => type)).toEqual(['TEXT', 'IMAGE', 'CATEGORY']);
    expect(shown.columns[1].images).toMatchObject({ png: 6, grey: 6, minWidth: 6, brokenCount: 0, broken: [], classes: [{ label: 'bad', count: 3 }, { label: 'good', count: 3 }] });
    expect(shown.contactSheet.map(({ label, images }: { label: string; images: object[] }) => [label, images.length])).toEqual([['bad', 2], ['good', 2]]);
    expect(shown.contactSheet[0].images[0]).toEqual({ path: 'bad/a.png', dataUri: expect.stringMatching(/^data:image\/png;base64,iVBOR/) });
    const { version: table } = await made('no pictures', 'a,b\n1,2\n');
    expect((await ask(look, { id: table.id })).contactSheet).toEqual([]);
    const eve = await world.tenant('eve-of-pictures');
    expect(await ask(look, { id: version.id }, eve)).toBeNull();
  });
});

describe('A target', () => {
  const report = `query ($id: ID!, $target: String!, $type: TargetType!) { node(id: $id) { ... on DatasetVersion { targetReport(target: $target, type: $type) {
    rowsUsed associations { column pearson spearman correlationRatio cramersV alone } leaks { kind columns message remedy } warnings { code field message remedy } } } } }`;
  const submit = `mutation ($input: SubmitRunInput!) { submitRun(input: $input) { __typename
    ... on SubmitRunSuccess { run { id acknowledgedLeaks } } ... on LeakingInputsError { columns leaks { kind columns } } ${error} } }`;
  const specOf = (...inputs: string[]) => ({ inputFeatures: inputs.map((name) => ({ name, type: 'number' })), outputFeatures: [{ name: 'whole', type: 'number' }], models: [{ family: 'knn', k: 3 }] });

  it('is given away by columns, which the report says, and which block a run until they are acknowledged', async () => {
    const { version } = await made('parts', partsAndWhole());
    const { targetReport } = await ask(report, { id: version.id, target: 'whole', type: 'NUMBER' });
    expect(targetReport).toMatchObject({ rowsUsed: 120, leaks: [{ kind: 'sum', columns: expect.arrayContaining(['a', 'b']), remedy: expect.any(String) }] });
    expect(targetReport.associations.map(({ column }: { column: string }) => column)).toEqual(['a', 'b', 'other']);

    const run = (spec: object, acknowledgedLeaks?: string[]) => ask(submit, { input: { datasetVersionId: version.id, modelName: 'parts', spec, acknowledgedLeaks } });
    const refused = await run(specOf('a', 'b', 'other'));
    expect(refused).toMatchObject({ __typename: 'LeakingInputsError', code: 'leak_unacknowledged', message: expect.stringMatching(/“[ab]” and “[ab]”/), remedy: expect.stringMatching(/acknowledge/) });
    expect(refused.columns.sort()).toEqual(['a', 'b']);
    expect((await run(specOf('a', 'b', 'other'), ['a'])).__typename).toBe('LeakingInputsError'); // both, or it wasn't read
    expect((await run(specOf('a', 'b'), ['other', 'whole'])).__typename).toBe('LeakingInputsError');
    // One of the two alone gives nothing away.
    expect((await run(specOf('a', 'other'))).run.acknowledgedLeaks).toEqual([]);
    const accepted = await run(specOf('a', 'b', 'other'), ['b', 'a', 'a', 'nonsense']);
    expect(accepted.run.acknowledgedLeaks.sort()).toEqual(['a', 'b']);
    const trail = await world.database.asOwner<{ result: string; details: { acknowledgedLeaks?: string[] } }>(
      `SELECT result, details FROM audit_events WHERE tenant_id = $1 AND action = 'run.submit' ORDER BY id`, [ana.actor.tenantId]);
    expect(trail.map(({ result }) => result)).toEqual(['leak_unacknowledged', 'leak_unacknowledged', 'leak_unacknowledged', 'ok', 'ok']);
    expect(trail.at(-1)!.details.acknowledgedLeaks).toHaveLength(2);
  });

  it('that can’t be one is refused with a remedy, and another tenant’s data is not there', async () => {
    const { version } = await made('more parts', partsAndWhole());
    const { errors } = await world.graphql(report, { id: version.id, target: 'nothing', type: 'NUMBER' }, ana.token);
    expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT', remedy: expect.any(String) } }]);
    const eve = await world.tenant('eves');
    expect(await ask(report, { id: version.id, target: 'whole', type: 'NUMBER' }, eve)).toBeNull();
  });
});

describe('A data set', () => {
  const details = `version { id number origin parent { id number } rowCount columns { name type } }`;
  const append = `mutation ($input: AppendDatasetRowsInput!) { appendDatasetRows(input: $input) { __typename ... on AppendDatasetRowsSuccess { ${details} } ... on RejectedFileError { problems { code field } } ${error} } }`;
  const correct = `mutation ($input: CorrectColumnTypesInput!) { correctColumnTypes(input: $input) { __typename ... on CorrectColumnTypesSuccess { ${details} } ... on RejectedFileError { problems { code field } } ${error} } }`;
  const remove = `mutation ($id: ID!) { deleteDataset(input: { id: $id }) { __typename ... on DeleteDatasetSuccess { datasetId freedBytes } ... on ConflictError { field } ${error} } }`;
  const listed = async () => (await ask('{ datasets(first: 100) { edges { node { id } } } }', {})).edges.map(({ node }: { node: { id: string } }) => node.id) as string[];

  it('has its types corrected and rows appended, each as a version with its parent', async () => {
    const { dataset, version } = await made('growing', 'code,n\n007,1\n008,2\n');
    const corrected = await ask(correct, { input: { datasetId: dataset.id, columnTypes: [{ name: 'code', type: 'NUMBER' }] } });
    expect(corrected.version).toMatchObject({ number: 2, origin: 'TYPES', parent: { id: version.id, number: 1 }, columns: [{ name: 'code', type: 'NUMBER' }, { name: 'n', type: 'NUMBER' }] });
    expect(await ask(correct, { input: { datasetId: dataset.id, columnTypes: [{ name: 'colour', type: 'TEXT' }] } })).toMatchObject({ __typename: 'RejectedFileError', problems: [{ code: 'unknown_column', field: 'colour' }] });
    const appended = await ask(append, { input: { datasetId: dataset.id, uploadId: await uploaded('{"code": 9, "n": 3}\n{"code": 10, "n": null}\n') } });
    expect(appended.version).toMatchObject({ number: 3, origin: 'APPEND', parent: { id: corrected.version.id }, rowCount: 4 });
    expect(await ask(append, { input: { datasetId: dataset.id, uploadId: await uploaded('code,m\n1,2\n') } })).toMatchObject({ __typename: 'RejectedFileError', code: 'column_missing' });
  });

  it('is deleted, but not while a run reads it', async () => {
    const { datasetId, versionId } = await world.iris(ana.token, 'to be deleted');
    const spec = { inputFeatures: [{ name: 'sepal length (cm)', type: 'number' }], outputFeatures: [{ name: 'species', type: 'category' }], models: [{ family: 'knn', k: 3 }] };
    const submitRun = 'mutation ($input: SubmitRunInput!) { submitRun(input: $input) { __typename ... on SubmitRunSuccess { run { id } } } }';
    const submitted = await ask(submitRun, { input: { datasetVersionId: versionId, modelName: 'doomed', spec } });
    expect(await ask(remove, { id: datasetId })).toMatchObject({ __typename: 'ConflictError', code: 'dataset_in_use', field: 'id', message: expect.stringContaining(submitted.run.id) });
    expect(await listed()).toContain(datasetId);

    await ask('mutation ($id: ID!) { cancelRun(input: { id: $id }) { __typename } }', { id: submitted.run.id });
    expect(await ask(remove, { id: datasetId })).toMatchObject({ __typename: 'DeleteDatasetSuccess', datasetId });
    expect(await listed()).not.toContain(datasetId);
    expect(await ask('query ($id: ID!) { dataset(id: $id) { id } }', { id: datasetId })).toBeNull();
    expect(await ask(submitRun, { input: { datasetVersionId: versionId, modelName: 'doomed', spec } })).toEqual({ __typename: 'NotFoundError' });
    expect(await ask(remove, { id: datasetId })).toMatchObject({ __typename: 'NotFoundError', code: 'data_set_not_found' });
    // What was learned from it says so still.
    const run = await ask('query ($id: ID!) { run(id: $id) { datasetVersion { number dataset { name deletedAt } } } }', { id: submitted.run.id });
    expect(run.datasetVersion.dataset).toMatchObject({ name: expect.stringMatching(/^to be deleted \(deleted/), deletedAt: expect.any(String) });
  });
});

it('reads a file as its sender declared it, also when it is read again', async () => {
  const begin = `mutation ($input: BeginUploadInput!) { beginUpload(input: $input) { ... on BeginUploadSuccess { url upload { id dialect { encoding delimiter decimalSign } } } ${error} } }`;
  const declared = async (dialect: object, content: string): Promise<string> => {
    const { url, upload } = await ask(begin, { input: { filename: 'data.csv', dialect } });
    expect(upload.dialect).toEqual({ encoding: null, delimiter: null, decimalSign: null, ...dialect });
    await world.put(ana.token, url, content);
    return upload.id;
  };
  const create = (name: string, uploadId: string) =>
    ask(`mutation ($input: CreateDatasetInput!) { createDataset(input: $input) { ... on CreateDatasetSuccess { dataset { id } version { columns { name type } } } ... on RejectedFileError { problems { code field row } } } }`, { input: { name, uploadId } });
  const rows = 'x;y\n1,234;a\n2,345;b\n';
  expect(await create('misread', await declared({ delimiter: 'COMMA' }, 'x;y\n1;a\n'))).toEqual({ problems: [{ code: 'wrong_delimiter', field: 'file', row: 1 }] });
  const { dataset, version } = await create('declared', await declared({ decimalSign: 'COMMA', delimiter: 'SEMICOLON' }, rows));
  expect(version.columns).toMatchObject([{ name: 'x', type: 'NUMBER' }, { name: 'y', type: 'BINARY' }]);
  const corrected = await ask(
    `mutation ($input: CorrectColumnTypesInput!) { correctColumnTypes(input: $input) { ... on CorrectColumnTypesSuccess { version { columns { name type } } } ${error} } }`,
    { input: { datasetId: dataset.id, columnTypes: [{ name: 'y', type: 'TEXT' }] } },
  );
  expect(corrected.version.columns).toMatchObject([{ type: 'NUMBER' }, { type: 'TEXT' }]);
});
