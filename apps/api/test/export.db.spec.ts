import { createHash } from 'node:crypto';
import { get, type IncomingMessage } from 'node:http';
import { createTenantKeyring, masterKeysOf } from '@millrace/auth';
import { newId, silentLogger } from '@millrace/kernel';
import { createFileStore, createSealedStore } from '@millrace/storage';
import { testSecrets } from '@millrace/testkit';
import { extract } from 'tar-stream';
import { addModelVersion, createApiWorld, irisFile, type Member, password, type World } from './api-world.ts';

let world: World;
let acme: Member;
let bolt: Member;
/** texts that must not be in an export of Acme's */
const secrets: string[] = [];

beforeAll(async () => {
  world = await createApiWorld();
  acme = await world.tenant('acme');
  bolt = await world.tenant('canary-bolt');
  for (const [who, name] of [[acme, 'presses'], [bolt, 'canary data']] as const) {
    const { versionId } = await world.iris(who.token, name);
    await world.graphql('mutation { inviteMember(input: { email: "new@canary.test", role: VIEWER }) { ... on InviteMemberSuccess { token } } }', {}, who.token).then(
      ({ data }) => void secrets.push(data!['inviteMember'].token),
    );
    secrets.push(await world.apiKey(who, ['PREDICT']), who.token, who.refreshToken);
    await addModelVersion(world.database.database, who.actor.tenantId, {
      modelId: newId('model'), versionId: newId('modelVersion'), modelName: name.replace(' ', '-'), datasetVersionId: versionId, runId: newId('run'),
    });
  }
  const hidden = await world.database.asOwner<Record<string, string>>(
    `SELECT secret_hmac AS s FROM api_keys UNION SELECT token_hash FROM sessions UNION SELECT token_hash FROM invitations UNION SELECT password_hash FROM people`,
  );
  secrets.push(...hidden.map(({ s }) => s!));
  expect(secrets.length).toBeGreaterThan(12);
});
afterAll(() => world.close());

const exportOf = (token?: string): Promise<Response> => fetch(`${world.api.url}/export`, { headers: token ? { authorization: `Bearer ${token}` } : {} });

