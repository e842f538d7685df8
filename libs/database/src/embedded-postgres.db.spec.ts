import { existsSync } from 'node:fs';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { silentLogger } from '@millrace/kernel';
import pg from 'pg';
import { removeEmbeddedPostgres, startEmbeddedPostgres } from './index.ts';

let home: string;
beforeAll(async () => {
  home = await fs.mkdtemp(path.join(os.tmpdir(), 'millrace-embedded-'));
  await fs.chmod(home, 0o755); // Postgres runs as another user when this one is root
});
afterAll(() => fs.rm(home, { recursive: true, force: true }));

const directory = () => path.join(home, 'postgres');
const start = () => startEmbeddedPostgres({ directory: directory(), database: 'kept', logger: silentLogger, throwAway: true });

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('the embedded Postgres', () => {
  it('keeps its data between starts, and is taken over while it runs', async () => {
    const first = await start();
    await query(first.ownerUrl, 'CREATE TABLE kept AS SELECT 7 AS value');
    const again = await start();
    expect(again.processId).toBe(first.processId);
    await first.stop();
    const second = await start();
    expect(await query(second.ownerUrl, 'SELECT value FROM kept')).toEqual([{ value: 7 }]);
    await second.stop();
  });

  it('is found at the port where it runs, whatever was noted, and waited for while it does not answer', async () => {
    const first = await start();
    const clusterFile = path.join(directory(), 'cluster.json');
    const noted = JSON.parse(await fs.readFile(clusterFile, 'utf8')) as { port: number };
    await fs.writeFile(clusterFile, JSON.stringify({ ...noted, port: 1 }), { mode: 0o600 });
    process.kill(first.processId, 'SIGSTOP');
    const logger = { ...silentLogger, warn: () => void process.kill(first.processId, 'SIGCONT') };
    const again = await startEmbeddedPostgres({ directory: directory(), database: 'kept', logger, throwAway: true });
    expect(again).toMatchObject({ processId: first.processId, port: first.port, wasRunning: true });
    expect(JSON.parse(await fs.readFile(clusterFile, 'utf8'))).toEqual(noted);
    await again.stop();
  });

  it('never begins anew over data whose password is lost', async () => {
    const clusterFile = path.join(directory(), 'cluster.json');
    await fs.rename(clusterFile, `${clusterFile}.aside`);
    await expect(start()).rejects.toThrow(/cluster\.json/);
    await fs.rename(`${clusterFile}.aside`, clusterFile);
    const server = await start();
    expect(await query(server.ownerUrl, 'SELECT value FROM kept')).toEqual([{ value: 7 }]);
    await server.stop();
  });

  it('begins anew after an initialisation that was cut off', async () => {
    const elsewhere = path.join(home, 'cut-off');
    await fs.mkdir(path.join(elsewhere, 'data.unfinished'), { recursive: true });
    await fs.writeFile(path.join(elsewhere, 'data.unfinished/PG_VERSION'), '');
    const server = await startEmbeddedPostgres({ directory: elsewhere, database: 'kept', logger: silentLogger, throwAway: true });
    expect(await query(server.ownerUrl, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await server.stop();
  });

  it('is stopped and removed with all it holds', async () => {
    const server = await start();
    await removeEmbeddedPostgres({ directory: directory(), logger: silentLogger });
    await expect(query(server.ownerUrl, 'SELECT 1')).rejects.toThrow(/ECONNREFUSED/);
    expect(existsSync(directory())).toBe(false);
  });
});
