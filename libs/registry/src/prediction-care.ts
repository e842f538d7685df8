import { type Actor, actorName, mayCall, recordAudit, requirePermission } from '@millrace/auth';
import type { AsyncPrediction, Database } from '@millrace/database';
import type { OpenedPrediction, PredictionQueue, PredictionState } from './prediction-queue.ts';

export type CancelPredictionOutcome = { type: 'cancelled' } | { type: 'not-found' } | { type: 'ended'; status: PredictionState };

/** Keys belong to different partners: each sees what it asked for itself. People see what is their tenant's. */
export function seesPrediction(actor: Actor, { actor: asker, endpointName }: Pick<AsyncPrediction, 'actor' | 'endpointName'>): boolean {
  return actor.type === 'person' || (asker === actorName(actor) && mayCall(actor, endpointName));
}

/** The same as a condition on rows of the actor's tenant. */
export function whereSeen(actor: Actor): { actor?: string; endpointName?: { in: string[] } } {
  if (actor.type === 'person') return {};
  return { actor: actorName(actor), ...(actor.models.length > 0 && { endpointName: { in: [...actor.models] } }) };
}

export type PredictionCare = ReturnType<typeof createPredictionCare>;

/** What people do with predictions that were asked for by programs. */
export function createPredictionCare({ database, queue }: { database: Database; queue: Pick<PredictionQueue, 'find' | 'cancel'> }) {
  return {
    /** Opens what was asked and answered: for whoever may make the same prediction. Null for none, and for one that is not theirs. */
    async read(actor: Actor, id: string): Promise<OpenedPrediction | null> {
      requirePermission(actor, 'endpoint:predict');
      const found = await queue.find(actor.tenantId, id);
      return found && seesPrediction(actor, found.row) ? found : null;
    },

    async cancel(actor: Actor, id: string): Promise<CancelPredictionOutcome> {
      requirePermission(actor, 'endpoint:predict');
      const { tenantId } = actor;
      const find = () =>
        database.forTenant(tenantId).transaction((tx) => tx.asyncPrediction.findUnique({ where: { tenantId_id: { tenantId, id } }, select: { actor: true, endpointName: true, status: true } }));
      const before = await find();
      if (!before || !seesPrediction(actor, before)) return { type: 'not-found' };
      const isCancelled = await queue.cancel(tenantId, id, (tx) => recordAudit(tx, actor, { action: 'prediction.cancel', subject: id, details: { endpoint: before.endpointName } }));
      if (isCancelled) return { type: 'cancelled' };
      const after = await find();
      return after ? { type: 'ended', status: after.status } : { type: 'not-found' };
    },
  };
}
