import path from 'node:path';
import { parseArgs } from 'node:util';
import { silentLogger } from '@millrace/kernel';
import { createMeter, createRequestLimiter, createUsageJournal } from '@millrace/quota';
import { createWorld, type World } from '@millrace/testkit';
import { median } from './median.ts';
import { say } from './servers.ts';

export async function benchMetering(parameters: string[]): Promise<void> {
  const { values } = parseArgs({ args: parameters, options: { requests: { type: 'string', default: '20000' }, rounds: { type: 'string', default: '5' } } });
  const world = await createWorld();
  try {
    await measureMetering(world, Number(values.requests), Number(values.rounds));
  } finally {
    await world.close();
  }
}

/** A key under a rate, a budget and two limits of usage, none of which is ever reached. */
export async function limitedKey(world: World, tenant: Awaited<ReturnType<World['tenant']>>): Promise<string> {
  const made = await world.auth.keys.create(tenant.owner.actor, { alias: 'load', scopes: ['PREDICT'], rpmLimit: 1_000_000, maxBudget: 1e12, budgetDuration: '30d' });
  if (made.type !== 'created') throw new Error(JSON.stringify(made));
  for (const [measure, period] of [['ROWS', 'MONTH'], ['REQUESTS', 'DAY']] as const) {
    await world.quota.usageLimits.set(tenant.owner.actor, { scope: 'KEY', subject: made.apiKey.id, measure, period, limit: 1e12, softLimit: null });
  }
  return made.key;
}

/**
 * What key, rate, quota, budget and ledger cost a prediction, in microseconds of CPU of the process (all threads), a hundred
 * requests under way at a time: the same calls as the inference server makes, without HTTP and model.
 */
export async function measureMetering(world: World, requests: number, rounds: number): Promise<void> {
  const { database } = world.db;
  const [meter, limiter] = [createMeter({ database, logger: silentLogger }), createRequestLimiter({ database, logger: silentLogger })];
  const journal = createUsageJournal({ directory: path.join(world.directory, 'journal'), database, logger: silentLogger });
  await meter.start();
  limiter.start();
  await journal.start();
  try {
    const key = await limitedKey(world, await world.tenant());
    const actor = await world.auth.authenticate(key);
    if (actor?.type !== 'key') throw new Error('no key');
    let number = 0;
    const steps: Record<string, () => unknown> = {
      'key': () => world.auth.authenticate(key),
      'rate': async () => {
        const admission = await limiter.admit(actor, actor);
        if (admission.type === 'admitted') admission.release();
        else throw new Error('refused');
      },
      'quota and budget': async () => {
        const taken = await meter.take({ actor, endpoint: 'iris', rows: 1 });
        if (taken.type === 'refused') throw new Error('refused');
        taken.standings();
      },
      'ledger': () =>
        journal.record({ tenantId: actor.tenantId, requestId: `prd_${++number}`, at: new Date(), actor: `key:${actor.keyId}`, endpointId: 'end_1', modelVersionId: 'ver_1', rows: 1, units: 1 }),
    };
    const nothing = async (): Promise<void> => undefined;
    const run = async (step: () => unknown): Promise<number> => {
      const before = process.cpuUsage();
      for (let done = 0; done < requests; done += 100) {
        await Promise.all(Array.from({ length: 100 }, () => step()));
        await new Promise((resolve) => setImmediate(resolve));
      }
      const { user, system } = process.cpuUsage(before);
      return (user + system) / requests;
    };
    const all = async (): Promise<void> => {
      for (const step of Object.values(steps)) await step();
    };
    await run(all); // warm
    console.log(`CPU of a request, in µs; median of ${rounds} rounds of ${requests}, least and most in brackets`);
    for (const [name, step] of [...Object.entries(steps), ['all of it', all] as const]) {
      const found: number[] = [];
      for (let round = 0; round < rounds; round++) {
        say(`${name}, round ${round + 1}`);
        found.push((await run(step)) - (await run(nothing)));
      }
      console.log(`  ${name.padEnd(18)}${median(found).toFixed(1).padStart(7)}   (${Math.min(...found).toFixed(1)} to ${Math.max(...found).toFixed(1)})`);
    }
  } finally {
    await meter.close();
    await limiter.close();
    await journal.close();
  }
}
