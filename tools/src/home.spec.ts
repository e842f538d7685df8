import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { masterKeyProblem } from '@millrace/auth';
import { checkedMasterKeys, makeSecrets, plainArtefactsMark, readSecrets } from './home.ts';

let home: string;
const variables = ['MILLRACE_MASTER_KEY', 'MILLRACE_RETIRED_MASTER_KEYS', 'MILLRACE_TOKEN_SECRET', 'MILLRACE_KEY_PEPPER'];
beforeEach(async () => {
  home = await fs.mkdtemp(path.join(os.tmpdir(), 'millrace-home-'));
});
afterEach(async () => {
  for (const name of variables) delete process.env[name];
  await fs.rm(home, { recursive: true, force: true });
});

const isMarked = (): Promise<boolean> => fs.access(plainArtefactsMark(home)).then(() => true, () => false);
const file = (): string => path.join(home, 'secrets.json');

describe('the secrets of a home', () => {
  it('are made at the first start, for its user’s eyes only, and are the same ever after', async () => {
    expect(await readSecrets(home)).toBeNull();
    const secrets = await makeSecrets(home);
    expect(masterKeyProblem(secrets.masterKey)).toBeNull();
    expect(new Set([secrets.masterKey, secrets.tokenSecret, secrets.keyPepper, ...Object.values(secrets.roles)]).size).toBe(6);
    expect((await fs.stat(file())).mode & 0o777).toBe(0o600);
    expect(await fs.readdir(home)).toEqual(['secrets.json']); // no mark: nothing was stored before
    expect(await makeSecrets(home)).toEqual(secrets);
    expect(await readSecrets(home)).toEqual(secrets);
  });

  it('from before encryption keep what they are and get a master key; what is stored is marked as plain, even when the start is cut off', async () => {
    const { masterKey: _masterKey, retiredMasterKeys: _retired, ...before } = await makeSecrets(home);
    await fs.writeFile(file(), JSON.stringify(before));
    expect(await readSecrets(home)).toBeNull();
    const secrets = await makeSecrets(home);
    expect(secrets).toMatchObject(before);
    expect(masterKeyProblem(secrets.masterKey)).toBeNull();
    expect(await isMarked()).toBe(true);
    expect(await makeSecrets(home)).toEqual(secrets);
    expect(await isMarked()).toBe(true);
  });

  it('give way to those of the environment', async () => {
    const kept = await makeSecrets(home);
    const [current, one, two] = [1, 2, 3].map(() => randomBytes(32).toString('base64url')) as [string, string, string];
    Object.assign(process.env, { MILLRACE_MASTER_KEY: current, MILLRACE_RETIRED_MASTER_KEYS: `${one}, ${two}` });
    expect(await makeSecrets(home)).toEqual({ ...kept, masterKey: current, retiredMasterKeys: [one, two] });
    expect(JSON.parse(await fs.readFile(file(), 'utf8'))).toEqual(kept);
  });

  it('are not made anew beside artefacts that only the lost ones can open', async () => {
    await fs.mkdir(path.join(home, 'storage/tenants'), { recursive: true });
    await expect(makeSecrets(home)).rejects.toThrow(/secrets\.json is gone.*Restore that file, or set MILLRACE_MASTER_KEY/);
    expect(await fs.readdir(home)).toEqual(['storage']);
    process.env['MILLRACE_MASTER_KEY'] = randomBytes(32).toString('base64url');
    await makeSecrets(home);
  });

  it('name the variable of an unfit master key, and not the key', async () => {
    const good = randomBytes(32).toString('base64url');
    expect(() => checkedMasterKeys({ masterKey: 'hunter2', retiredMasterKeys: [] })).toThrow(/^MILLRACE_MASTER_KEY must be 32 random bytes(?!.*hunter2)/);
    expect(() => checkedMasterKeys({ masterKey: good, retiredMasterKeys: [good, 'hunter2'] })).toThrow(/^MILLRACE_RETIRED_MASTER_KEYS must be(?!.*hunter2)/);
    expect(checkedMasterKeys({ masterKey: good, retiredMasterKeys: [] }).current.key).toHaveLength(32);
  });
});
