import { newId, silentLogger } from '@millrace/kernel';
import { createTestDatabase, forgedTokens, malformedKeys, type TestDatabase } from '@millrace/testkit';
import { decodeJwt, decodeProtectedHeader, EncryptJWT, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { password, secrets } from '../test/auth-world.ts';
import { type Auth, createAuth, type SignedIn } from './index.ts';

const { tokenSecret, keyPepper } = secrets;

let test: TestDatabase;
let auth: Auth;
let owner: SignedIn;
let key: string;

beforeAll(async () => {
  test = await createTestDatabase();
  auth = createAuth({ database: test.database, tokenSecret, keyPepper, logger: silentLogger });
  await auth.createTenant({ tenantName: 'Acme', name: 'Ann', email: 'ann@example.com', password });
  owner = (await auth.signIn('ann@example.com', password)) as SignedIn;
  const created = await auth.keys.create(owner.actor, { alias: 'press 4', scopes: ['ADMIN'] });
  key = created.type === 'created' ? created.key : '';
});
afterAll(() => test.close());

/** Names of those that were taken for good. */
async function accepted(credentials: { name: string; text: string }[]): Promise<string[]> {
  const found: string[] = [];
  for (const { name, text } of credentials) if ((await auth.authenticate(text)) !== null) found.push(name);
  return found;
}

it('no malformed key is accepted', async () => {
  expect(await accepted([{ name: 'the valid one', text: key }])).toEqual(['the valid one']);
  const malformed = malformedKeys(key);
  expect(malformed.length).toBeGreaterThanOrEqual(60);
  const taken = await accepted(malformed);
  console.log(`malformed keys tried: ${malformed.length}, accepted: ${taken.length}`);
  expect(taken).toEqual([]);
});

it('no forged, expired or confused access token is accepted', async () => {
  expect(await accepted([{ name: 'the valid one', text: owner.accessToken }])).toEqual(['the valid one']);
  const forged = forgedTokens(owner.accessToken, tokenSecret, owner.refreshToken);
  expect(forged.length).toBeGreaterThanOrEqual(70);
  const taken = await accepted(forged);
  console.log(`forged tokens tried: ${forged.length}, accepted: ${taken.length}`);
  expect(taken).toEqual([]);
});

it('no token from another maker’s library is accepted unless it is the very one that we would make', async () => {
  const claims = decodeJwt(owner.accessToken);
  const header = decodeProtectedHeader(owner.accessToken) as { alg: string; typ: string; kid: string };
  const secret = new TextEncoder().encode(tokenSecret);
  const sign = (changedClaims: object, changedHeader: object = {}, by: Parameters<SignJWT['sign']>[0] = secret) =>
    new SignJWT({ ...claims, ...changedClaims }).setProtectedHeader({ ...header, ...changedHeader }).sign(by);
  expect(await sign({})).toBe(owner.accessToken); // the forger's tools work
  const [rsa, ec, ed] = await Promise.all(['RS256', 'ES256', 'EdDSA'].map((alg) => generateKeyPair(alg)));
  const now = Math.floor(Date.now() / 1000);
  const texts = await Promise.all([
    new UnsecuredJWT(claims).encode(),
    new EncryptJWT(claims).setProtectedHeader({ alg: 'dir', enc: 'A256GCM' }).encrypt(secret.slice(0, 32)),
    sign({}, { alg: 'RS256' }, rsa!.privateKey), sign({}, { alg: 'PS256' }, (await generateKeyPair('PS256')).privateKey), sign({}, { alg: 'ES256' }, ec!.privateKey), sign({}, { alg: 'EdDSA' }, ed!.privateKey),
    sign({}, { alg: 'HS384' }, new Uint8Array(48)), sign({}, { alg: 'HS512' }, new Uint8Array(64)), sign({}, { typ: 'JWT' }), sign({}, { kid: 'other' }), sign({}, { jku: 'https://attacker.example' }),
    sign({ iss: 'elsewhere' }), sign({ aud: ['millrace', 'x'] }), sign({ nbf: now + 60 }), sign({ jti: 'x' }), sign({ exp: now + 86_400 }), sign({ iat: now + 600, exp: now + 1_200 }), sign({ sub: newId('person') }), sign({ role: 'OPERATOR' }),
  ]);
  expect(await accepted(texts.map((text, index) => ({ name: `${index}`, text })))).toEqual([]);
});
