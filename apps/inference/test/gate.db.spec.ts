import type { IncomingMessage, ServerResponse } from 'node:http';
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
 * In the place of Node's own: where other specs in this process had thousands of those under way at once, the engine has learnt to make them among the old from
 * the start, and keeps all they reach whatever the gate does.
 */
class Head {
  readonly headers: Record<string, string>;
  readonly weight: number[];

  constructor(key: string, weight: number[]) {
    this.headers = { 'x-api-key': key };
    this.weight = weight;
  }
}

class Answer {
  readonly closed = false;
  readonly socket = {};
  readonly listeners: unknown[] = [];

  once(_event: 'close', listener: unknown): this {
    this.listeners.push(listener);
    return this;
  }
}

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
  const bytesEach = 32 * 1024;

  async function calls(count: number): Promise<void> {
    for (let call = 0; call < count; call++) {
      const head = new Head(text, Array.from({ length: bytesEach / 8 }, () => call + 0.5));
      const exchange = new Exchange(head as unknown as IncomingMessage, new Answer() as unknown as ServerResponse, `req-${call}`, proxies);
      await gate(exchange);
      expect(exchange.actor).toMatchObject({ type: 'key', tenantId: tenant.tenantId });
    }
    // Whatever survives two of them is old.
    for (let i = 0; i < 3; i++) collect({ type: 'minor' });
  }

  await calls(100);
  const before = process.memoryUsage().heapUsed;
  await calls(1_000);
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(0.25 * 1_000 * bytesEach);
  await limiter.close();
});
