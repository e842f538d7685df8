import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { servingDefaults } from '@millrace/registry';
import type { HeldModel } from './model-cache.ts';
import { createOverloadDoor, type RefusedJob } from './overload-door.ts';
import { overloaded } from './shedding.ts';

const job: RefusedJob = { tenantId: 'a', held: {} as HeldModel, serving: servingDefaults };

/** A server whose first answer to each address is a refusal that its door is told of; later ones are 200. */
async function start() {
  const full = new Set<RefusedJob>([job]);
  const counted: unknown[] = [];
  const door = createOverloadDoor({
    isFull: (asked) => full.has(asked),
    metrics: { refused: (code) => counted.push(code), answered: (route, status) => counted.push([route, status]) },
    idOf: () => 'req-1',
  });
  const told = new Set<string>();
  const server = createServer((request, response) => {
    if (door.refuses(request, response)) return;
    const isFirst = !told.has(request.url!);
    told.add(request.url!);
    if (isFirst) door.remember(request, '/predict', job, overloaded('Too much.', 3), '{"error":"Too much."}');
    response.end(isFirst ? 'refused' : 'answered');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const ask = async (headers: Record<string, string> = {}, path = '/predict') => {
    const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`, { method: 'POST', headers: { 'x-api-key': 'k', ...headers }, body: '{"features": [1]}' });
    return { status: response.status, text: await response.text(), headers: response.headers };
  };
  return { ask, full, counted, close: () => (server.closeAllConnections(), server.close()) };
}

let server: Awaited<ReturnType<typeof start>>;
beforeEach(async () => (server = await start()));
afterEach(() => server.close());

it('answers for the queue that refused, to the same caller who asks for the same', async () => {
  await server.ask();
  const { status, text, headers } = await server.ask();
  expect([status, text]).toEqual([503, '{"error":"Too much."}']);
  expect(Object.fromEntries([...headers].filter(([name]) => !['date', 'connection', 'keep-alive'].includes(name)))).toEqual({
    'x-request-id': 'req-1', 'x-content-type-options': 'nosniff', 'cache-control': 'no-store', 'retry-after': '3', 'x-millrace-error-code': 'overloaded',
    'content-type': 'application/json; charset=utf-8', 'content-length': '21',
  });
  expect(server.counted).toEqual(['overloaded', ['/predict', 503]]);
});

it.each([
  ['another key', { 'x-api-key': 'other' }],
  ['another way to send it', { 'x-api-key': '', authorization: 'Bearer k' }],
  ['another version', { 'x-millrace-model-version': '2' }],
  ['a request that may have been answered before', { 'idempotency-key': '1' }],
  ['a page that needs headers of its own', { origin: 'https://shop.example' }],
] as const)('does not answer for %s', async (_name, headers) => {
  await server.ask();
  expect((await server.ask(headers)).text).toBe('answered');
});

it('does not answer for another address, nor once there is room', async () => {
  await server.ask();
  expect((await server.ask({}, '/predict?x')).text).toBe('refused');
  server.full.clear();
  expect((await server.ask()).text).toBe('answered');
});
