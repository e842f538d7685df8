import { DomainError, silentLogger } from '@millrace/kernel';
import { createIdempotency } from '@millrace/quota';
import { type Answered, createAnswerOnce } from '../src/answer-once.ts';
import type { Exchange } from '../src/exchange.ts';
import { call, createInferenceWorld, eventually, type InferenceWorld, type TenantOfWorld } from './inference-world.ts';
import { constant } from './sample-pipelines.ts';

let world: InferenceWorld;
let tenant: TenantOfWorld;
let key: string;
let urls: string[];

beforeAll(async () => {
  world = await createInferenceWorld();
  tenant = await world.createTenant();
  await tenant.publish('press', constant(7));
  key = (await tenant.createKey()).text;
  urls = [(await world.start()).url, (await world.start()).url];
});
afterAll(() => world.close());

const ask = (idempotencyKey: string, { at = urls[0]!, as = key, features = [1] as unknown, path = '/predict' } = {}) =>
  call(at + path, { key: as, headers: { 'idempotency-key': idempotencyKey }, body: path === '/predict' ? { model: 'press', features } : { instances: features } });
const idOf = ({ headers }: { headers: Headers }): string | null => headers.get('x-millrace-prediction-id');
const billed = async (id: string | null): Promise<number> => (await tenant.ledger()).filter(({ requestId }) => requestId === id).length;
const inTenant = (sql: string) => world.database.forTenant(tenant.tenantId).transaction((tx) => tx.$executeRawUnsafe(sql));

it('a hundred equal requests at once, to two servers, have one effect: each gets that answer or 409', async () => {
  const before = (await tenant.ledger()).length;
  const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => ask('many', { at: urls[index % 2]! })));
  const good = answers.filter(({ status }) => status === 200);
  const waiting = answers.filter(({ status }) => status === 409);
  expect(good.length).toBeGreaterThan(0);
  expect(good.length + waiting.length).toBe(100);
  expect(new Set(good.map((answer) => `${answer.text} ${idOf(answer)}`)).size).toBe(1);
  expect(waiting.every(({ headers, json }) => headers.get('retry-after') === '1' && json.error.code === 'request_under_way')).toBe(true);
  const again = await ask('many', { at: urls[1]! });
  expect([again.status, again.text, idOf(again), again.headers.get('idempotent-replayed')]).toEqual([200, good[0]!.text, idOf(good[0]!), 'true']);
  await eventually(() => billed(idOf(again)), (count) => count === 1);
  expect((await tenant.ledger()).length).toBe(before + 1);
});

it('another body or route under the same key is 422, and another caller’s key is another key', async () => {
  const first = await ask('mine');
  expect([first.status, first.headers.get('idempotent-replayed')]).toEqual([200, null]);
  for (const other of [await ask('mine', { features: [2] }), await ask('mine', { features: [[1]], path: '/v1/models/press:predict' })]) {
    expect([other.status, other.json.error.code]).toEqual([422, 'idempotency_key_reused']);
  }
  const stranger = await world.createTenant();
  await stranger.publish('press', constant(8));
  const theirs = await ask('mine', { as: (await stranger.createKey()).text });
  const colleague = await ask('mine', { as: (await tenant.createKey()).text });
  expect([theirs.json, colleague.json, colleague.headers.get('idempotent-replayed')]).toEqual([{ prediction: [8] }, { prediction: [7] }, null]);
});

it('what was refused may be sent again', async () => {
  const wrong = await ask('refused', { features: ['x'] });
  const right = await ask('refused');
  expect([wrong.status, right.status]).toEqual([400, 200]);
  for (const odd of ['', 'a b', 'x'.repeat(256)]) expect((await ask(odd)).json.error.code).toBe('idempotency_key_unfit');
});

it('a request over which a server died is done again under its id, and so billed once; an answer is kept for a day', async () => {
  const first = await ask('died');
  await inTenant(`UPDATE idempotency_answers SET body = NULL, headers = NULL WHERE key LIKE '% died'`); // as if it had died before it could keep the answer
  expect((await ask('died')).status).toBe(409);
  await inTenant(`UPDATE idempotency_answers SET locked_until = now() - interval '1 second' WHERE key LIKE '% died'`);
  const again = await ask('died', { at: urls[1]! });
  expect([again.status, idOf(again)]).toEqual([200, idOf(first)]);
  await eventually(() => billed(idOf(first)), (count) => count === 1);
  await inTenant(`UPDATE idempotency_answers SET expires_at = expires_at - interval '24 hours' WHERE key LIKE '% died'`);
  expect(idOf(await ask('died'))).not.toBe(idOf(first));
});

it('one that fails by a fault keeps its id, since something may have come of it; a refused one does not', async () => {
  const answerOnce = createAnswerOnce({ idempotency: createIdempotency({ database: world.database }), logger: silentLogger });
  const idsOf = async (idempotencyKey: string, ...faults: Error[]): Promise<unknown[]> => {
    const ids: unknown[] = [];
    const exchange = { headers: { 'idempotency-key': idempotencyKey }, method: 'POST', url: '/predict', bodySha256: '' } as unknown as Exchange;
    const answer = async (id?: string): Promise<Answered> => {
      ids.push(id);
      const fault = faults.shift();
      if (fault) throw fault;
      return { headers: {}, body: '{}' };
    };
    while (faults.length) await expect(answerOnce(exchange, tenant.owner, answer)).rejects.toBeInstanceOf(Error);
    await answerOnce(exchange, tenant.owner, answer);
    return ids;
  };
  const inDoubt = await idsOf('in-doubt', new DomainError('UNAVAILABLE', 'no word'), new Error('a bug'), new DomainError('NOT_FOUND', 'gone since'));
  expect(inDoubt).toEqual([inDoubt[0], inDoubt[0], inDoubt[0], inDoubt[0]]);
  expect(new Set(await idsOf('refused-twice', new DomainError('INVALID', 'wrong'), new DomainError('TOO_MANY_REQUESTS', 'later'))).size).toBe(3);
});

it('one over which a server died, and which is then refused, keeps its id: it may be billed already', async () => {
  const idempotency = createIdempotency({ database: world.database });
  const asked = { tenantId: tenant.tenantId, key: 'somebody died-then-refused', sha256: '0'.repeat(64) };
  const begin = async () => {
    const begun = await idempotency.begin(asked);
    if (begun.type !== 'begun') throw new Error(begun.type);
    return begun;
  };
  const first = await begin();
  await inTenant(`UPDATE idempotency_answers SET locked_until = now() - interval '1 second' WHERE key LIKE '% died-then-refused'`);
  const second = await begin();
  await idempotency.giveUp(asked, second.lock, second.isAgain);
  const third = await begin(); // at once
  expect([second.predictionId, third.predictionId]).toEqual([first.predictionId, first.predictionId]);
});
