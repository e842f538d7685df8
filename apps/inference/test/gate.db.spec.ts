import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createTrustedProxies, silentLogger } from '@millrace/kernel';
import { createRequestLimiter } from '@millrace/quota';
import { Exchange } from '../src/exchange.ts';
import { createGate } from '../src/gate.ts';
import { createInferenceWorld, type InferenceWorld } from './inference-world.ts';

let world: InferenceWorld;
beforeAll(async () => (world = await createInferenceWorld()));
afterAll(() => world.close());

/**
 * What is reached from the old part of the memory lives until a large collection, which is rare: small ones then have every call of the last seconds to copy. It took a
 * third of the time of a busy server once, by one object that was made with a getter of its own.
 */
it('a call that has passed the gate leaves nothing behind that small collections of garbage do not take', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options: { type: 'minor' }) => void;
  const tenant = await world.createTenant();
  const { text } = await tenant.createKey({ rpmLimit: 1_000_000 });
  const limiter = createRequestLimiter({ database: world.database, logger: silentLogger, patienceMs: 20_000 });
  const gate = createGate('predict', true, { auth: world.auth, limiter });
  const proxies = createTrustedProxies();
  const socket = new Socket();
  const bytesEach = 32 * 1024;

  async function calls(count: number): Promise<void> {
    for (let call = 0; call < count; call++) {
      const request = new IncomingMessage(socket);
      request.headers['x-api-key'] = text;
      Object.assign(request, { weight: Array.from({ length: bytesEach / 8 }, () => call + 0.5) });
      const response = new ServerResponse(request);
      response.assignSocket(socket); // it is its turn to be answered
      const exchange = new Exchange(request, response, `req-${call}`, proxies);
      await gate(exchange);
      response.detachSocket(socket);
      expect(exchange.actor).toMatchObject({ type: 'key', tenantId: tenant.tenantId });
    }
    // Whatever survives two of them is old.
    for (let i = 0; i < 3; i++) collect({ type: 'minor' });
  }

  await calls(100);
  const before = process.memoryUsage().heapUsed;
  await calls(1_000);
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(0.25 * 1_000 * bytesEach);
  socket.destroy();
  await limiter.close();
});
