import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { createWorld } from '@millrace/testkit';
import { median } from './median.ts';
import type { OpenLoopOrder, OpenLoopResult } from './open-loop-client.ts';
import { denseOf, publishFor, readIris, treesOf } from './sample-models.ts';
import { createServers, say } from './servers.ts';

/**
 * What one tenant feels of another that sends large bodies, valid and broken, over two connections without a pause, or has rows explained: the p99 of 50
 * requests a second for a small model, alone and meanwhile, as ratio within a round.
 */
export async function benchBodies(parameters: string[]): Promise<void> {
  const { values } = parseArgs({ args: parameters, options: { rounds: { type: 'string', default: '3' }, seconds: { type: 'string', default: '6' } } });
  const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)];
  const flowers = await readIris();
  const world = await createWorld();
  const servers = await createServers(world);
  try {
    const quiet = await world.tenant();
    const loud = await world.tenant();
    for (const [tenant, pipeline] of [[quiet, denseOf(flowers)], [loud, treesOf(flowers)]] as const) {
      await publishFor(world, tenant, 'model', pipeline);
    }
    const [quietKey, loudKey] = [await quiet.apiKey(), await loud.apiKey()];
    const open = servers.client<OpenLoopOrder, OpenLoopResult>('open-loop-client.ts');
    const { features } = flowers[0]!;
    const server = await servers.inference();
    const ask = { url: `${server.url}/predict`, headers: { 'x-api-key': quietKey }, body: JSON.stringify({ features }), rate: 50, seconds, patienceMs: 2000, connections: 100 };
    const row = Object.fromEntries(['sepal length', 'sepal width', 'petal length', 'petal width'].map((name, column) => [name, features[column]!]));
    const rows = (count: number): string => JSON.stringify({ instances: Array.from({ length: count }, () => row) });
    const loads: Record<string, [verb: string, body: string]> = {
      '10,000 rows': ['predict', rows(10_000)],
      '60,000 rows, too many': ['predict', rows(60_000)],
      'a million objects that never end': ['predict', `[${'{"a":1},'.repeat(1_000_000)}1`],
      'a million objects and NaN': ['predict', `[${'{"a":1},'.repeat(999_000)}NaN]`],
      'explanations of one row': ['explain', rows(1)],
    };
    await open({ ...ask, seconds: 2 });
    for (const [name, [verb, body]] of Object.entries(loads)) {
      const send = async (during: number): Promise<number> => {
        let answered = 0;
        for (const end = performance.now() + during * 1000; performance.now() < end; answered++) {
          await (await fetch(`${server.url}/v1/models/model:${verb}`, { method: 'POST', headers: { 'x-api-key': loudKey, 'content-type': 'application/json' }, body })).arrayBuffer();
        }
        return answered;
      };
      await send(1);
      const found: { alone: number; beside: number; answered: number }[] = [];
      for (let round = 0; round < rounds; round++) {
        say(`${name}, round ${round + 1} of ${rounds}`);
        const alone = await open(ask);
        const [beside, ...answered] = await Promise.all([open(ask), send(seconds), send(seconds)]);
        found.push({ alone: alone.p99, beside: beside.p99, answered: answered.reduce((sum, one) => sum + one) / seconds });
      }
      const of = (read: (one: (typeof found)[number]) => number): number => median(found.map(read));
      console.log(
        `${name} (${(body.length / 1e6).toFixed(1)} MB): p99 alone ${of(({ alone }) => alone).toFixed(1)} ms, meanwhile ${of(({ beside }) => beside).toFixed(1)} ms, ratio ${of(({ alone, beside }) => beside / alone).toFixed(1)}; ` +
          `the other got ${of(({ answered }) => answered).toFixed(1)} answers a second`,
      );
    }
    server.child.kill('SIGTERM');
    await once(server.child, 'exit');
  } finally {
    servers.kill();
    await world.close();
  }
}
