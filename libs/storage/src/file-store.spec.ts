import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, mkdir, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { describeArtefactStore } from '../test/artefact-store-contract.ts';
import { createFileStore } from './index.ts';

const roots: string[] = [];
const newRoot = async (): Promise<string> => {
  const root = await mkdtemp(path.join(os.tmpdir(), 'millrace-store-'));
  roots.push(root);
  return root;
};
afterAll(() => Promise.all(roots.map((root) => rm(root, { recursive: true, force: true }))));

describeArtefactStore('The file store', async () => createFileStore({ root: await newRoot() }));

describe('The file store', () => {
  const key = 'tenants/ten_1/uploads/upl_1/original';

  it('leaves no file and no folder behind after refusals and removals', async () => {
    const root = await newRoot();
    const store = createFileStore({ root });
    await store.put(key, Buffer.from('too long'), { maxBytes: 3 });
    await store.put(key, Buffer.from('wrong'), { expectedSha256: '0'.repeat(64) });
    await store.put(key, Buffer.from('x'));
    await store.remove(key);
    await store.put(key, Buffer.from('x'));
    await store.removeAll('tenants/ten_1');
    expect(await readdir(root, { recursive: true })).toEqual(['.incoming']);
  });

  it('finds what an earlier process stored', async () => {
    const root = await newRoot();
    await createFileStore({ root }).put(key, Buffer.from('kept'));
    expect(Buffer.from(await createFileStore({ root }).read(key)).toString()).toBe('kept');
  });

  it('shows nothing of a put whose process was killed, and sweeps its leftovers at a later start', async () => {
    const root = await newRoot();
    const child = runPut(root, key, -500_000);
    await writing(child);
    child.kill('SIGKILL');
    await once(child, 'close');
    expect(await readdir(path.join(root, '.incoming'))).toHaveLength(1);

    const young = createFileStore({ root });
    expect(await young.list('tenants')).toEqual([]);
    expect(await readdir(path.join(root, '.incoming'))).toHaveLength(1); // might still be written to: not an hour old

    createFileStore({ root, staleAfterMs: 0 });
    expect(await readdir(path.join(root, '.incoming'))).toEqual([]);
    expect(await young.put(key, Buffer.from('again'))).toMatchObject({ type: 'stored' });
  });

  it('sweeps only what bears the names it gives, and only when nobody has written for an hour', async () => {
    const root = await newRoot();
    const incoming = path.join(root, '.incoming');
    await mkdir(incoming);
    const id = '0b8f6d4e-1111-4222-8333-444455556666';
    const old = new Date(Date.now() - 61 * 60 * 1000);
    for (const name of [`${id}.part`, 'README', `${id.replace('0', '1')}.part`]) await writeFile(path.join(incoming, name), 'x');
    await mkdir(path.join(incoming, `${id}.removed`));
    await writeFile(path.join(incoming, `${id}.removed`, 'inner'), 'x');
    for (const name of [`${id}.part`, 'README', `${id}.removed`]) await utimes(path.join(incoming, name), old, old);
    createFileStore({ root });
    expect((await readdir(incoming)).sort()).toEqual([`${id.replace('0', '1')}.part`, 'README'].sort());
  });

  it('says UNAVAILABLE with a remedy when the disk takes no more, keeps nothing, and works again afterwards', async () => {
    const root = await newRoot();
    // A limit on file sizes stands for a full disk: the same write fails, in a process of its own.
    const child = runPut(root, key, 4_000_000, 'trap "" XFSZ; ulimit -f 512; exec "$@"');
    const lines = (await text(child.stdout!)).trim().split('\n');
    expect(JSON.parse(lines.at(-1)!)).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringMatching(/no space/), remedy: expect.stringMatching(/Free space/) });
    const store = createFileStore({ root });
    expect(await readdir(path.join(root, '.incoming'))).toEqual([]);
    expect(await store.list('tenants')).toEqual([]);
    expect(await store.put(key, Buffer.from('small'))).toMatchObject({ type: 'stored' });
  });

  it('names the clash when one key would be a folder of another', async () => {
    const store = createFileStore({ root: await newRoot() });
    await store.put(key, Buffer.from('x'));
    await expect(store.put(`${key}/below`, Buffer.from('y'))).rejects.toThrow(/clashes/);
    await expect(store.put(path.posix.dirname(key), Buffer.from('y'))).rejects.toThrow(/clashes/);
    expect((await store.list('tenants')).map((one) => one.key)).toEqual([key]);
  });
});

function runPut(root: string, key: string, bytes: number, shell = 'exec "$@"'): ChildProcess {
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
  const script = path.join(import.meta.dirname, '../test/put-slowly.ts');
  const command = [process.execPath, '--import', tsx, script, root, key, `${bytes}`];
  return spawn('bash', ['-c', shell, 'bash', ...command], { stdio: ['ignore', 'pipe', 'inherit'], env: { PATH: process.env['PATH'] } });
}

async function writing(child: ChildProcess): Promise<void> {
  for await (const data of child.stdout!.iterator({ destroyOnReturn: false })) if (String(data).includes('writing')) return;
}
