import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { createWorld } from '@millrace/testkit';
import type { LoadOrder, LoadResult } from './load-client.ts';
import { median } from './median.ts';
import type { OpenLoopOrder, OpenLoopResult } from './open-loop-client.ts';
import { denseOf, publishFor, readIris, slowOf } from './sample-models.ts';
import { createServers, say } from './servers.ts';

const factors = [0.5, 0.8, 1, 2, 3, 5];

/**
 * What a server does with more requests than it can answer: requests come at 0.5 to 5 times the rate that it answers when each
 * connection waits for its answer, whether earlier ones have been answered or not. Goodput is answers with 200 within
 * the caller's patience (twice the deadline, which follows from what the machine does unhindered), as ratio to the best of the round; p99 is of answers with 200, as ratio to that at 0.8. The capacity is measured anew
 * in each round, since other work on the machine changes it. `--copies 1200` makes the model slower, so that refusals weigh less beside it.
 */
export async function benchOverload(parameters: string[]): Promise<void> {
  const { values } = parseArgs({
    args: parameters,
    options: {
      rounds: { type: 'string', default: '3' }, seconds: { type: 'string', default: '3' }, model: { type: 'string', default: 'slow' }, copies: { type: 'string', default: '300' },
      deadline: { type: 'string' }, connections: { type: 'string', default: '1000' }, factors: { type: 'string', default: factors.join(',') }, profile: { type: 'string' },
    },
  });
  const [rounds, seconds, connections] = [values.rounds, values.seconds, values.connections].map(Number) as [number, number, number];
  const tried = values.factors.split(',').map(Number);
  const flowers = await readIris();
  const world = await createWorld();
  const servers = await createServers(world);
  try {
    const tenant = await world.tenant();
    await publishFor(world, tenant, 'model', values.model === 'slow' ? slowOf(flowers, Number(values.copies)) : denseOf(flowers));
    const millrace = await servers.inference({}, values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`]);
    const closed = servers.client<LoadOrder, LoadResult>('load-client.ts');
    const open = servers.client<OpenLoopOrder, OpenLoopResult>('open-loop-client.ts');
    const order = { url: `${millrace.url}/predict`, headers: { 'x-api-key': await tenant.apiKey() }, body: JSON.stringify({ features: flowers[0]!.features }) };
    await closed({ ...order, connections: 16, seconds: 2 });
    const usual = await closed({ ...order, connections: 16, seconds });
    if (!usual.answered) throw new Error('the server answers nothing');
    // So long that a slow moment of the machine does not count as overload, and so short that a queue does.
    const deadlineMs = Math.round(Number(values.deadline ?? Math.min(10_000, Math.max(250, 4 * usual.p99))));
    const patienceMs = 2 * deadlineMs;
    await world.registry.updateServing(tenant.owner.actor, { endpointName: 'model', deadlineMs });
    const found: (OpenLoopResult & { factor: number; goodput: number; ofBest: number; p99Ratio: number })[] = [];
    for (let round = 0; round < rounds; round++) {
      await closed({ ...order, connections: 16, seconds: 1 }); // by then the servers know the deadline
      const capacity = await closed({ ...order, connections: 16, seconds });
      const rate = capacity.answered / capacity.seconds;
      const results: (OpenLoopResult & { factor: number })[] = [];
      for (const factor of tried) {
        say(`round ${round + 1} of ${rounds}: ${factor} times ${rate.toFixed(0)} requests a second`);
        results.push({ ...(await open({ ...order, rate: factor * rate, seconds, patienceMs, connections })), factor });
      }
      const best = Math.max(...results.map(({ good }) => good));
      const p99At = results.find(({ factor }) => factor === 0.8)!.p99;
      found.push(...results.map((result) => ({ ...result, goodput: result.good / result.seconds, ofBest: result.good / best, p99Ratio: result.p99 / p99At })));
    }
    console.log(`\n${values.model} model, deadline ${deadlineMs} ms, patience ${patienceMs} ms, at most ${connections} connections; medians of ${rounds} rounds\n  load   goodput/s   of the best   p99 (ms)   to p99 at 0.8     shed     late   failed`);
    for (const factor of tried) {
      const of = (read: (one: (typeof found)[number]) => number): number => median(found.filter((one) => one.factor === factor).map(read));
      console.log(`  ${`${factor}×`.padEnd(6)}${of(({ goodput }) => goodput).toFixed(0).padStart(10)}${of(({ ofBest }) => ofBest).toFixed(2).padStart(14)}${of(({ p99 }) => p99).toFixed(0).padStart(11)}${of(({ p99Ratio }) => p99Ratio).toFixed(2).padStart(16)}${(['shed', 'late', 'failed'] as const).map((name) => `${(100 * of((one) => one[name] / one.sent)).toFixed(1)} %`.padStart(9)).join('')}`);
    }
    millrace.child.kill('SIGTERM');
    await once(millrace.child, 'exit');
  } finally {
    servers.kill();
    await world.close();
  }
}
