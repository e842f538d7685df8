import { recordAudit } from '@millrace/auth';
import { notify, type Prisma, type TenantTx } from '@millrace/database';
import type { Logger } from '@millrace/kernel';
import { brokenRule, inWords } from './rollback-rules.ts';
import { endRollout, finishRollout, replaceShares, type RolloutEnding, whatKeepsFromService } from './rollout-changes.ts';
import { readStanding, whatItWaitsFor } from './rollout-waits.ts';
import { answersNothing } from './rule-evidence.ts';

/**
 * Moves a rollout on if it may go on, and rolls it back if it fares badly: traffic, trail and webhook in one transaction, so that
 * of several processes one does it, and of one that is killed all is there or nothing. Nothing happens while another is at it.
 */
export async function advanceRollout(tx: TenantTx, tenantId: string, id: string, logger: Logger): Promise<void> {
  // As whoever publishes, promotes or rolls back: one change of a model's aliases at a time.
  await tx.$queryRaw`
    SELECT m.id FROM rollouts r JOIN endpoints e ON e.tenant_id = r.tenant_id AND e.id = r.endpoint_id JOIN models m ON m.tenant_id = e.tenant_id AND m.id = e.model_id
    WHERE r.tenant_id = ${tenantId} AND r.id = ${id} FOR UPDATE OF m`;
  const [free] = await tx.$queryRaw<unknown[]>`SELECT id FROM rollouts WHERE tenant_id = ${tenantId} AND id = ${id} AND status = 'RUNNING' FOR UPDATE SKIP LOCKED`;
  if (!free) return;
  const rollout = await tx.rollout.findUniqueOrThrow({ where: { tenantId_id: { tenantId, id } }, include: { endpoint: true, version: true, previousVersion: true } });
  const { endpoint } = rollout;

  async function note(action: string, details: Prisma.InputJsonObject = {}): Promise<void> {
    const about = { name: endpoint.name, version: rollout.version.number, previous: rollout.previousVersion.number };
    await recordAudit(tx, { type: 'system', tenantId }, { action, subject: id, details: { ...about, ...details } });
    await notify(tx, 'millrace_registry', tenantId);
  }

  async function giveUp(action: string, { reason, broken, ...ending }: Omit<RolloutEnding, 'by'>): Promise<void> {
    await replaceShares(tx, tenantId, endpoint.id, new Map());
    await endRollout(tx, rollout, { ...ending, reason, broken, by: 'system' });
    logger.warn({ rolloutId: id, tenantId, endpoint: endpoint.name, reason }, 'a rollout was given up');
    const { metric, op, threshold, value, over } = broken ?? {};
    await note(action, { reason, ...(broken && { rule: { metric: metric!, op: op!, threshold: threshold! }, measured: value!, over: over! }) });
  }

  const alias = await tx.modelAlias.findUnique({ where: { tenantId_modelId_name: { tenantId, modelId: endpoint.modelId, name: endpoint.aliasName } } });
  if (alias?.versionId !== rollout.previousVersionId) return giveUp('rollout.cancel', { status: 'CANCELLED', reason: `${endpoint.aliasName} was moved meanwhile.` });
  const standing = await readStanding(tx, rollout);
  const { score } = standing;
  if (standing.seconds >= rollout.bakeSeconds && answersNothing(standing.candidate)) return giveUp('rollout.rollback', { status: 'ROLLED_BACK', reason: 'It answered no request.' });
  const broken = brokenRule(standing.rules, { ...standing, score: score?.isEnough ? score : null });
  if (broken) return giveUp('rollout.rollback', { status: 'ROLLED_BACK', reason: inWords(broken), broken });
  if (whatItWaitsFor(standing).length) return;
  const refusal = await whatKeepsFromService(tx, endpoint, rollout.version);
  if (refusal) return giveUp('rollout.rollback', { status: 'ROLLED_BACK', reason: refusal.message });
  const next = rollout.step + 1;
  const percent = rollout.steps[next]!;
  if (percent === 100) {
    await finishRollout(tx, rollout, endpoint, 'system');
    return note('rollout.finish');
  }
  await replaceShares(tx, tenantId, endpoint.id, new Map([[rollout.versionId, { percent, mirrorPercent: 0 }]]));
  await tx.$executeRaw`UPDATE rollouts SET step = ${next}, step_started_at = now() WHERE tenant_id = ${tenantId} AND id = ${id}`;
  return note('rollout.step', { percent });
}
