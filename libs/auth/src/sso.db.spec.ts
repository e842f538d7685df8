import { domainToASCII } from 'node:url';
import { newId, silentLogger } from '@millrace/kernel';
import { createOutbound } from '@millrace/outbound';
import { createTestDatabase, type IdentityProvider, type PersonAtProvider, startIdentityProvider, type TestDatabase } from '@millrace/testkit';
import { password, secrets } from '../test/auth-world.ts';
import { type Actor, type Auth, createAuth, domainRecord, type PersonActor, platformTenantId, type Role, type SignedIn, type SsoConnectionInput } from './index.ts';

const redirectUri = 'https://millrace.example/auth/sso/callback';

let test: TestDatabase;
let auth: Auth;
let idp: IdentityProvider;
let time = new Date();
const records = new Map<string, string[]>();

beforeAll(async () => {
  test = await createTestDatabase();
  idp = await startIdentityProvider({ redirectUri });
  auth = createAuth({
    database: test.database,
    ...secrets,
    logger: silentLogger,
    clock: { now: () => time },
    refusalMs: 0,
    outbound: createOutbound({ allowedNetworks: ['127.0.0.0/8'], logger: silentLogger }),
    textRecords: async (name) => records.get(name) ?? [],
  });
  await auth.watchRevocations();
});
afterAll(async () => {
  await idp.close();
  await test.close();
});
beforeEach(() => {
  time = new Date();
  idp.setDown(false);
});

interface Place {
  tenantId: string;
  slug: string;
  /** verified */
  domain: string;
  owner: PersonActor;
  ownerEmail: string;
}

const newDomain = (): string => `d${newId('domainClaim').slice(-10)}.example`;

async function signIn(email: string): Promise<SignedIn> {
  const outcome = await auth.signIn(email, password);
  if (outcome.type !== 'signed-in') throw new Error(outcome.type);
  return outcome;
}

async function tenant(domain = newDomain()): Promise<Place> {
  const ownerEmail = `owner@${newDomain()}`;
  const created = await auth.createTenant({ tenantName: 'Acme', name: 'Ann Owner', email: ownerEmail, password });
  if (created.type !== 'created') throw new Error(JSON.stringify(created));
  const { tenantId } = created;
  const { actor: owner } = await signIn(ownerEmail);
  const { slug } = await test.database.system().transaction((tx) => tx.tenant.findUniqueOrThrow({ where: { id: tenantId } }));
  const place = { tenantId, slug, domain, owner, ownerEmail };
  await verified(owner, domain);
  return place;
}

async function verified(actor: Actor, domain: string): Promise<string> {
  const claimed = await auth.sso.claimDomain(actor, { domain });
  if (claimed.type !== 'claimed') throw new Error(JSON.stringify(claimed));
  records.set(claimed.domainClaim.domain, [domainRecord(claimed.domainClaim)]);
  expect((await auth.sso.verifyDomain(actor, claimed.domainClaim.id)).type).toBe('verified');
  return claimed.domainClaim.id;
}

const connection = (changes: Partial<SsoConnectionInput> = {}): SsoConnectionInput => ({
  issuer: idp.issuer,
  clientId: idp.clientId,
  clientSecret: idp.clientSecret,
  groupsClaim: 'groups',
  roleByGroup: [{ group: 'engineers', role: 'ENGINEER' }, { group: 'admins', role: 'ADMIN' }],
  defaultRole: null,
  required: false,
  ...changes,
});

async function save(actor: Actor, changes: Partial<SsoConnectionInput> = {}): Promise<void> {
  const outcome = await auth.sso.saveConnection(actor, connection(changes));
  if (outcome.type !== 'saved') throw new Error(JSON.stringify(outcome));
}

async function member(place: Place, role: Role, email = `${newId('person')}@${place.domain}`): Promise<SignedIn & { email: string }> {
  const added = await auth.members.add({ tenantId: place.tenantId, name: `A ${role}`, email, password, role });
  if (added.type !== 'added') throw new Error(JSON.stringify(added));
  return { ...(await signIn(email)), email };
}

/** Somebody at the provider. */
function atProvider(email: string, groups: string[] = ['engineers'], changes: Record<string, unknown> = {}): PersonAtProvider {
  const person = { sub: newId('person'), email, email_verified: true, name: 'Sam Staff', groups, ...changes };
  idp.people.push(person);
  return person;
}

/** A browser's whole way: by the domain of the address, or the tenant's slug. */
async function comeIn(person: PersonAtProvider, place: Place) {
  const begun = await auth.sso.begin({ tenantSlug: place.slug }, redirectUri);
  if (begun.type !== 'begun') return begun;
  const callback = await idp.signIn(begun.url, person.sub);
  return auth.sso.complete(begun.transaction, callback, redirectUri, { requestId: 'req_of_sso', address: '192.0.2.7' });
}

async function cameIn(person: PersonAtProvider, place: Place): Promise<SignedIn> {
  const outcome = await comeIn(person, place);
  if (outcome.type !== 'signed-in') throw new Error(JSON.stringify(outcome));
  return outcome;
}

const system = <T>(work: (tx: Parameters<Parameters<ReturnType<TestDatabase['database']['system']>['transaction']>[0]>[0]) => Promise<T>): Promise<T> =>
  test.database.system().transaction(work);
const roleIn = (tenantId: string, personId: string) =>
  system((tx) => tx.membership.findUnique({ where: { tenantId_personId: { tenantId, personId } } })).then((found) => found?.role ?? null);
const trail = (tenantId: string, action: string) =>
  test.database.forTenant(tenantId).transaction((tx) => tx.auditEvent.findMany({ where: { tenantId, action }, orderBy: { id: 'asc' } }));

