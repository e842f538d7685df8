import { silentLogger } from '@millrace/kernel';
import { createWorld, type World } from '@millrace/testkit';
import { createPredictionQueue, type PredictionQueue } from './prediction-queue.ts';

let world: World;
let queue: PredictionQueue;
beforeAll(async () => {
  world = await createWorld();
  queue = createPredictionQueue({ database: world.db.database, box: null as never });
});
afterAll(() => world.close());

const ended = (tenantId: string, count: number) =>
  world.db.asOwner(
    `INSERT INTO async_predictions (id, tenant_id, actor, caller, endpoint_name, status, input_box, input_bytes, completed_at)
     SELECT 'prd_' || $1 || n, $1, 'system', '{}', 'press', 'SUCCEEDED', '', 0, now() - interval '25 hours' FROM generate_series(1, $2::int) n`,
    [tenantId, count],
  );
const left = async (tenantId: string) => (await world.db.asOwner('SELECT id FROM async_predictions WHERE tenant_id = $1', [tenantId])).length;

describe('what has ended', () => {
  it('is removed in one sweep, however much it is; what is younger stays', async () => {
    const { tenantId } = await world.tenant();
    await ended(tenantId, 1_200);
    await world.db.asOwner(`UPDATE async_predictions SET completed_at = now() WHERE id = $1`, [`prd_${tenantId}7`]);
    await queue.sweep(24, silentLogger);
    expect(await world.db.asOwner('SELECT id FROM async_predictions WHERE tenant_id = $1', [tenantId])).toEqual([{ id: `prd_${tenantId}7` }]);
  });

  it('of a tenant holds up no other where it cannot be removed', async () => {
    const tenants = [await world.tenant(), await world.tenant(), await world.tenant()].map(({ tenantId }) => tenantId).sort();
    for (const tenantId of tenants) await ended(tenantId, 1);
    await world.db.asOwner(`
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''stuck''; END';
      CREATE TRIGGER refuse BEFORE DELETE ON async_predictions FOR EACH ROW WHEN (OLD.tenant_id IN ('${tenants[0]}', '${tenants[1]}')) EXECUTE FUNCTION refuse()`);
    const told: object[] = [];
    await queue.sweep(24, { ...silentLogger, warn: (fields) => void told.push(fields) });
    expect(await Promise.all(tenants.map(left))).toEqual([1, 1, 0]);
    expect(told).toEqual(tenants.slice(0, 2).map((tenantId) => ({ tenantId, error: expect.stringContaining('stuck') })));
  });
});
