import { randomBytes } from 'node:crypto';
import type { FittedPipeline } from '@millrace/packaging';
import { operations } from '../src/openapi.ts';
import { call, createInferenceWorld, eventually, type InferenceWorld, type TenantOfWorld } from './inference-world.ts';
import { constant } from './sample-pipelines.ts';

/**
 * Every route, called by everybody about their own endpoints, another tenant's and nobody's. All that comes back, headers
 * too, is searched for the other tenant's names and ids.
 */
interface Side {
  tenant: TenantOfWorld;
  canary: string;
  /** every name and id of it */
  needles: string[];
}
interface Caller {
  name: string;
  /** whose things it may see */
  side: Side | null;
  other: Side;
  headers: Record<string, string>;
  /** what its own tenant has written into it */
  written?: string;
}

let world: InferenceWorld;
let url: string;
let acme: Side;
let rival: Side;
let callers: Caller[];
const log: string[] = [];
const found: string[] = [];
let calls = 0;

/** Both tenants have an endpoint of this name, and it predicts something else for each. */
const shared = 'press-wear';

/** A model whose signature names what only its tenant may know. */
function secretModel(canary: string): FittedPipeline {
  return {
    features: [{ name: `material-${canary}`, type: 'category', categories: [`brass-${canary}`, `steel-${canary}`], missingAllowed: false }],
    target: { name: `wear-${canary}`, type: 'category', classes: [`low-${canary}`, `high-${canary}`] },
    estimator: { family: 'dense', layers: [{ activation: 'softmax', inputs: 2, units: 2, kernel: Float32Array.from([1, 0, 0, 1]), bias: Float32Array.from([0, 0]) }] },
  };
}

async function createSide(value: number): Promise<Side> {
  const canary = `zq${randomBytes(8).toString('hex').slice(0, 10)}`;
  const tenant = await world.createTenant();
  const versions = [
    await tenant.publish(`secret-${canary}`, secretModel(canary)),
    await tenant.publish(shared, constant(value)),
    await tenant.publish(shared, constant(value + 1)),
  ];
  const needles = [canary, tenant.tenantId, tenant.owner.personId, tenant.owner.sessionId, ...versions.flatMap(({ version, endpoint }) => [version.id, version.modelId, version.runId!, version.packageSha256, endpoint.id])];
  return { tenant, canary, needles };
}

beforeAll(async () => {
  world = await createInferenceWorld();
  [acme, rival] = [await createSide(100), await createSide(900)];
  const note = (fields: object, message?: string): void => void log.push(`${JSON.stringify(fields)} ${message}`);
  ({ url } = await world.start({ logger: { debug: note, info: note, warn: note, error: note } as never }));

  const key = async (side: Side, input: object = {}): Promise<Record<string, string>> => {
    const { id, text } = await side.tenant.createKey(input);
    side.needles.push(id);
    return { 'x-api-key': text };
  };
  const revoked = await acme.tenant.createKey();
  await world.auth.keys.revoke(acme.tenant.owner, revoked.id);
  const added = await world.auth.members.add({ tenantId: acme.tenant.tenantId, name: 'V', email: `v@${acme.canary}.test`, password: 'a viewer of things', role: 'VIEWER' });
  const viewer = await world.auth.signIn(`v@${acme.canary}.test`, 'a viewer of things');
  if (added.type !== 'added' || viewer.type !== 'signed-in') throw new Error('no viewer');
  callers = [
    { name: 'anonymous', side: null, other: acme, headers: {} },
    { name: 'no permission', side: acme, other: rival, headers: await key(acme, { scopes: ['READ'] }) },
    { name: 'viewer', side: acme, other: rival, headers: { authorization: `Bearer ${viewer.accessToken}` } },
    { name: 'owner', side: acme, other: rival, headers: { authorization: `Bearer ${acme.tenant.accessToken}` } },
    { name: 'key', side: acme, other: rival, headers: await key(acme) },
    { name: 'key for another tenant’s name', side: acme, other: rival, headers: await key(acme, { models: [`secret-${rival.canary}`] }), written: `secret-${rival.canary}` },
    { name: 'key of another tenant', side: rival, other: acme, headers: await key(rival) },
    { name: 'owner of another tenant', side: rival, other: acme, headers: { authorization: `Bearer ${rival.tenant.accessToken}` } },
    { name: 'revoked key', side: null, other: acme, headers: { 'x-api-key': revoked.text } },
  ];
});
afterAll(() => world.close());

