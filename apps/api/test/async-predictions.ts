import { randomUUID } from 'node:crypto';
import { type Actor, actorName, createTenantBox, createTenantKeyring, masterKeysOf } from '@millrace/auth';
import type { Database } from '@millrace/database';
import { newId, silentLogger } from '@millrace/kernel';
import { createPredictionQueue } from '@millrace/registry';
import { testSecrets } from '@millrace/testkit';

export interface MadePredictions {
  waiting: string;
  succeeded: string;
  failed: string;
  /** of an event of the failed one; in somebody's hands for long, so that the API leaves it alone */
  delivery: string;
  /** which is paused */
  receiver: string;
}

/** Predictions made later in every state, as the inference servers leave them; every text of them holds the mark. */
export async function addAsyncPredictions(database: Database, actor: Actor, endpointName: string, mark: string): Promise<MadePredictions> {
  const { tenantId } = actor;
  const box = createTenantBox(createTenantKeyring({ database, masterKeys: masterKeysOf(testSecrets.masterKey), logger: silentLogger }));
  const queue = createPredictionQueue({ database, box });
  const accept = async (): Promise<string> => {
    const id = newId('prediction');
    await queue.accept({ id, actor, endpointName, versionNumber: 1, request: { input: { features: [mark] }, origin: `https://${mark}.test` } });
    return id;
  };
  await accept();
  const first = (await queue.claim(tenantId))!;
  await queue.succeed(first, {
    output: { prediction: [mark] }, versionNumber: 1, predictMs: 3,
    usage: { tenantId, requestId: first.id, at: new Date(), actor: actorName(actor), endpointId: `end-${mark}`, modelVersionId: `ver-${mark}`, rows: 1, units: 1 },
  });
  await accept();
  const second = (await queue.claim(tenantId))!;
  await queue.fail(second, { code: `code_${mark}`, message: `about ${mark}` });
  const waiting = await accept();
  const [delivery, receiver] = [newId('webhookDelivery'), `https://${mark}.test`];
  await database.forTenant(tenantId).transaction(async (tx) => {
    await tx.$executeRaw`UPDATE async_predictions SET webhook_events = ARRAY[${mark}], webhook_receiver = ${receiver} WHERE tenant_id = ${tenantId} AND id = ${second.id}`;
    await tx.$executeRaw`
      INSERT INTO webhook_deliveries (id, tenant_id, prediction_id, event, receiver, attempt, lease_token, lease_until, last_status, last_error)
      VALUES (${delivery}, ${tenantId}, ${second.id}, ${`event-${mark}`}, ${receiver}, 1, ${randomUUID()}::uuid, now() + interval '1 day', 500, ${`error of ${mark}`})`;
    await tx.$executeRaw`
      INSERT INTO webhook_receivers (tenant_id, receiver, paused_until) VALUES (${tenantId}, ${receiver}, now() + interval '1 hour') ON CONFLICT DO NOTHING`;
  });
  return { waiting, succeeded: first.id, failed: second.id, delivery, receiver };
}
