import type { Endpoint, ModelVersion, Rollout, TenantTx } from '@millrace/database';
import { championAlias, type GateRefusal, whatKeepsFromChampion } from './champion-gate.ts';
import type { BrokenRule } from './rollback-rules.ts';
import { enterRolloutEvent } from './rollout-events.ts';

export interface RolloutEnding {
  status: 'SUCCEEDED' | 'ROLLED_BACK' | 'CANCELLED';
  reason: string | null;
  /** the rule that it was rolled back by */
  broken?: BrokenRule | undefined;
  /** `system`, or the name of who says so */
  by: string;
  /** the step that it came to; the one that it was at if left out */
  step?: number;
}

/** Ends a rollout, in the transaction that changes the traffic: whoever looks after the endpoint is told of it then, and once. */
export async function endRollout(tx: TenantTx, { tenantId, id, step: reached }: Rollout, { status, reason, broken, by, step = reached }: RolloutEnding): Promise<Rollout> {
  const ended = await tx.$executeRaw`
    UPDATE rollouts SET status = ${status}::rollout_status, reason = ${reason}, broken_rule = ${broken ? JSON.stringify(broken) : null}::jsonb, ended_by = ${by}, step = ${step}, ended_at = now()
    WHERE tenant_id = ${tenantId} AND id = ${id} AND status = 'RUNNING'`;
  if (!ended) throw new Error(`the rollout ${id} has ended already`);
  await enterRolloutEvent(tx, tenantId, id);
  return tx.rollout.findUniqueOrThrow({ where: { tenantId_id: { tenantId, id } } });
}

/** Gives the rollout's version all requests. */
export async function finishRollout(tx: TenantTx, rollout: Rollout, endpoint: Endpoint, by: string, reason: string | null = null): Promise<Rollout> {
  await replaceShares(tx, rollout.tenantId, endpoint.id, new Map());
  const movedBy = by === 'system' ? `rollout:${rollout.id}` : by;
  if (endpoint.aliasName === championAlias) await moveAlias(tx, endpoint, 'previous', rollout.previousVersionId, movedBy);
  await moveAlias(tx, endpoint, endpoint.aliasName, rollout.versionId, movedBy);
  return endRollout(tx, rollout, { status: 'SUCCEEDED', reason, by, step: rollout.steps.length - 1 });
}

/** Somebody has said otherwise what an endpoint is to serve: nothing goes on that would change it again. */
export async function endTraffic(tx: TenantTx, tenantId: string, endpointId: string, by: string): Promise<void> {
  await replaceShares(tx, tenantId, endpointId, new Map());
  const running = await findRunningRollout(tx, tenantId, endpointId);
  if (running) await endRollout(tx, running, { status: 'CANCELLED', reason: 'A version was published meanwhile.', by });
}

export function findRunningRollout(tx: TenantTx, tenantId: string, endpointId: string): Promise<Rollout | null> {
  return tx.rollout.findFirst({ where: { tenantId, endpointId, status: 'RUNNING' } });
}

export async function replaceShares(tx: TenantTx, tenantId: string, endpointId: string, shares: ReadonlyMap<string, { percent: number; mirrorPercent: number }>): Promise<void> {
  await tx.trafficShare.deleteMany({ where: { tenantId, endpointId } });
  if (shares.size) await tx.trafficShare.createMany({ data: [...shares].map(([versionId, share]) => ({ tenantId, endpointId, versionId, ...share })) });
}

export async function moveAlias(tx: TenantTx, { tenantId, modelId }: Endpoint, name: string, versionId: string, updatedBy: string): Promise<void> {
  const key = { tenantId, modelId, name };
  await tx.modelAlias.upsert({ where: { tenantId_modelId_name: key }, create: { ...key, versionId, updatedBy }, update: { versionId, updatedBy } });
}

/** A model's rules are about its champion: an endpoint that follows another alias is free. */
export async function whatKeepsFromService(tx: TenantTx, { tenantId, modelId, aliasName }: Endpoint, version: ModelVersion): Promise<GateRefusal | null> {
  if (aliasName !== championAlias) return null;
  return whatKeepsFromChampion(tx, await tx.model.findUniqueOrThrow({ where: { tenantId_id: { tenantId, id: modelId } } }), version);
}