async function unpack(bytes: Uint8Array): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  const unpacking = extract();
  unpacking.end(bytes);
  for await (const entry of unpacking) {
    const parts: Buffer[] = [];
    for await (const part of entry as unknown as AsyncIterable<Buffer>) parts.push(part);
    files.set(entry.header.name.replace(/^[^/]+\//, ''), Buffer.concat(parts));
  }
  return files;
}

const exportedAt = async (tenantId: string): Promise<Date | null> =>
  (await world.database.asOwner<{ exported_at: Date | null }>('SELECT exported_at FROM tenants WHERE id = $1', [tenantId]))[0]!.exported_at;

const exportLines = async (tenantId: string) =>
  (await world.database.asOwner<{ actor: string; result: string }>(`SELECT actor, result FROM audit_events WHERE tenant_id = $1 AND action = 'tenant.export' ORDER BY id`, [tenantId]));

it('is everything of the tenant, whole, readable without Millrace, and nothing of anybody else or secret', async () => {
  const { tenantId } = acme.actor;
  const answer = await exportOf(acme.token);
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toBe('application/x-tar');
  expect(answer.headers.get('content-disposition')).toMatch(/^attachment; filename="acme-\w{8}-export.tar"$/);
  expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
  const bytes = new Uint8Array(await answer.arrayBuffer());
  // It counts from the moment on in which its last byte is here.
  expect(await exportedAt(tenantId)).toEqual(expect.any(Date));
  const files = await unpack(bytes);

  const manifest = JSON.parse(files.get('manifest.json')!.toString());
  expect(files.get('README.txt')!.toString()).toContain('“acme”');
  const listed = [...manifest.tables, ...manifest.artefacts] as { path: string; bytes: number; sha256: string; rows?: number }[];
  expect([...files.keys()].sort()).toEqual(['README.txt', 'manifest.json', ...listed.map(({ path }) => path)].sort());
  for (const { path, bytes: size, sha256 } of listed) {
    const file = files.get(path)!;
    expect([path, size, sha256]).toEqual([path, file.length, createHash('sha256').update(file).digest('hex')]);
  }

  // Every table that says whose its rows are is in it, or is known not to be.
  const tables = await world.database.asOwner<{ name: string }>(
    `SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')`,
  );
  expect(manifest.tables.map(({ path }: { path: string }) => path.slice('tables/'.length, -'.jsonl'.length)).sort()).toEqual(
    [...tables.map(({ name }) => name).filter((name) => name !== 'tenant_keys'), 'people', 'tenants'].sort(),
  );
  // All but what the export itself has added since.
  for (const { path, rows } of manifest.tables) {
    const name = path.slice('tables/'.length, -'.jsonl'.length);
    const lines = files.get(path)!.toString().split('\n').filter(Boolean).map((line: string) => JSON.parse(line));
    expect([path, lines.length]).toEqual([path, rows]);
    if (['people', 'tenants', 'audit_events', 'audit_links'].includes(name)) continue;
    const [stored] = await world.database.asOwner<{ count: number }>(`SELECT count(*)::int AS count FROM ${name} WHERE tenant_id = $1`, [tenantId]);
    expect([name, rows]).toEqual([name, stored!.count]);
    for (const line of lines) expect(line.tenant_id).toBe(tenantId);
  }
  const table = (name: string) => files.get(`tables/${name}.jsonl`)!.toString().split('\n').filter(Boolean).map((line) => JSON.parse(line));
  expect(table('people')).toEqual([expect.objectContaining({ email: acme.email, name: 'Owner of acme' })]);
  expect(table('tenants')).toEqual([expect.objectContaining({ id: tenantId, name: 'acme' })]);
  expect(table('audit_events').map(({ action, result }) => [action, result])).toContainEqual(['tenant.export', 'begun']);
  expect(table('audit_links').map(({ event_id }) => event_id).sort()).toEqual(table('audit_events').map(({ id }) => id).sort());
  const upload = table('uploads')[0]!;
  expect(files.get(`artefacts/${upload.object_key.slice(`tenants/${tenantId}/`.length)}`)!.equals(await irisFile())).toBe(true);
  expect(manifest.artefacts.some(({ path }: { path: string }) => path.endsWith('.parquet'))).toBe(true);

  // latin1, so that bytes of any kind are searched.
  const all = Buffer.from(bytes).toString('latin1');
  expect(all).toContain('presses');
  expect(all).not.toContain('canary-bolt');
  expect(all).not.toContain('canary data');
  expect(all).not.toContain(bolt.actor.tenantId);
  expect(all).not.toContain(bolt.actor.personId);
  for (const secret of secrets) expect(all).not.toContain(secret);
  expect(all).not.toContain(password);
  expect((await exportLines(tenantId)).map(({ actor, result }) => [actor, result])).toEqual([[`person:${acme.actor.personId}`, 'begun'], [`person:${acme.actor.personId}`, 'ok']]);
});

it('lets a tenant be deleted afterwards', async () => {
  const owner = await world.tenant('leaver');
  const [{ slug }] = (await world.database.asOwner<{ slug: string }>('SELECT slug FROM tenants WHERE id = $1', [owner.actor.tenantId])) as [{ slug: string }];
  const remove = () => world.graphql('mutation ($slug: String!) { deleteTenant(input: { confirm: $slug }) { __typename ... on ConflictError { code field } ... on DeleteTenantSuccess { purgeAfter } } }', { slug }, owner.token);
  expect((await remove()).data!['deleteTenant']).toEqual({ __typename: 'ConflictError', code: 'export_missing', field: 'withoutExport' });
  await (await exportOf(owner.token)).arrayBuffer();
  expect((await remove()).data!['deleteTenant']).toMatchObject({ __typename: 'DeleteTenantSuccess', purgeAfter: expect.any(String) });
});

describe('with a large artefact', () => {
  let owner: Member;
  beforeAll(async () => {
    owner = await world.tenant('large');
    const keyring = createTenantKeyring({ database: world.database.database, masterKeys: masterKeysOf(testSecrets.masterKey), logger: silentLogger });
    const storage = createSealedStore({ inner: createFileStore({ root: world.storageDirectory }), keyring, scratchDirectory: `${world.storageDirectory}-scratch` });
    await storage.put(`tenants/${owner.actor.tenantId}/uploads/large`, chunksOf(64));
  });

  /** An answer whose body waits to be read. */
  const begin = (): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const request = get(`${world.api.url}/export`, { headers: { authorization: `Bearer ${owner.token}` } }, (answer) => {
        answer.once('readable', () => resolve(answer));
      });
      request.once('error', reject);
    });

  const brokenOff = (): number => world.log.filter(({ msg }) => msg === 'an export broke off').length;

  async function logged(count: number): Promise<void> {
    while (brokenOff() < count) await new Promise((resolve) => setImmediate(resolve));
  }

  it('does not count when its reader breaks it off, and can be had again', async () => {
    const before = brokenOff();
    const answer = await begin();
    expect(answer.statusCode).toBe(200);
    // One at a time: it is dear.
    const second = await exportOf(owner.token);
    expect([second.status, ((await second.json()) as { error: { code: string } }).error.code]).toEqual([429, 'TOO_MANY_REQUESTS']);
    answer.destroy();
    await logged(before + 1);
    expect(await exportedAt(owner.actor.tenantId)).toBeNull();
    expect((await exportLines(owner.actor.tenantId)).map(({ result }) => result)).toEqual(['begun']);
    const whole = await exportOf(owner.token);
    expect((await whole.arrayBuffer()).byteLength).toBeGreaterThan(64 * 1024 * 1024);
    expect(await exportedAt(owner.actor.tenantId)).not.toBeNull();
  });

  it('breaks off when the tenant is suspended or the session ends', async () => {
    for (const end of [
      () => world.graphql('mutation { signOut { __typename } }', {}, owner.token),
      () => world.database.asOwner(`WITH t AS (UPDATE tenants SET status = 'SUSPENDED' WHERE id = $1 RETURNING id) SELECT pg_notify('millrace_access', id || ':*') FROM t`, [owner.actor.tenantId]),
    ]) {
      owner = await world.member(owner.actor.tenantId, 'OWNER');
      const before = brokenOff();
      const answer = await begin();
      await end();
      const reading = (async () => {
        for await (const _ of answer);
      })();
      await expect(reading).rejects.toThrow();
      await logged(before + 1);
    }
  });
});

it('is for owners', async () => {
  const codeOf = async (token?: string) => {
    const answer = await exportOf(token);
    return [answer.status, ((await answer.json()) as { error: { code: string } }).error.code];
  };
  expect(await codeOf()).toEqual([401, 'UNAUTHENTICATED']);
  expect(await codeOf('x')).toEqual([401, 'UNAUTHENTICATED']);
  expect(await codeOf((await world.member(acme.actor.tenantId, 'ADMIN')).token)).toEqual([403, 'FORBIDDEN']);
  expect(await codeOf(await world.apiKey(acme, ['ADMIN', 'READ']))).toEqual([403, 'FORBIDDEN']);
  expect((await fetch(`${world.api.url}/export`, { method: 'HEAD', headers: { authorization: `Bearer ${acme.token}` } })).status).toBe(404);
});

async function* chunksOf(megabytes: number): AsyncGenerator<Uint8Array> {
  const chunk = Buffer.alloc(1024 * 1024, 7);
  for (let n = 0; n < megabytes; n++) yield chunk;
}
