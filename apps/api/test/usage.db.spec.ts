import { createApiWorld, type Member, type World } from './api-world.ts';

let world: World;
let acme: Member;
beforeAll(async () => {
  world = await createApiWorld();
  acme = await world.tenant('acme');
});
afterAll(() => world.close());

const get = (query: string, token = acme.token) => fetch(`${world.api.url}/usage/export?${query}`, { headers: { authorization: `Bearer ${token}` } });
const period = 'from=2026-11-01T00:00:00Z&to=2026-12-01T00:00:00Z';

it('exports usage as CSV and JSON for billing, and says what is wrong with a question', async () => {
  await world.database.asOwner(
    `INSERT INTO usage_hours (tenant_id, hour, kind, actor, endpoint_id, requests, rows, units) VALUES
      ($1, '2026-11-02T10:00:00Z', 'PREDICTION', '=key:key_1', 'end_1', 2, 7, 7), ($1, '2026-11-02T11:00:00Z', 'PREDICTION', '=key:key_1', 'end_1', 1, 5, 5), ($1, '2026-11-03T00:00:00Z', 'TRAINING', 'person:per_1', '', 1, 0, 9.5)`,
    [acme.actor.tenantId],
  );
  const csv = await get(`${period}&by=day,actor,endpoint`);
  expect([csv.status, csv.headers.get('content-type'), csv.headers.get('content-disposition')]).toEqual([200, 'text/csv; charset=utf-8', 'attachment; filename="usage.csv"']);
  expect(await csv.text()).toBe(
    'time,actor,actorLabel,endpoint,modelVersionId,predictions,rows,costUnits,computeSeconds,gpuSeconds\r\n' +
      "2026-11-02T00:00:00.000Z,'=key:key_1,,end_1,,3,12,12,0,0\r\n2026-11-03T00:00:00.000Z,person:per_1,,,,0,0,0,9.5,0\r\n",
  );
  const json = await get(`${period}&format=json&by=`);
  expect(await json.json()).toMatchObject({ from: '2026-11-01T00:00:00.000Z', lines: [{ time: null, predictions: 3, rows: 12, costUnits: 12, computeSeconds: 9.5 }] });
  for (const query of ['', `${period}&by=colour`, `${period}&format=xml`, `${period}&more=1`, 'from=2026-11-01T00:00:00Z&to=2020-01-01T00:00:00Z']) expect((await get(query)).status).toBe(400);
  const stranger = await world.tenant('stranger');
  expect(await (await get(`${period}&format=json`, stranger.token)).json()).toMatchObject({ lines: [] });
  expect((await get(period, 'nobody')).status).toBe(401);
});

it('tells how far the limits of predictions are used, and what is wrong with one', async () => {
  const key = await world.graphql(`mutation { createApiKey(input: { alias: "k", scopes: [PREDICT], maxBudget: 50, budgetDuration: "7d" }) { ... on CreateApiKeySuccess { apiKey { id maxBudget spend budgetResetAt } } } }`, {}, acme.token);
  const { id, ...budget } = key.data!['createApiKey'].apiKey;
  expect(budget).toEqual({ maxBudget: 50, spend: 0, budgetResetAt: expect.stringMatching(/^20/) });
  const set = (input: object, token = acme.token) =>
    world.graphql(`mutation ($input: SetUsageLimitInput!) { setUsageLimit(input: $input) { __typename ... on SetUsageLimitSuccess { limit { id scope limit softLimit used isNear } } ... on InvalidInputError { problems { field } } } }`, { input }, token);
  const made = await set({ scope: 'KEY', subject: id, measure: 'ROWS', period: 'DAY', limit: '100', softLimit: '80' });
  expect(made.data!['setUsageLimit'].limit).toMatchObject({ scope: 'KEY', limit: 100, softLimit: 80, used: 0, isNear: false });
  await world.database.asOwner(`INSERT INTO usage_accounts (tenant_id, id, window_start, used) VALUES ($1, $2, date_trunc('day', now(), 'UTC'), 90)`, [acme.actor.tenantId, made.data!['setUsageLimit'].limit.id]);
  const again = await set({ scope: 'KEY', subject: id, measure: 'ROWS', period: 'DAY', limit: '110', softLimit: '80' });
  expect(again.data!['setUsageLimit'].limit).toMatchObject({ id: made.data!['setUsageLimit'].limit.id, limit: 110, used: 90, isNear: true });
  expect((await set({ scope: 'KEY', subject: id, measure: 'ROWS', period: 'RATE', limit: '0', softLimit: '5' })).data!['setUsageLimit'].problems.map(({ field }: { field: string }) => field)).toEqual(['limit', 'softLimit', 'measure']);
  expect((await set({ scope: 'MODEL', subject: 'absent', measure: 'ROWS', period: 'DAY', limit: '1' })).data!['setUsageLimit'].__typename).toBe('NotFoundError');
});

