import { confusedHeaders, fitsIntoHeader, forgedTokens, type HeaderLines, lettingNobodyIn, malformedKeys, onceLookedAt, sendRaw } from '@millrace/testkit';
import { operations } from '../src/openapi.ts';
import { createInferenceWorld, type InferenceWorld, type TenantOfWorld, tokenSecret } from './inference-world.ts';
import { irisOfDemo, mixedRegression } from './sample-pipelines.ts';

/** No malformed key, forged token or confused header gets in through any route of this server. */

let world: InferenceWorld;
/** by the endpoint that they have: some routes ask for the only one */
const tenants = new Map<string, TenantOfWorld & { key: string }>();
let url: string;

beforeAll(async () => {
  world = await createInferenceWorld();
  for (const [endpoint, pipeline] of [['iris', irisOfDemo()], ['wear', mixedRegression()]] as const) {
    const tenant = await world.createTenant();
    await tenant.publish(endpoint, pipeline);
    tenants.set(endpoint, { ...tenant, key: (await tenant.createKey({ scopes: ['ADMIN', 'PREDICT'] })).text });
  }
  // Makes none of the predictions that it accepts: each is still to come when it is answered.
  ({ url } = await world.start({ async: { slots: 0 } }));
});
afterAll(() => world.close());

const doors = Object.values(operations)
  .filter((operation) => !('isPublic' in operation))
  .map((operation) => ({
    id: operation.id,
    endpoint: operation.id.endsWith('Regress') ? 'wear' : 'iris',
    // There was no such prediction: only who is let in is told.
    letsInWith: { createPrediction: 202, giveFeedback: 404 }[operation.id as string] ?? 200,
    open: (lines: HeaderLines, endpoint: string, prediction: string) =>
      sendRaw(url + operation.path.replace('{model}', endpoint).replace('{version}', '1').replace('{label}', 'champion').replace('{id}', prediction), {
        method: operation.method,
        lines,
        body: 'request' in operation ? JSON.stringify(operation.request) : '',
      }),
  }));

const bearer = (text: string): HeaderLines => [['Authorization', `Bearer ${text}`]];
const apiKey = (text: string): HeaderLines => [['X-API-Key', text]];

/** Names of those that were let in. Some at a time: each opens a connection of its own. */
async function acceptedBy(open: (lines: HeaderLines) => Promise<number>, attempts: readonly { name: string; lines: HeaderLines }[]): Promise<string[]> {
  const found: string[] = [];
  const waiting = [...attempts];
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (let attempt = waiting.pop(); attempt; attempt = waiting.pop()) {
        const { name, lines } = attempt;
        if (!lettingNobodyIn.includes(await onceLookedAt(() => open(lines)))) found.push(name);
      }
    }),
  );
  return found;
}

describe.each(doors.map((door, index) => ({ ...door, index })))('$id', ({ endpoint, letsInWith, open: openAt, index }) => {
  const tenant = () => tenants.get(endpoint)!;
  /** Only who has asked for a prediction may see it. */
  async function predictionOf(credential: string): Promise<string> {
    const headers = { authorization: `Bearer ${credential}`, 'content-type': 'application/json' };
    const answer = await fetch(`${url}/v1/predictions`, { method: 'POST', headers, body: JSON.stringify(operations.createPrediction.request) });
    return ((await answer.json()) as { id: string }).id;
  }
  it.each([
    ['malformed keys', () => tenant().key, () => malformedKeys(tenant().key), 60],
    ['forged tokens', () => tenant().accessToken, () => forgedTokens(tenant().accessToken, tokenSecret, tenant().refreshToken), 70],
  ] as const)('accepts none of the %s, and none of the confused headers', async (what, good, bad, atLeast) => {
    const prediction = endpoint === 'iris' ? await predictionOf(good()) : '';
    const open = (lines: HeaderLines) => openAt(lines, endpoint, prediction);
    const credentials = bad().filter(fitsIntoHeader);
    expect(credentials.length).toBeGreaterThanOrEqual(atLeast);
    // In turn as one or the other header: over all routes, each one comes as both.
    const attempts = credentials.map(({ name, text }, place) => ({ name, lines: (place + index) % 2 ? bearer(text) : apiKey(text) }));
    const another = credentials.find(({ name }) => name === 'never made' || name === 'another person')!.text;
    const tricks = confusedHeaders(good(), another);
    const accepted = await acceptedBy(open, [...attempts, ...tricks]);
    console.log(`${what} tried: ${attempts.length}, confused headers: ${tricks.length}, accepted: ${accepted.length}`);
    expect(accepted).toEqual([]);
    // The same request with the good one gets in, so the door was not shut for another reason.
    for (const lines of [bearer(good()), apiKey(good()), [...bearer(good()), ...apiKey(good())]]) expect(await open(lines)).toBe(letsInWith);
  });
});
