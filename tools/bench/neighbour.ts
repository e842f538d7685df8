import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { createWorld } from '@millrace/testkit';
import type { LoadOrder, LoadResult } from './load-client.ts';
import { median } from './median.ts';
import type { OpenLoopOrder, OpenLoopResult } from './open-loop-client.ts';
import { denseOf, publishFor, readIris, slowOf } from './sample-models.ts';
import { createServers, type Server, say } from './servers.ts';

/**
 * What one tenant feels of another that asks a slow model for all that it can give: the p99 of 50 requests a second for a small
 * model, alone and beside 64 connections that wait for nothing but the next answer, as ratio within a round. Once with the slow model in a
 * thread of its own and once in that of the server.
 */
export async function benchNeighbour(parameters: string[]): Promise<void> {
  const { values } = parseArgs({
    args: parameters,
    options: { rounds: { type: 'string', default: '3' }, seconds: { type: 'string', default: '6' }, copies: { type: 'string', default: '1200' }, connections: { type: 'string', default: '64' } },
  });
  const [rounds, seconds, connections] = [values.rounds, values.seconds, values.connections].map(Number) as [number, number, number];
  const flowers = await readIris();
  const world = await createWorld();
  const servers = await createServers(world);
  try {
    const [quiet, loud] = [await world.tenant(), await world.tenant()];
    for (const [tenant, pipeline] of [[quiet, denseOf(flowers)], [loud, slowOf(flowers, Number(values.copies))]] as const) {
      await publishFor(world, tenant, 'model', pipeline);
    }
    const [quietKey, loudKey] = [await quiet.apiKey(), await loud.apiKey()];
    const closed = servers.client<LoadOrder, LoadResult>('load-client.ts');
    const open = servers.client<OpenLoopOrder, OpenLoopResult>('open-loop-client.ts');
    const body = JSON.stringify({ features: flowers[0]!.features });
    const settings = { threads: {}, 'no threads': { MILLRACE_MODEL_THREADS: '0' } };
    for (const [name, setting] of Object.entries(settings)) {
      const server: Server = await servers.inference(setting);
      const ask = { url: `${server.url}/predict`, headers: { 'x-api-key': quietKey }, body, rate: 50, seconds, patienceMs: 1000, connections: 100 };
      const flood = (ms: number): Promise<LoadResult> => closed({ url: `${server.url}/predict`, headers: { 'x-api-key': loudKey }, body, connections, seconds: ms });
      await open({ ...ask, seconds: 2 });
      await flood(2);
      const found: { alone: number; beside: number; good: number; loud: number }[] = [];
      for (let round = 0; round < rounds; round++) {
        say(`${name}, round ${round + 1} of ${rounds}`);
        const alone = await open(ask);
        const [loudly, beside] = await Promise.all([flood(seconds + 1), open(ask)]);
        found.push({ alone: alone.p99, beside: beside.p99, good: beside.good / beside.sent, loud: loudly.answered / loudly.seconds });
      }
      const of = (read: (one: (typeof found)[number]) => number): number => median(found.map(read));
      console.log(
        `${name}: p99 alone ${of(({ alone }) => alone).toFixed(1)} ms, beside ${of(({ beside }) => beside).toFixed(1)} ms, ratio ${of(({ alone, beside }) => beside / alone).toFixed(2)}; ` +
          `answered in time ${(100 * of(({ good }) => good)).toFixed(1)} %; the other got ${of(({ loud }) => loud).toFixed(0)} answers a second`,
      );
      server.child.kill('SIGTERM');
      await once(server.child, 'exit');
    }
  } finally {
    servers.kill();
    await world.close();
  }
}
