import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createApiWorld, type World } from './api-world.ts';

const page = '<!doctype html><title>console</title>';
const script = `console.log(${JSON.stringify('x'.repeat(5000))})`;

let directory: string;
let world: World;
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'millrace-console-'));
  await mkdir(path.join(directory, 'dist/assets'), { recursive: true });
  await writeFile(path.join(directory, 'dist/index.html'), page);
  await writeFile(path.join(directory, 'dist/assets/index-abc123.js'), script);
  await writeFile(path.join(directory, 'private.txt'), 'canary');
  world = await createApiWorld({ consoleDirectory: path.join(directory, 'dist') });
});
afterAll(async () => {
  await world.close();
  await rm(directory, { recursive: true, force: true });
});

const get = (address: string, headers: Record<string, string> = {}) => fetch(`${world.api.url}${address}`, { headers });
const html = { accept: 'text/html,*/*' };

it.each(['/', '/runs/run_1', '/setup'])('%s is a page of the console', async (address) => {
  const response = await get(address, html);
  expect([response.status, response.headers.get('content-type'), response.headers.get('cache-control')]).toEqual([200, 'text/html; charset=utf-8', 'no-cache']);
  expect(await response.text()).toBe(page);
});

it('files with a digest in their names are kept for good, and compressed', async () => {
  const response = await get('/assets/index-abc123.js');
  expect(response.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
  expect(response.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
  expect(response.headers.get('content-encoding')).toBe('gzip');
  expect(await response.text()).toBe(script);
  expect((await get('/assets/index-abc123.js', { 'if-none-match': response.headers.get('etag')! })).status).toBe(304);
});

it.each(['/assets/missing.js', '/../private.txt', '/..%2fprivate.txt', '/assets/..%2f..%2fprivate.txt', '/%2e%2e/private.txt', '/uploads/x', '/healthz/x'])(
  '%s is not there',
  async (address) => {
    const response = await get(address, html);
    const text = await response.text();
    expect(text).not.toContain('canary');
    expect(response.status).toBe(404);
    expect(JSON.parse(text)).toMatchObject({ error: { code: 'NOT_FOUND' } });
  },
);

it('without a built console a page says so', async () => {
  const bare = await createApiWorld({ consoleDirectory: path.join(directory, 'nowhere') });
  try {
    const response = await fetch(`${bare.api.url}/runs`, { headers: html });
    expect(response.status).toBe(200);
    expect(await response.text()).toContain('not built');
  } finally {
    await bare.close();
  }
});
