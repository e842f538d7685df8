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