describe('a domain', () => {
  it('is the tenant’s once its DNS says so, and only then', async () => {
    const { owner } = await tenant();
    const domain = newDomain();
    const claimed = await auth.sso.claimDomain(owner, { domain: ` ${domain.toUpperCase()} ` });
    if (claimed.type !== 'claimed') throw new Error();
    const { id, challenge } = claimed.domainClaim;
    expect(claimed.domainClaim).toMatchObject({ domain, verifiedAt: null, createdBy: `person:${owner.personId}` });
    const record = `millrace-domain-verification=${challenge}`;
    expect(challenge).toMatch(/^[0-9a-f]{40}$/);
    for (const texts of [[], ['v=spf1 -all'], [challenge], [`${record} `], [`${record}0`], ['millrace-domain-verification=']]) {
      records.set(domain, texts);
      expect(await auth.sso.verifyDomain(owner, id)).toEqual({ type: 'record-missing', record });
    }
    records.set(domain, ['v=spf1 -all', record]);
    expect(await auth.sso.verifyDomain(owner, id)).toMatchObject({ type: 'verified', domainClaim: { verifiedAt: expect.any(Date) } });
    records.delete(domain);
    expect((await auth.sso.verifyDomain(owner, id)).type).toBe('verified'); // once is enough
    expect((await trail(owner.tenantId, 'domain.verify')).filter(({ subject }) => subject === id)).toHaveLength(1);
  });

  it('is claimed once by a tenant, however often at a time', async () => {
    const { owner } = await tenant();
    const domain = newDomain();
    const claims = await Promise.all(Array.from({ length: 8 }, () => auth.sso.claimDomain(owner, { domain })));
    expect(new Set(claims.map((claim) => claim.type === 'claimed' && claim.domainClaim.id)).size).toBe(1);
    expect((await trail(owner.tenantId, 'domain.claim')).filter(({ details }) => (details as { domain: string }).domain === domain)).toHaveLength(1);
  });

  it('may be claimed by many, and is the first one’s who proves it', async () => {
    const [one, two] = [await tenant(), await tenant()];
    const domain = newDomain();
    const claims = await Promise.all([one, two].map(async ({ owner }) => {
      const claimed = await auth.sso.claimDomain(owner, { domain });
      if (claimed.type !== 'claimed') throw new Error();
      return { owner, claim: claimed.domainClaim };
    }));
    expect(claims[0]!.claim.challenge).not.toBe(claims[1]!.claim.challenge);
    records.set(domain, claims.map(({ claim }) => domainRecord(claim)));
    const outcomes = await Promise.all(claims.map(({ owner, claim }) => auth.sso.verifyDomain(owner, claim.id)));
    expect(outcomes.map(({ type }) => type).sort()).toEqual(['taken', 'verified']);
    const winner = claims[outcomes.findIndex(({ type }) => type === 'verified')]!;
    const loser = claims.find((claim) => claim !== winner)!;
    expect(await auth.sso.releaseDomain(winner.owner, winner.claim.id)).toEqual({ type: 'released' });
    expect((await auth.sso.verifyDomain(loser.owner, loser.claim.id)).type).toBe('verified');
  });

  it('of another tenant is not found, and no verb touches it', async () => {
    const [one, two] = [await tenant(), await tenant()];
    const claimed = await auth.sso.claimDomain(one.owner, { domain: newDomain() });
    if (claimed.type !== 'claimed') throw new Error();
    const { id } = claimed.domainClaim;
    expect(await auth.sso.verifyDomain(two.owner, id)).toEqual({ type: 'not-found' });
    expect(await auth.sso.releaseDomain(two.owner, id)).toEqual({ type: 'not-found' });
    expect(await auth.sso.releaseDomain(one.owner, id)).toEqual({ type: 'released' });
    expect(await auth.sso.releaseDomain(one.owner, id)).toEqual({ type: 'not-found' });
  });

  it.each(['', 'com', 'localhost', 'a b.example', '-a.example', 'a..example', 'example.com/', 'https://example.com', 'ann@example.com', '127.0.0.1', '1.2', `${'a'.repeat(64)}.example`, `${'a.'.repeat(100)}example`, 'exam\0ple.com', '*.example.com', 'example.com?x', 'example.com#x', 'example.com\\x', 'example.com:25', '[::1]', 'exam%70le.com'])(
    'is not %j', async (domain) => {
      const { owner } = await anyTenant();
      expect(await auth.sso.claimDomain(owner, { domain })).toMatchObject({ type: 'invalid', problems: [{ code: 'domain_unfit', field: 'domain' }] });
    },
  );

  it('may be written in any script', async () => {
    const { owner } = await anyTenant();
    expect(await auth.sso.claimDomain(owner, { domain: 'Bücher.example' })).toMatchObject({ type: 'claimed', domainClaim: { domain: 'xn--bcher-kva.example' } });
  });

  it('is one of fifty at most, also when many are claimed at once', async () => {
    const { owner } = await tenant();
    const outcomes = await Promise.all(Array.from({ length: 55 }, () => auth.sso.claimDomain(owner, { domain: newDomain() })));
    expect(outcomes.filter(({ type }) => type === 'claimed')).toHaveLength(49);
  });

  it('may be approved by an operator, who stands in the tenant’s trail', async () => {
    const place = await tenant();
    const operator = await newOperator();
    const claimed = await auth.sso.claimDomain(place.owner, { domain: newDomain() });
    if (claimed.type !== 'claimed') throw new Error();
    const { id } = claimed.domainClaim;
    await expect(auth.sso.approveDomain(place.owner, id)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect((await auth.sso.approveDomain(operator, id)).type).toBe('verified');
    expect(await trail(place.tenantId, 'domain.approve')).toMatchObject([{ actor: `operator:${operator.personId}`, subject: id }]);
    expect(await auth.sso.approveDomain(operator, newId('domainClaim'))).toEqual({ type: 'not-found' });
    const other = await auth.sso.claimDomain((await anyTenant()).owner, { domain: claimed.domainClaim.domain });
    if (other.type !== 'claimed') throw new Error();
    expect((await auth.sso.approveDomain(operator, other.domainClaim.id)).type).toBe('taken');
  });
});

let someTenant: Promise<Place> | undefined;
const anyTenant = (): Promise<Place> => (someTenant ??= tenant());

async function newOperator(): Promise<PersonActor> {
  const email = `${newId('person')}@operators.example`;
  const created = await auth.createTenant({ tenantName: 'Operators', name: 'Olga', email, password, operator: true });
  if (created.type !== 'created') throw new Error();
  return { type: 'person', tenantId: platformTenantId, personId: created.personId, sessionId: newId('session'), role: 'OPERATOR' };
}

describe('a connection', () => {
  it('is saved with its secret sealed, and says what was saved', async () => {
    const { owner, tenantId } = await tenant();
    const outcome = await auth.sso.saveConnection(owner, connection({ defaultRole: 'VIEWER' }));
    expect(outcome).toMatchObject({
      type: 'saved',
      ssoConnection: { issuer: idp.issuer, clientId: 'millrace', groupsClaim: 'groups', roleByGroup: { engineers: 'ENGINEER', admins: 'ADMIN' }, defaultRole: 'VIEWER', required: false },
    });
    const row = await system((tx) => tx.ssoConnection.findUniqueOrThrow({ where: { tenantId } }));
    expect(row.secretSealed).toMatch(/^v1\./);
    expect(JSON.stringify([outcome, row, await trail(tenantId, 'sso.save')])).not.toContain(idp.clientSecret!);
    expect(await trail(tenantId, 'sso.save')).toHaveLength(1);
  });

  it('keeps its secret where none is given, but never sends it to another provider', async () => {
    const place = await tenant();
    await save(place.owner);
    const { clientSecret: _, ...withoutSecret } = connection({ defaultRole: 'VIEWER' });
    expect((await auth.sso.saveConnection(place.owner, withoutSecret)).type).toBe('saved');
    await cameIn(atProvider(`sam@${place.domain}`, []), place); // the provider still takes it

    const other = await startIdentityProvider({ redirectUri, clientAuthentication: 'none' });
    try {
      for (const changes of [{ issuer: other.issuer }, { clientId: 'other' }]) {
        expect(await auth.sso.saveConnection(place.owner, { ...withoutSecret, ...changes })).toMatchObject({ type: 'invalid', problems: [{ code: 'client_secret_missing', field: 'clientSecret' }] });
      }
      expect((await auth.sso.saveConnection(place.owner, { ...withoutSecret, issuer: other.issuer, clientSecret: null })).type).toBe('saved');
      expect(other.requests).toEqual(['/.well-known/openid-configuration']);
    } finally {
      await other.close();
    }
  });

  it('is tried before it is saved', async () => {
    const { owner } = await anyTenant();
    for (const [issuer, code] of [
      ['http://127.0.0.1:1', 'issuer_unreachable'], ['http://10.0.0.1', 'issuer_unreachable'], ['https://169.254.169.254', 'issuer_unreachable'], ['nonsense', 'issuer_misconfigured'], [`${idp.issuer}/x`, 'issuer_misconfigured'],
    ]) {
      expect(await auth.sso.saveConnection(owner, connection({ issuer: issuer! }))).toMatchObject({ type: 'invalid', problems: [{ code, field: 'issuer', message: expect.stringMatching(/./), remedy: expect.stringMatching(/./) }] });
    }
  });

  it.each<[string, Partial<SsoConnectionInput>]>([
    ['issuer', { issuer: '' }],
    ['clientId', { clientId: ' x' }],
    ['clientSecret', { clientSecret: '' }],
    ['groupsClaim', { groupsClaim: 'a\0b' }],
    ['roleByGroup.0.group', { roleByGroup: [{ group: '', role: 'VIEWER' }] }],
    ['roleByGroup', { roleByGroup: [{ group: 'a', role: 'VIEWER' }, { group: 'a', role: 'ADMIN' }] }],
    ['roleByGroup', { roleByGroup: [{ group: '__proto__', role: 'VIEWER' }] }],
    ['roleByGroup', { roleByGroup: [{ group: 'a', role: 'OPERATOR' }] }],
    ['roleByGroup', { defaultRole: 'OPERATOR' }],
    ['roleByGroup', { roleByGroup: [], defaultRole: null }],
    ['roleByGroup', { roleByGroup: Array.from({ length: 201 }, (_, index) => ({ group: `g${index}`, role: 'VIEWER' as const })) }],
  ])('is refused with an unfit %s', async (field, changes) => {
    const { owner } = await anyTenant();
    expect(await auth.sso.saveConnection(owner, connection(changes))).toMatchObject({ type: 'invalid', problems: [{ field }] });
  });

  it('gives no role above that of whoever sets it up, and is not changed by those below what it gives', async () => {
    const place = await tenant();
    const { actor: admin } = await member(place, 'ADMIN');
    const owners = { roleByGroup: [{ group: 'bosses', role: 'OWNER' as const }] };
    for (const changes of [owners, { defaultRole: 'OWNER' as const }]) {
      expect(await auth.sso.saveConnection(admin, connection(changes))).toMatchObject({ type: 'invalid', problems: [{ code: 'role_unfit' }] });
    }
    await save(admin);
    await save(place.owner, owners);
    await expect(auth.sso.saveConnection(admin, connection())).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(auth.sso.removeConnection(admin)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(await auth.sso.removeConnection(place.owner)).toEqual({ type: 'removed' });
    expect(await auth.sso.removeConnection(place.owner)).toEqual({ type: 'not-found' });
  });

  it('is the business of administrators who are members: not of engineers, keys, operators with a grant, or those who were it a moment ago', async () => {
    const place = await tenant();
    const { actor: engineer } = await member(place, 'ENGINEER');
    const key: Actor = { type: 'key', tenantId: place.tenantId, keyId: newId('apiKey'), scopes: ['ADMIN'], models: [] };
    const grant: Actor = { ...place.owner, grantId: newId('accessGrant') }; // a member too, but not acting as one
    const former: Actor = { ...engineer, role: 'OWNER' };
    for (const actor of [engineer, key, grant, former]) {
      for (const attempt of [
        () => auth.sso.saveConnection(actor, connection()),
        () => auth.sso.removeConnection(actor),
        () => auth.sso.claimDomain(actor, { domain: newDomain() }),
        () => auth.sso.verifyDomain(actor, newId('domainClaim')),
        () => auth.sso.releaseDomain(actor, newId('domainClaim')),
      ]) {
        await expect(attempt()).rejects.toMatchObject({ code: 'FORBIDDEN' });
      }
    }
  });

  it('ends the sessions that came by it, with itself or with its issuer', async () => {
    const place = await tenant();
    await save(place.owner);
    const first = await cameIn(atProvider(`sam@${place.domain}`), place);
    expect(await auth.authenticate(first.accessToken)).not.toBeNull();
    await save(place.owner, { defaultRole: 'VIEWER' }); // the same issuer
    expect(await auth.authenticate(first.accessToken)).not.toBeNull();
    await auth.sso.removeConnection(place.owner);
    await gone(first.accessToken);
    expect((await auth.refresh(first.refreshToken)).type).toBe('refused');
    expect((await auth.sso.begin({ tenantSlug: place.slug }, redirectUri))).toEqual({ type: 'refused', code: 'not_set_up' });

    await save(place.owner);
    const second = await cameIn(atProvider(`kim@${place.domain}`), place);
    const other = await startIdentityProvider({ redirectUri });
    await save(place.owner, { issuer: other.issuer, clientSecret: other.clientSecret });
    await gone(second.accessToken);
    await other.close();
  });

  it('that ends while somebody is at its provider lets nobody in', async () => {
    const place = await tenant();
    await save(place.owner);
    const sam = atProvider(`sam@${place.domain}`);
    const begun = await auth.sso.begin({ tenantSlug: place.slug }, redirectUri);
    if (begun.type !== 'begun') throw new Error();
    const callback = await idp.signIn(begun.url, sam.sub);
    const { reached, letGo } = idp.hold(1);
    const completion = auth.sso.complete(begun.transaction, callback, redirectUri);
    await reached;
    await auth.sso.removeConnection(place.owner);
    letGo();
    expect(await completion).toEqual({ type: 'refused', code: 'state_mismatch' });
    expect(await system((tx) => tx.ssoIdentity.count({ where: { tenantId: place.tenantId } }))).toBe(0);
  });
});

/** Waits for the notice that makes a credential worthless; the time limit of the test is its limit. */
async function gone(accessToken: string): Promise<void> {
  while ((await auth.authenticate(accessToken)) !== null) await new Promise((resolve) => setImmediate(resolve));
}

describe('coming in', () => {
  it('makes a member of whoever the provider vouches for, found by the domain of their address', async () => {
    const place = await tenant();
    await save(place.owner);
    const sam = atProvider(`Sam@${place.domain.toUpperCase()}`);
    const begun = await auth.sso.begin({ email: `whoever@${place.domain}` }, redirectUri);
    if (begun.type !== 'begun') throw new Error(begun.code);
    expect(begun.expiresInSeconds).toBe(600);
    expect(begun.transaction).not.toContain(new URL(begun.url).searchParams.get('state'));
    const outcome = await auth.sso.complete(begun.transaction, await idp.signIn(begun.url, sam.sub), redirectUri, { address: '192.0.2.7' });
    if (outcome.type !== 'signed-in') throw new Error(outcome.code);
    const { actor } = outcome;
    expect(actor).toMatchObject({ tenantId: place.tenantId, role: 'ENGINEER' });
    expect(await auth.authenticate(outcome.accessToken)).toEqual(actor);
    const person = await system((tx) => tx.person.findUniqueOrThrow({ where: { id: actor.personId } }));
    expect(person).toMatchObject({ email: `sam@${place.domain}`, name: 'Sam Staff', passwordHash: null });
    expect(await trail(place.tenantId, 'member.add')).toMatchObject([{ actor: 'system', address: '192.0.2.7', subject: actor.personId, details: { role: 'ENGINEER', by: 'sso' } }]);
    expect((await trail(place.tenantId, 'session.open')).at(-1)).toMatchObject({ actor: `person:${actor.personId}`, result: 'ok', address: '192.0.2.7', details: { method: 'SSO' } });
    // No password opens this account, not an empty one either.
    for (const guess of ['', password]) expect((await auth.signIn(person.email, guess)).type).toBe('refused');
  });

  it('again is the same person, whatever became of their address and name', async () => {
    const place = await tenant();
    await save(place.owner);
    const sam = atProvider(`sam@${place.domain}`);
    const first = await cameIn(sam, place);
    Object.assign(sam, { email: `samantha@${place.domain}`, name: 'Samantha Staff' });
    const second = await cameIn(sam, place);
    expect(second.actor.personId).toBe(first.actor.personId);
    expect(await trail(place.tenantId, 'member.add')).toHaveLength(1);
  });

  it('at the same time for the first time makes one person', async () => {
    const [one, two] = [await tenant(), await tenant()];
    await save(one.owner);
    const sam = atProvider(`sam@${one.domain}`);
    const sessions = await Promise.all(Array.from({ length: 5 }, () => cameIn(sam, one)));
    expect(new Set(sessions.map(({ actor }) => actor.personId)).size).toBe(1);
    // The same in two tenants, whose locks do not meet: the domain changes hands, and both have it for a moment.
    const mail = `${newId('person')}@${one.domain}`;
    const claims = await test.database.forTenant(one.tenantId).transaction((tx) => tx.domainClaim.findMany({ where: { domain: one.domain } }));
    await save(two.owner);
    const kim = atProvider(mail);
    const begun = await Promise.all([one, two].map(({ slug }) => auth.sso.begin({ tenantSlug: slug }, redirectUri)));
    const callbacks = await Promise.all(begun.map((outcome) => idp.signIn((outcome as { url: string }).url, kim.sub)));
    const first = await auth.sso.complete((begun[0] as { transaction: string }).transaction, callbacks[0]!, redirectUri);
    await auth.sso.releaseDomain(one.owner, claims[0]!.id);
    await verified(two.owner, one.domain);
    const second = await auth.sso.complete((begun[1] as { transaction: string }).transaction, callbacks[1]!, redirectUri);
    expect([first, second].map((outcome) => outcome.type)).toEqual(['signed-in', 'signed-in']);
    expect((first as SignedIn).actor.personId).toBe((second as SignedIn).actor.personId);
  });

  it('joins the account of a member who was invited before, and changes nothing of a person’s other tenants', async () => {
    const [place, elsewhere] = [await tenant(), await tenant()];
    await save(place.owner);
    const invited = await member(place, 'VIEWER');
    const joined = await cameIn(atProvider(invited.email, ['admins'], { name: 'Another Name' }), place);
    expect(joined.actor).toMatchObject({ personId: invited.actor.personId, role: 'ADMIN' });

    const outsider = await member(elsewhere, 'VIEWER', `out@${place.domain}`);
    const guest = await cameIn(atProvider(outsider.email, ['admins'], { name: 'Another Name' }), place);
    expect(guest.actor).toMatchObject({ personId: outsider.actor.personId, tenantId: place.tenantId, role: 'ADMIN' });
    expect(await roleIn(elsewhere.tenantId, outsider.actor.personId)).toBe('VIEWER');
    const person = await system((tx) => tx.person.findUniqueOrThrow({ where: { id: outsider.actor.personId } }));
    expect(person).toMatchObject({ name: 'A VIEWER', passwordHash: expect.any(String) });
    expect(await auth.authenticate(outsider.accessToken)).not.toBeNull();
  });

  it('opens the tenant to nobody who has made an account with that address beforehand', async () => {
    const [place, evil] = [await tenant(), await tenant()];
    await save(place.owner, { roleByGroup: [{ group: 'admins', role: 'OWNER' }], defaultRole: 'VIEWER' });
    const email = `boss@${place.domain}`;
    // The link goes to whoever invites, who accepts it in the name of the invited.
    const invited = await auth.members.invite(evil.owner, { email, role: 'VIEWER' });
    const squatter = invited.type === 'invited' && (await auth.members.acceptInvitation(invited.token, { name: 'Mallory', password }));
    if (!squatter || squatter.type !== 'signed-in') throw new Error();
    const boss = await cameIn(atProvider(email, ['admins']), place);
    expect(boss.actor).toMatchObject({ tenantId: place.tenantId, role: 'OWNER' });

    expect(await auth.members.switchTo(squatter.actor, place.tenantId)).toEqual({ type: 'not-found' });
    expect((await signIn(email)).actor.tenantId).toBe(evil.tenantId);
    expect((await auth.members.listOwn(squatter.actor)).map(({ tenantId }) => tenantId)).toEqual([evil.tenantId]);
    expect((await auth.sessions.list(squatter.actor)).map(({ method }) => method)).not.toContain('SSO');
    await expect(auth.sessions.revoke(squatter.actor, boss.actor.sessionId)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await auth.sessions.revokeOthers(squatter.actor);
    expect(await auth.passwords.change(squatter.actor, { currentPassword: password, newPassword: `${password}, another` })).toMatchObject({ type: 'changed' });
    expect(await auth.passwords.change(squatter.actor, { currentPassword: `${password}, another`, newPassword: password })).toMatchObject({ type: 'changed' });
    expect(await auth.authenticate(boss.accessToken)).not.toBeNull();
    await auth.members.remove(evil.owner, squatter.actor.personId);
    expect(await auth.signIn(email, password)).toEqual({ type: 'sso-only' });
    expect(await roleIn(place.tenantId, boss.actor.personId)).toBe('OWNER');
  });

  it('tells the provider’s people nothing of a person’s other tenants', async () => {
    const [place, elsewhere] = [await tenant(), await tenant()];
    await save(place.owner);
    const insider = await member(elsewhere, 'VIEWER', `both@${place.domain}`);
    const { actor } = await cameIn(atProvider(insider.email), place);
    expect(actor.personId).toBe(insider.actor.personId);
    expect((await auth.members.listOwn(actor)).map(({ tenantId }) => tenantId)).toEqual([place.tenantId]);
    expect((await auth.members.listOwn(insider.actor)).map(({ tenantId }) => tenantId)).toEqual([elsewhere.tenantId]);
  });

  it('is refused to an address that another account of the provider came in with', async () => {
    const place = await tenant();
    await save(place.owner);
    const former = await cameIn(atProvider(`info@${place.domain}`, ['admins']), place);
    const successor = atProvider(`info@${place.domain}`, ['engineers']);
    expect(await comeIn(successor, place)).toEqual({ type: 'refused', code: 'email_taken' });
    // Once the former is no member any more, the address is free, with none of its rights.
    await system((tx) => tx.membership.deleteMany({ where: { tenantId: place.tenantId, personId: former.actor.personId } }));
    expect((await cameIn(successor, place)).actor.role).toBe('ENGINEER');
  });

  it.each<[string, (place: Place) => PersonAtProvider]>([
    ['email_unverified', ({ domain }) => atProvider(`sam@${domain}`, ['admins'], { email_verified: false })],
    ['email_unverified', ({ domain }) => atProvider(`sam@${domain}`, ['admins'], { email_verified: undefined })],
    ['email_unverified', () => atProvider('no address', ['admins'])],
    ['email_unverified', ({ domain }) => atProvider(`"a b"@${domain}`, ['admins'])],
    ['domain_unverified', () => atProvider('sam@elsewhere.example', ['admins'])],
    ['domain_unverified', ({ domain }) => atProvider(`sam@sub.${domain}`, ['admins'])],
    ['domain_unverified', ({ domain }) => atProvider(`sam@evil-${domain}`, ['admins'])],
    ['domain_unverified', ({ domain }) => atProvider(`sam@${domain}/x`, ['admins'])],
    ['domain_unverified', ({ domain }) => atProvider(`sam@${domain}.`, ['admins'])],
    ['email_unverified', ({ domain }) => atProvider(`sam@${domain}\\@elsewhere.example`, ['admins'])],
    ['no_role', ({ domain }) => atProvider(`sam@${domain}`, ['others', 'constructor', '__proto__', 'Engineers'])],
    ['no_role', ({ domain }) => atProvider(`sam@${domain}`, [])],
  ])('is refused (%s), leaves nothing but a line in the trail', async (code, somebody) => {
    const place = await tenant();
    await save(place.owner);
    const person = somebody(place);
    const before = await system((tx) => tx.person.count());
    expect(await comeIn(person, place)).toEqual({ type: 'refused', code });
    expect(await system((tx) => tx.person.count())).toBe(before);
    expect(await system((tx) => tx.ssoIdentity.count({ where: { tenantId: place.tenantId } }))).toBe(0);
    const opened = await trail(place.tenantId, 'session.open');
    expect(opened.at(-1)).toMatchObject({ actor: 'system', result: code, requestId: 'req_of_sso', details: { method: 'SSO', provider: { issuer: idp.issuer, subject: person.sub } } });
  });

  it('is refused once the domain is released, and while it is only claimed', async () => {
    const place = await tenant();
    await save(place.owner);
    const domain = newDomain();
    const claimed = await auth.sso.claimDomain(place.owner, { domain });
    if (claimed.type !== 'claimed') throw new Error();
    const sam = atProvider(`sam@${domain}`);
    expect(await comeIn(sam, place)).toEqual({ type: 'refused', code: 'domain_unverified' });
    expect(await auth.sso.begin({ email: `sam@${domain}` }, redirectUri)).toEqual({ type: 'refused', code: 'not_set_up' });
    await verified(place.owner, domain);
    await cameIn(sam, place);
    await auth.sso.releaseDomain(place.owner, claimed.domainClaim.id);
    expect(await comeIn(sam, place)).toEqual({ type: 'refused', code: 'domain_unverified' });
  });

  it('gives the role of the groups of this moment: the highest, or the one for all others', async () => {
    const place = await tenant();
    await save(place.owner, { defaultRole: 'VIEWER' });
    const sam = atProvider(`sam@${place.domain}`, []);
    const { actor } = await cameIn(sam, place);
    const roles = [];
    for (const groups of [['engineers'], ['engineers', 'admins'], ['admins', 'engineers'], ['others'], 'admins']) {
      sam['groups'] = groups;
      roles.push((await cameIn(sam, place)).actor.role);
      expect(await roleIn(place.tenantId, actor.personId)).toBe(roles.at(-1));
    }
    expect([actor.role, ...roles]).toEqual(['VIEWER', 'ENGINEER', 'ADMIN', 'ADMIN', 'VIEWER', 'ADMIN']);
    expect((await trail(place.tenantId, 'member.role')).map(({ details }) => details)).toMatchObject([{ from: 'VIEWER', to: 'ENGINEER', by: 'sso' }, {}, { from: 'ADMIN', to: 'VIEWER' }, {}]);
  });

  it('takes a lower role away from sessions that are open elsewhere', async () => {
    const place = await tenant();
    await save(place.owner, { defaultRole: 'VIEWER' });
    const sam = atProvider(`sam@${place.domain}`, ['admins']);
    const { accessToken } = await cameIn(sam, place);
    expect(await auth.authenticate(accessToken)).toMatchObject({ role: 'ADMIN' });
    sam['groups'] = [];
    await cameIn(sam, place);
    for (;;) {
      const actor = await auth.authenticate(accessToken);
      if (actor?.type === 'person' && actor.role === 'VIEWER') break;
      await new Promise((resolve) => setImmediate(resolve));
    }
  });

  it('puts out whom the provider has put out of all groups', async () => {
    const place = await tenant();
    await save(place.owner);
    const sam = atProvider(`sam@${place.domain}`);
    const { accessToken, refreshToken } = await cameIn(sam, place);
    sam['groups'] = [];
    expect(await comeIn(sam, place)).toEqual({ type: 'refused', code: 'no_role' });
    await gone(accessToken);
    expect((await auth.refresh(refreshToken)).type).toBe('refused');
    expect((await trail(place.tenantId, 'session.open')).at(-1)).toMatchObject({ result: 'no_role', details: { endedSessions: 1 } });
  });

  it('never makes an owner, unmakes one or stands in for one, unless an owner has mapped a group to owners', async () => {
    const domain = newDomain();
    const place = await tenant(domain);
    const boss = await member(place, 'OWNER', `boss@${domain}`);
    const { actor: admin } = await member(place, 'ADMIN');
    await save(admin, { defaultRole: 'ADMIN' }); // an administrator's own provider says that it has the owner here
    const impostor = atProvider(boss.email, ['admins']);
    expect(await comeIn(impostor, place)).toEqual({ type: 'refused', code: 'owner_by_password' });
    expect(await roleIn(place.tenantId, boss.actor.personId)).toBe('OWNER');

    await save(place.owner, { roleByGroup: [{ group: 'bosses', role: 'OWNER' }, { group: 'engineers', role: 'ENGINEER' }] });
    impostor['groups'] = ['bosses'];
    expect((await cameIn(impostor, place)).actor).toMatchObject({ personId: boss.actor.personId, role: 'OWNER' });
    impostor['groups'] = ['engineers'];
    expect((await cameIn(impostor, place)).actor.role).toBe('ENGINEER');
  });

  it('leaves the last owner an owner', async () => {
    const place = await tenant();
    await verified(place.owner, place.ownerEmail.split('@')[1]!);
    await save(place.owner, { roleByGroup: [{ group: 'bosses', role: 'OWNER' }], defaultRole: 'VIEWER' });
    const last = atProvider(place.ownerEmail, []);
    expect((await cameIn(last, place)).actor).toMatchObject({ personId: place.owner.personId, role: 'OWNER' });
    const second = atProvider(`second@${place.domain}`, ['bosses']);
    await cameIn(second, place);
    expect((await cameIn(last, place)).actor.role).toBe('VIEWER');
    second['groups'] = [];
    expect((await cameIn(second, place)).actor.role).toBe('OWNER');
  });

  it('makes no owner who would be enough without one who comes in by password', async () => {
    const place = await tenant();
    await save(place.owner, { roleByGroup: [{ group: 'bosses', role: 'OWNER' }], defaultRole: 'VIEWER' });
    const boss = atProvider(`boss@${place.domain}`, ['bosses']);
    const { actor } = await cameIn(boss, place);
    expect(await auth.members.leave(place.owner)).toEqual({ type: 'last-owner' });
    expect(await auth.members.changeRole(actor, place.owner.personId, 'ADMIN')).toEqual({ type: 'last-owner' });
    expect(await auth.members.leave(actor)).toEqual({ type: 'left' });
    expect((await cameIn(boss, place)).actor.role).toBe('OWNER');
  });

  it('two owners at the same moment do not both lose it', async () => {
    const place = await tenant();
    await verified(place.owner, place.ownerEmail.split('@')[1]!);
    await save(place.owner, { roleByGroup: [{ group: 'bosses', role: 'OWNER' }], defaultRole: 'VIEWER' });
    const second = atProvider(`second@${place.domain}`, ['bosses']);
    await cameIn(second, place);
    second['groups'] = [];
    const outcomes = await Promise.all([cameIn(atProvider(place.ownerEmail, []), place), cameIn(second, place)]);
    expect(outcomes.map(({ actor }) => actor.role).sort()).toEqual(['OWNER', 'VIEWER']);
  });

  it('opens a session of twelve hours that stays in its tenant', async () => {
    const place = await tenant();
    await save(place.owner);
    const { actor, refreshToken } = await cameIn(atProvider(`sam@${place.domain}`), place);
    const session = await system((tx) => tx.session.findUniqueOrThrow({ where: { id: actor.sessionId } }));
    expect(session).toMatchObject({ method: 'SSO', tenantId: place.tenantId });
    const begun = time.getTime();
    expect(session.expiresAt.getTime() - begun).toBeLessThanOrEqual(12 * 3_600_000);
    time = new Date(begun + 11 * 3_600_000);
    const refreshed = await auth.refresh(refreshToken);
    expect(refreshed.type).toBe('signed-in');
    time = new Date(begun + 12 * 3_600_000 + 1000);
    expect((await auth.refresh((refreshed as SignedIn).refreshToken)).type).toBe('refused');
  });

  it('is refused to a suspended tenant, before and on the way', async () => {
    const place = await tenant();
    await save(place.owner);
    const sam = atProvider(`sam@${place.domain}`);
    const begun = await auth.sso.begin({ email: `sam@${place.domain}` }, redirectUri);
    if (begun.type !== 'begun') throw new Error();
    const callback = await idp.signIn(begun.url, sam.sub);
    await system((tx) => tx.tenant.update({ where: { id: place.tenantId }, data: { status: 'SUSPENDED' } }));
    expect(await auth.sso.complete(begun.transaction, callback, redirectUri)).toEqual({ type: 'refused', code: 'state_mismatch' });
    expect(await auth.sso.begin({ email: `sam@${place.domain}` }, redirectUri)).toEqual({ type: 'refused', code: 'not_set_up' });
    expect(await auth.sso.begin({ tenantSlug: place.slug }, redirectUri)).toEqual({ type: 'refused', code: 'not_set_up' });
  });
});

describe('a transaction', () => {
  it('is good for the browser that began, for ten minutes, for the same connection', async () => {
    const [place, other] = [await tenant(), await tenant()];
    await save(place.owner);
    await save(other.owner);
    const sam = atProvider(`sam@${place.domain}`);
    const begin = async (where: Place) => {
      const begun = await auth.sso.begin({ tenantSlug: where.slug }, redirectUri);
      if (begun.type !== 'begun') throw new Error();
      return { transaction: begun.transaction, callback: await idp.signIn(begun.url, sam.sub) };
    };
    const [mine, again, others] = [await begin(place), await begin(place), await begin(other)];
    const refused = { type: 'refused', code: 'state_mismatch' };
    for (const transaction of ['', 'x', 'v1.', `${mine.transaction.slice(0, -8)}AAAAAAAA`, mine.transaction.slice(0, -4), again.transaction, others.transaction]) {
      expect(await auth.sso.complete(transaction, mine.callback, redirectUri)).toEqual(refused);
    }
    expect((await auth.sso.complete(mine.transaction, mine.callback, redirectUri)).type).toBe('signed-in');
    expect(await auth.sso.complete(mine.transaction, mine.callback, redirectUri)).toEqual({ type: 'refused', code: 'code_refused' });

    time = new Date(time.getTime() + 601_000);
    expect(await auth.sso.complete(again.transaction, again.callback, redirectUri)).toEqual(refused);
    time = new Date();
    const { callback, transaction } = await begin(place);
    await auth.sso.removeConnection(place.owner);
    await save(place.owner);
    expect(await auth.sso.complete(transaction, callback, redirectUri)).toEqual(refused);
  });

  it.each<object>([{ email: '' }, { email: 'x' }, { email: 'a@b\0' }, { email: 'nobody@nowhere.example' }, { tenantSlug: '' }, { tenantSlug: 'no-such' }, { tenantSlug: 'a\0' }, { tenantSlug: 'platform' }])(
    'is not begun for %j', async (entrance) => {
      expect(await auth.sso.begin(entrance as never, redirectUri)).toEqual({ type: 'refused', code: 'not_set_up' });
    },
  );

  it('is refused while too many wait for the same provider, and nobody else is', async () => {
    const slow = await startIdentityProvider({ redirectUri });
    try {
      const [place, other] = [await tenant(), await tenant()];
      await save(place.owner, { issuer: slow.issuer, clientSecret: slow.clientSecret });
      await save(other.owner);
      const begin = async () => {
        const sam = atProvider(`${newId('person')}@${place.domain}`);
        slow.people.push(sam);
        const begun = await auth.sso.begin({ tenantSlug: place.slug }, redirectUri);
        if (begun.type !== 'begun') throw new Error(begun.code);
        return { transaction: begun.transaction, callback: await slow.signIn(begun.url, sam.sub) };
      };
      const begun: Awaited<ReturnType<typeof begin>>[] = [];
      for (let count = 0; count < 11; count++) begun.push(await begin());
      const complete = ({ transaction, callback }: (typeof begun)[number]) => auth.sso.complete(transaction, callback, redirectUri);
      const { reached, letGo } = slow.hold(10);
      const waiting = begun.slice(1).map(complete);
      await reached;
      expect(await complete(begun[0]!)).toEqual({ type: 'refused', code: 'busy' });
      expect((await auth.sso.begin({ tenantSlug: other.slug }, redirectUri)).type).toBe('begun');
      letGo();
      expect((await Promise.all(waiting)).map(({ type }) => type)).toEqual(Array(10).fill('signed-in'));
      expect((await complete(begun[0]!)).type).toBe('signed-in');
    } finally {
      await slow.close();
    }
  });

  it('tells a provider that is down', async () => {
    const place = await tenant();
    await save(place.owner);
    time = new Date(time.getTime() + 301_000);
    idp.setDown(true);
    const begin = () => auth.sso.begin({ tenantSlug: place.slug }, redirectUri);
    const before = idp.requests.length;
    for (let i = 0; i < 5; i++) expect(await begin()).toEqual({ type: 'refused', code: 'unreachable' });
    expect(idp.requests.length).toBe(before + 1); // whoever begins again makes no request of it
    idp.setDown(false);
    expect(await begin()).toEqual({ type: 'refused', code: 'unreachable' });
    time = new Date(time.getTime() + 16_000);
    expect((await begin()).type).toBe('begun');
    // Whoever sets a connection up, and mends it, needs not wait.
    time = new Date(time.getTime() + 301_000);
    idp.setDown(true);
    expect((await begin()).type).toBe('refused');
    idp.setDown(false);
    await save((await tenant()).owner);
    expect((await begin()).type).toBe('begun');
  });

  it('is begun so often from one network only, known domain or not', async () => {
    const place = await tenant();
    await save(place.owner);
    const begin = async (address: string, slug = place.slug) => {
      const outcome = await auth.sso.begin({ tenantSlug: slug }, redirectUri, { address });
      return outcome.type === 'refused' ? outcome.code : outcome.type;
    };
    const keys = async () => (await test.asOwner('SELECT key FROM sign_in_throttles')).map(({ key }) => key as string);
    const known = await keys();
    expect([await begin('2001:db8::1'), await begin('2001:db8::2', 'nobody')]).toEqual(['begun', 'not_set_up']);
    const [key, ...others] = (await keys()).filter((one) => !known.includes(one));
    expect(others).toEqual([]); // both in one network
    await test.asOwner('UPDATE sign_in_throttles SET failures = 119 WHERE key = $1', [key]);
    expect(await begin('2001:db8::3')).toBe('begun');
    expect([await begin('2001:db8::4'), await begin('2001:db8::1', 'nobody')]).toEqual(['too_many_attempts', 'too_many_attempts']);
    expect(await begin('2001:db8:0:1::1')).toBe('begun');
  });
});

describe('required single sign-on', () => {
  it('keeps members in verified domains from coming in by password, and ends the sessions that did', async () => {
    const place = await tenant();
    const inside = await member(place, 'ENGINEER');
    const outside = await member(place, 'ENGINEER', `${newId('person')}@agency.example`);
    const owner = await member(place, 'OWNER');
    const { actor: admin, accessToken: adminToken } = await member(place, 'ADMIN');
    await save(admin, { required: true });
    await gone(inside.accessToken);
    expect(await auth.signIn(inside.email, password)).toEqual({ type: 'sso-only' });
    expect(await auth.signIn(inside.email, 'wrong password')).toEqual({ type: 'refused' });
    for (const kept of [outside, owner]) {
      expect(await auth.authenticate(kept.accessToken)).not.toBeNull();
      expect((await auth.signIn(kept.email, password)).type).toBe('signed-in');
    }
    expect(await auth.authenticate(adminToken)).not.toBeNull(); // to mend what may be wrong
    expect((await trail(place.tenantId, 'sso.save')).at(-1)).toMatchObject({ details: { required: true, endedSessions: 1 } });
    expect((await cameIn(atProvider(inside.email), place)).actor.personId).toBe(inside.actor.personId);
    await save(admin);
    expect((await auth.signIn(inside.email, password)).type).toBe('signed-in');
  });

  it('counts for a domain in letters of its own, in either spelling', async () => {
    const place = await tenant();
    const domain = `mühle-${newDomain()}`;
    await verified(place.owner, domainToASCII(domain));
    await save(place.owner, { required: true });
    for (const spelling of [domain, domainToASCII(domain)]) {
      const email = `${newId('person')}@${spelling}`;
      expect((await auth.members.add({ tenantId: place.tenantId, name: 'Sam Staff', email, password, role: 'VIEWER' })).type).toBe('added');
      expect(await auth.signIn(email, password)).toEqual({ type: 'sso-only' });
    }
  });

  it('counts from the moment on at which a domain is verified', async () => {
    const place = await tenant();
    const domain = newDomain();
    const sam = await member(place, 'VIEWER', `sam@${domain}`);
    await save(place.owner, { required: true });
    expect((await auth.signIn(sam.email, password)).type).toBe('signed-in');
    await verified(place.owner, domain);
    await gone(sam.accessToken);
    expect(await auth.signIn(sam.email, password)).toEqual({ type: 'sso-only' });
  });

  it('knows a domain in whatever spelling an address has it', async () => {
    const place = await tenant();
    const domain = `bücher-${newDomain()}`;
    await verified(place.owner, domain);
    const sam = await member(place, 'ENGINEER', `sam@${domain}`);
    await save(place.owner, { required: true });
    await gone(sam.accessToken);
    expect(await auth.signIn(sam.email, password)).toEqual({ type: 'sso-only' });
  });

  it('leads a person to another of their tenants', async () => {
    const [place, elsewhere] = [await tenant(), await tenant()];
    const sam = await member(place, 'VIEWER');
    await system((tx) => tx.membership.createMany({ data: [{ tenantId: elsewhere.tenantId, personId: sam.actor.personId, role: 'VIEWER' }] }));
    await save(place.owner, { required: true });
    expect((await signIn(sam.email)).actor.tenantId).toBe(elsewhere.tenantId);
  });
});