const routes = Object.values(operations).map((operation) => ({
  id: operation.id,
  method: operation.method,
  path: operation.path,
  request: 'request' in operation ? operation.request : undefined,
}));
type Route = (typeof routes)[number];

async function ask({ method, path, request, id }: Route, caller: Caller, model: string, version: string): Promise<string> {
  calls++;
  const body = request === undefined ? undefined : ['predict', 'createPrediction'].includes(id) ? { ...(request as object), model } : request;
  const answer = await call(url + path.replace('{model}', model).replace('{version}', version).replace('{label}', 'champion'), { method, body, headers: { ...caller.headers, 'x-request-id': 'the-same' } });
  const headers = [...answer.headers].filter(([name]) => name !== 'date');
  const text = JSON.stringify([answer.status, headers, answer.text]).replaceAll(model, '<name>').replaceAll(caller.written ?? model, '<name>');
  if (answer.headers.get('cache-control') !== 'no-store') found.push(`${method} ${path} may be cached`);
  const hidden = [acme, rival].filter((side) => side !== caller.side).flatMap(({ needles }) => needles);
  const leaked = hidden.filter((needle) => text.includes(needle));
  if (leaked.length) found.push(`${caller.name} got ${leaked.join(', ')} from ${method} ${path} about ${model}: ${text.slice(0, 300)}`);
  return text;
}

it.each(routes.map((route) => [route.method, route.path, route] as const))('%s %s tells of nobody else’s endpoints', async (_method, _path, route) => {
  for (const caller of callers) {
    const versions = route.path.includes('{version}') ? ['1', '2', '7', 'x'] : ['1'];
    for (const version of versions) {
      const missing = await ask(route, caller, `secret-zq${'0'.repeat(10)}`, version);
      const foreign = await ask(route, caller, `secret-${caller.other.canary}`, version);
      // The metrics have counted the first when the second is asked.
      if (route.path !== '/metrics' && withoutTime(foreign) !== withoutTime(missing)) found.push(`${caller.name}, ${route.path}: ${foreign} is not ${missing}`);
      for (const own of [`secret-${caller.side?.canary}`, shared]) await ask(route, caller, own, version);
    }
  }
  expect(found.splice(0)).toEqual([]);
});

/** Of a public route that answers everybody alike, but for what it took. */
const withoutTime = (text: string): string => text.replace(/\["x-millrace-(overhead-ms|prediction-id)","[^"]*"\],?/g, '');

it('an endpoint of one name in two tenants answers each with its own model, however their requests mix', async () => {
  const asks = [acme, rival].map((side) => ({ side, headers: callers.find((caller) => caller.side === side && caller.headers['x-api-key'] && caller.name.startsWith('key'))!.headers }));
  const expected = new Map([[acme, [100, 101]], [rival, [900, 901]]]);
  const answers = await Promise.all(
    Array.from({ length: 600 }, async (_, i) => {
      const { side, headers } = asks[i % 2]!;
      const version = 1 + ((i >> 1) % 2);
      const { json } = await call(`${url}/v1/models/${shared}/versions/${version}:predict`, { headers, body: { instances: [[i % 10]] } });
      return { right: expected.get(side)![version - 1], got: json.predictions?.[0] };
    }),
  );
  expect(answers.filter(({ right, got }) => right !== got)).toEqual([]);
});

it('what a prediction costs stands in the ledger of its own tenant', async () => {
  for (const [side, other] of [[acme, rival], [rival, acme]] as const) {
    const ledger = await eventually(() => side.tenant.ledger(), (records) => records.length >= 300);
    const text = JSON.stringify(ledger, (_key, value: unknown) => (typeof value === 'bigint' ? Number(value) : value));
    expect(other.needles.filter((needle) => text.includes(needle))).toEqual([]);
  }
});

it('the metrics and the log name no tenant and nothing of one', async () => {
  const metrics = (await call(`${url}/metrics`)).text;
  expect(metrics).toContain('millrace_predicted_rows_total');
  const texts = [...acme.needles, ...rival.needles];
  expect(texts.filter((needle) => metrics.includes(needle))).toEqual([]);
  expect(log.filter((line) => [acme.canary, rival.canary].some((canary) => line.includes(canary)))).toEqual([]);
  process.stdout.write(`inference isolation: ${routes.length} routes x ${callers.length} callers, ${calls} calls, leaks 0\n`);
});
