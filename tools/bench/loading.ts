import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { createWorld } from '@millrace/testkit';
import { median } from './median.ts';
import type { OpenLoopOrder, OpenLoopResult } from './open-loop-client.ts';
import { denseOf, publishFor, readIris, slowOf } from './sample-models.ts';
import { createServers, say } from './servers.ts';

/**
 * What one tenant feels of another whose model is loaded again and again: the p99 of 50 requests a second for a small model, alone and
 * meanwhile, as ratio within a round. The models: a network of 64 MB, and nearest neighbours that are small but take 2 ms a row; two endpoints
 * of each are asked by turns, and the server's memory for models has room for one of them: every request loads a model. Once with
 * threads for models and once without.
 */
export async function benchLoading(parameters: string[]): Promise<void> {
  const { values } = parseArgs({ args: parameters, options: { rounds: { type: 'string', default: '3' }, seconds: { type: 'string', default: '6' }, width: { type: 'string', default: '4096' } } });
  const [rounds, seconds, width] = [values.rounds, values.seconds, values.width].map(Number) as [number, number, number];
  const flowers = await readIris();
  const world = await createWorld();
  const servers = await createServers(world);
  try {
    const quiet = await world.tenant();
    const settings = { threads: {}, 'no threads': { MILLRACE_MODEL_THREADS: '0' } };
    const models = { large: denseOf(flowers, [width, width]), slow: slowOf(flowers, 1200) };
    await publishFor(world, quiet, 'model', denseOf(flowers));
    const quietKey = await quiet.apiKey();
    const open = servers.client<OpenLoopOrder, OpenLoopResult>('open-loop-client.ts');
    const { features } = flowers[0]!;
    const body = JSON.stringify({ features });
    for (const [name, pipeline] of Object.entries(models)) {
      const loud = await world.tenant();
      await publishFor(world, loud, 'a', pipeline);
      const { sizeBytes: bytes } = await publishFor(world, loud, 'b', pipeline);
      const key = await loud.apiKey();
      for (const [place, setting] of Object.entries(settings)) {
        const server = await servers.inference({ ...setting, MILLRACE_MODEL_CACHE_BYTES: String(Math.round(1.5 * bytes)) });
        const ask = { url: `${server.url}/predict`, headers: { 'x-api-key': quietKey }, body, rate: 50, seconds, patienceMs: 2000, connections: 100 };
        const load = async (during: number): Promise<number[]> => {
          const took: number[] = [];
          for (const end = performance.now() + during * 1000; performance.now() < end; ) {
            const begun = performance.now();
            const answer = await fetch(`${server.url}/predict`, { method: 'POST', headers: { 'x-api-key': key, 'content-type': 'application/json' }, body: JSON.stringify({ model: took.length % 2 ? 'a' : 'b', features }) });
            if (!answer.ok) throw new Error(await answer.text());
            await answer.arrayBuffer();
            took.push(performance.now() - begun);
          }
          return took;
        };
        await open({ ...ask, seconds: 2 });
        await load(2);
        const found: { alone: number; beside: number; good: number; loads: number; each: number }[] = [];
        for (let round = 0; round < rounds; round++) {
          say(`${name}, ${place}, round ${round + 1} of ${rounds}`);
          const alone = await open(ask);
          const [loaded, beside] = await Promise.all([load(seconds), open(ask)]);
          found.push({ alone: alone.p99, beside: beside.p99, good: beside.good / beside.sent, loads: loaded.length, each: median(loaded) });
        }
        const of = (read: (one: (typeof found)[number]) => number): number => median(found.map(read));
        console.log(
          `${name}, ${place} (${(bytes / 1024 ** 2).toFixed(1)} MB): p99 alone ${of(({ alone }) => alone).toFixed(1)} ms, meanwhile ${of(({ beside }) => beside).toFixed(1)} ms, ratio ${of(({ alone, beside }) => beside / alone).toFixed(1)}; ` +
            `answered in time ${(100 * of(({ good }) => good)).toFixed(1)} %; loaded ${of(({ loads: count }) => count)} times, ${of(({ each }) => each).toFixed(0)} ms each with its answer`,
        );
        server.child.kill('SIGTERM');
        await once(server.child, 'exit');
      }
    }
  } finally {
    servers.kill();
    await world.close();
  }
}