it('does a mutation with an Idempotency-Key once, and answers it again for a day', async () => {
  const upload = (key: string, filename = 'a.csv', by = acme.token) =>
    world.graphql('mutation ($filename: String!) { beginUpload(input: { filename: $filename }) { __typename ... on BeginUploadSuccess { upload { id filename } } } }', { filename }, by, { 'idempotency-key': key });
  const countOf = async (member: Member) => Number((await world.database.asOwner('SELECT count(*) FROM uploads WHERE tenant_id = $1', [member.actor.tenantId]))[0]!['count']);
  const answers = await Promise.all(Array.from({ length: 10 }, () => upload('once')));
  const first = answers.find(({ status }) => status === 200)!;
  for (const { status, data, errors } of answers) {
    if (status === 200) expect(data).toEqual(first.data);
    else expect([status, errors[0]!.extensions['code']]).toEqual([409, 'REQUEST_UNDER_WAY']);
  }
  const again = await upload('once');
  expect([again.status, again.data, again.headers.get('idempotent-replayed')]).toEqual([200, first.data, 'true']);
  expect([again.data!['beginUpload'].__typename, await countOf(acme)]).toEqual(['BeginUploadSuccess', 1]);
  const other = await upload('once', 'b.csv');
  expect([other.status, other.errors[0]!.extensions['code']]).toEqual([422, 'IDEMPOTENCY_KEY_REUSED']);
  const colleague = await world.member(acme.actor.tenantId, 'ENGINEER');
  const stranger = await world.tenant('neighbour');
  for (const { token } of [colleague, stranger]) expect((await upload('once', 'a.csv', token)).data!['beginUpload'].upload.id).not.toBe(first.data!['beginUpload'].upload.id);

  // What is under way elsewhere is waited for; a refusal may be sent again.
  await world.database.asOwner(`UPDATE idempotency_answers SET body = NULL, headers = NULL, locked_until = now() + interval '1 minute' WHERE tenant_id = $1 AND key LIKE '% graphql once'`, [acme.actor.tenantId]);
  const running = await upload('once');
  expect([running.status, running.headers.get('retry-after'), running.errors[0]!.extensions['code']]).toEqual([409, '1', 'REQUEST_UNDER_WAY']);
  expect((await upload('refused', '')).data!['beginUpload'].__typename).toMatch(/Error$/);
  expect((await upload('refused', 'c.csv')).data!['beginUpload'].__typename).toBe('BeginUploadSuccess');
  expect((await upload('not fit')).status).toBe(400);

  const secret = await world.graphql('mutation { createApiKey(input: { alias: "k", scopes: [READ] }) { __typename } }', {}, acme.token, { 'idempotency-key': 'secret' });
  expect([secret.status, secret.errors[0]!.extensions['code']]).toEqual([400, 'IDEMPOTENCY_UNSUPPORTED']);
  const reading = await world.graphql('{ viewer { tenant { name } } }', {}, acme.token, { 'idempotency-key': 'reading' });
  expect(reading.data!['viewer'].tenant.name).toBe('acme');
});

it('keeps the limits of predictions of a plan that is saved without a word of them', async () => {
  const operator = await world.operator();
  const save = (input: object) =>
    world.graphql('mutation ($input: SavePlanInput!) { savePlan(input: $input) { ... on SavePlanSuccess { plan { usage { measure period limit } } } } }', { input: { name: 'metered', limits: [], ...input } }, operator.token);
  const usage = [{ measure: 'ROWS', period: 'MONTH', limit: '100' }];
  await save({ usage });
  expect((await save({ description: 'only its text' })).data!['savePlan'].plan.usage).toEqual([{ measure: 'ROWS', period: 'MONTH', limit: 100 }]);
  expect((await save({ usage: [] })).data!['savePlan'].plan.usage).toEqual([]);
});
