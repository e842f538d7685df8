import { parseArgs } from 'node:util';
import { recordAudit, verifyChain } from '@millrace/auth';
import { newId } from '@millrace/kernel';
import { createWorld, type TenantInWorld, type World } from '@millrace/testkit';
import { median } from './median.ts';

const modes = ['chained', 'bare'] as const;
type Mode = (typeof modes)[number];

/**
 * What the hash chain costs: the same mutations with the trigger that links, and without it, in turn; by one writer, by
 * many of one tenant, who queue up for its chain, and by many of as many tenants. Then how fast a long chain is verified.
 * The median of the rounds counts.
 */
export async function benchAudit(parameters: string[]): Promise<void> {
  const { values } = parseArgs({
    args: parameters,
    options: { rounds: { type: 'string', default: '21' }, mutations: { type: 'string', default: '60' }, events: { type: 'string', default: '100000' } },
  });
  const [rounds, mutations, events] = [Number(values.rounds), Number(values.mutations), Number(values.events)];
  const world = await createWorld();
  try {
    const tenants = await Promise.all(Array.from({ length: 10 }, () => world.tenant()));
    const scenarios: Record<string, TenantInWorld[]> = {
      'one writer': tenants.slice(0, 1),
      'ten writers of one tenant': Array<TenantInWorld>(10).fill(tenants[0]!),
      'ten writers of ten tenants': tenants,
    };
    for (const [name, writers] of Object.entries(scenarios)) {
      const seconds: Record<Mode, number[]> = { chained: [], bare: [] };
      for (let round = -1; round < rounds; round++) {
        for (const mode of round % 2 ? modes : [...modes].reverse()) {
          await world.db.asOwner(`ALTER TABLE audit_events ${mode === 'bare' ? 'DISABLE' : 'ENABLE'} TRIGGER link_audit_event`);
          const took = await mutate(world, writers, Math.ceil(mutations / writers.length));
          if (round >= 0) seconds[mode].push(took); // the first warms up
        }
      }
      const perMutation = (mode: Mode): number => (median(seconds[mode]) / mutations) * 1000;
      const ratios = seconds.chained.map((took, round) => took / seconds.bare[round]!);
      console.log(
        `${name.padEnd(28)} chained ${perMutation('chained').toFixed(3)} ms   without ${perMutation('bare').toFixed(3)} ms   ratio ${median(ratios).toFixed(2)} (rounds ${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`,
      );
    }
    await world.db.asOwner('ALTER TABLE audit_events ENABLE TRIGGER link_audit_event');
    await verifyLong(world, await world.tenant(), events);
  } finally {
    await world.close();
  }
}

/** `beginUpload`: a small row and its line. */
async function mutate(world: World, writers: readonly TenantInWorld[], each: number): Promise<number> {
  const begun = performance.now();
  await Promise.all(
    writers.map(async ({ owner }) => {
      for (let i = 0; i < each; i++) await world.datasets.beginUpload({ ...owner.actor, requestId: newId('request') }, { filename: 'bench.csv' });
    }),
  );
  return (performance.now() - begun) / 1000;
}

async function verifyLong(world: World, { tenantId, owner }: TenantInWorld, events: number): Promise<void> {
  const tenant = world.db.database.forTenant(tenantId);
  const origin = { requestId: newId('request'), address: '192.0.2.1', userAgent: 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36' };
  await tenant.transaction((tx) => recordAudit(tx, { ...owner.actor, ...origin }, { action: 'run.submit', subject: newId('run'), details: { modelName: 'press-4' } }));
  for (let made = 0; made < events; made += 10_000) {
    await tenant.transaction(
      (tx) => tx.$executeRaw`
        INSERT INTO audit_events (id, tenant_id, actor, action, subject, result, request_id, address, user_agent, details)
        SELECT 'aud_' || lpad((${made}::int + n)::text, 26, '0'), tenant_id, actor, action, subject, result, request_id, address, user_agent, details
        FROM (SELECT * FROM audit_events WHERE tenant_id = ${tenantId} AND action = 'run.submit' LIMIT 1) e, generate_series(1, ${Math.min(10_000, events - made)}) n`,
    );
  }
  const rates: number[] = [];
  for (let round = 0; round < 5; round++) {
    const begun = performance.now();
    const { length, firstBroken } = await verifyChain(tenant);
    if (firstBroken) throw new Error(`the chain is broken: ${JSON.stringify(firstBroken)}`);
    rates.push(length / ((performance.now() - begun) / 1000));
  }
  console.log(`verified ${events.toLocaleString('en')} events: ${Math.round(median(rates)).toLocaleString('en')} a second (rounds ${Math.round(Math.min(...rates)).toLocaleString('en')} to ${Math.round(Math.max(...rates)).toLocaleString('en')})`);
}
