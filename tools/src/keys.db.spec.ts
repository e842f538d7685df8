import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { createTenantKeyring, masterKeysOf } from '@millrace/auth';
import { silentLogger } from '@millrace/kernel';
import { type BundledProgram, bundleProgram, createWorld, repositoryRoot, type TenantInWorld, testSecrets, type World } from '@millrace/testkit';

let world: World;
let tenant: TenantInWorld;
let other: TenantInWorld;
let program: BundledProgram;
beforeAll(async () => {
  program = await bundleProgram('tools', 'src/keys.ts');
  world = await createWorld();
  [tenant, other] = [await world.tenant(), await world.tenant()];
});
afterAll(async () => {
  await world.close();
  await program.remove();
});

/** Runs `npm run keys -- …` as where the programs run apart. */
async function keys(args: string[], changes: Record<string, string> = {}): Promise<{ code: number; output: string }> {
  const child = spawn(process.execPath, [program.file, ...args], {
    cwd: repositoryRoot,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      MILLRACE_HOME: path.join(world.directory, 'no-home'),
      MILLRACE_APP_DATABASE_URL: world.db.urls.app,
      MILLRACE_SYSTEM_DATABASE_URL: world.db.urls.system,
      MILLRACE_STORAGE_DIRECTORY: path.join(world.directory, 'storage'),
      MILLRACE_WORK_DIRECTORY: world.directory,
      MILLRACE_MASTER_KEY: testSecrets.masterKey,
      ...changes,
    },
  });
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { code: child.exitCode!, output: output + errors };
}

const keyOf = ({ tenantId }: TenantInWorld, name: string): string => `tenants/${tenantId}/uploads/upl_1/${name}`;
const put = (of: TenantInWorld, name: string, content: string) => world.storage.put(keyOf(of, name), Buffer.from(content));
const read = async (of: TenantInWorld, name: string): Promise<string> => Buffer.from(await world.storage.read(keyOf(of, name))).toString();
const fileOf = (of: TenantInWorld, name: string): string => path.join(world.directory, 'storage', keyOf(of, name));
const versionOf = async (of: TenantInWorld, name: string): Promise<number> => (await fs.readFile(fileOf(of, name))).readUInt32BE(8);

it('rotates a tenant’s key, and then encrypts its artefacts anew, and those of no other', async () => {
  await put(tenant, 'a', 'first');
  await put(other, 'a', 'of another');
  const rotated = await keys(['rotate', tenant.tenantId]);
  expect(rotated).toEqual({ code: 0, output: expect.stringMatching(/key 2 now.*npm run keys -- reseal acme-/s) });
  expect(await versionOf(tenant, 'a')).toBe(1);
  const slug = /reseal (\S+)/.exec(rotated.output)![1]!;
  expect(await keys(['reseal', slug])).toEqual({ code: 0, output: expect.stringMatching(/^1 artefacts encrypted anew, 0 for the first time, 0 had/) });
  expect([await versionOf(tenant, 'a'), await versionOf(other, 'a')]).toEqual([2, 1]);
  expect([await read(tenant, 'a'), await read(other, 'a')]).toEqual(['first', 'of another']);
  expect((await keys(['reseal'])).output).toMatch(/^0 artefacts encrypted anew, 0 for the first time, 2 had/);
});

it('encrypts what is plain only when told to, names what is damaged, and leaves alone what lies there of tenants that are gone', async () => {
  const gone = `${path.join(world.directory, 'storage/tenants')}/ten_gone/uploads/upl_1`;
  await fs.mkdir(gone, { recursive: true });
  for (const file of [fileOf(tenant, 'plain'), path.join(gone, 'orphan')]) await fs.writeFile(file, 'as it came');
  await put(other, 'damaged', 'x');
  await fs.truncate(fileOf(other, 'damaged'), 20);

  const first = await keys(['reseal']);
  expect(first.code).toBe(1);
  expect(first.output).toMatch(/1 are not encrypted.*npm run keys -- reseal --plain/);
  expect(first.output).toContain(keyOf(other, 'damaged'));
  await expect(read(tenant, 'plain')).rejects.toMatchObject({ code: 'UNAVAILABLE' });

  expect((await keys(['reseal', '--plain'])).output).toMatch(/^0 artefacts encrypted anew, 1 for the first time/);
  expect(await read(tenant, 'plain')).toBe('as it came');
  expect(await fs.readFile(path.join(gone, 'orphan'), 'utf8')).toBe('as it came');
  await world.storage.remove(keyOf(other, 'damaged'));
});

it('wraps all keys with a new master key, which then opens everything by itself', async () => {
  const next = randomBytes(32).toString('base64url');
  const before = await world.keyring.current(tenant.tenantId);
  const wrong = await keys(['rewrap'], { MILLRACE_MASTER_KEY: next });
  expect(wrong).toEqual({ code: 1, output: expect.stringMatching(/need a master key that is not here; give it in MILLRACE_RETIRED_MASTER_KEYS/) });
  const right = await keys(['rewrap'], { MILLRACE_MASTER_KEY: next, MILLRACE_RETIRED_MASTER_KEYS: testSecrets.masterKey });
  expect(right).toEqual({ code: 0, output: expect.stringMatching(/^3 keys wrapped with the current master key, 0 were already/) });
  const keyring = createTenantKeyring({ database: world.db.database, masterKeys: masterKeysOf(next), logger: silentLogger });
  expect(await keyring.current(tenant.tenantId)).toEqual(before);
  for (const { code, output } of [right, wrong]) for (const secret of [next, testSecrets.masterKey]) expect(`${code} ${output}`).not.toContain(secret);
});

it.each([
  [[], /Which command/],
  [['rotate'], /Which command/],
  [['burn', 'acme'], /Which command/],
  [['reseal', 'a', 'b'], /Which command/],
  [['reseal', '--pain'], /--pain/],
  [['rotate', 'nobody'], /there is no tenant "nobody"/],
])('says of %j what is wrong with it', async (args, problem) => {
  expect(await keys(args)).toEqual({ code: 1, output: expect.stringMatching(problem) });
});

it('says what it lacks: settings, or an installation', async () => {
  expect(await keys(['rewrap'], { MILLRACE_MASTER_KEY: '' })).toEqual({ code: 1, output: expect.stringMatching(/MILLRACE_MASTER_KEY is missing/) });
  expect(await keys(['rewrap'], { MILLRACE_MASTER_KEY: 'hunter2' })).toEqual({ code: 1, output: expect.stringMatching(/MILLRACE_MASTER_KEY must be(?!.*hunter2)/) });
  expect(await keys(['rewrap'], { MILLRACE_SYSTEM_DATABASE_URL: '' })).toEqual({ code: 1, output: expect.stringMatching(/no installation with encryption in .*no-home/) });
});
