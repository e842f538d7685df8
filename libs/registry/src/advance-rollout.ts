import { recordAudit } from '@millrace/auth';
import { type Endpoint, notify, type Prisma, type Rollout, type TenantTx } from '@millrace/database';
import type { Logger } from '@millrace/kernel';
import { type BrokenRule, brokenRule, inWords } from './rollback-rules.ts';
import { endRollout, finishRollout, replaceShares, type RolloutEnding, whatKeepsFromService } from './rollout-changes.ts';
import { readStanding, type RolloutStanding, whatItWaitsFor } from './rollout-waits.ts';
import { answersNothing } from './rule-evidence.ts';

/**
 * Moves a rollout on if it may go on, and rolls it back if it fares badly: traffic, trail and webhook in one transaction, so that
 * of several processes one does it, and of one that is killed all is there or nothing. Nothing happens while another is at it.
 */
export async function advanceRollout(tx: TenantTx, tenantId: string, id: string, logger: Logger): Promise<void> {
  // Looked at by every process each second, and mostly it waits: that is found out without holding up whoever publishes.
  const seen = await tx.rollout.findUnique({ where: { tenantId_id: { tenantId, id } }, include: { endpoint: true } });
  if (seen?.status !== 'RUNNING' || ((await isInPlace(tx, seen)) && judge(await readStanding(tx, seen)).type === 'waits')) return;
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

  if (!(await isInPlace(tx, rollout))) return giveUp('rollout.cancel', { status: 'CANCELLED', reason: `${endpoint.aliasName} was moved meanwhile.` });
  const verdict = judge(await readStanding(tx, rollout));
  if (verdict.type === 'waits') return;
  if (verdict.type === 'fails') return giveUp('rollout.rollback', { status: 'ROLLED_BACK', reason: verdict.reason, ...(verdict.broken && { broken: verdict.broken }) });
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

type Verdict = { type: 'fails'; reason: string; broken?: BrokenRule } | { type: 'waits' } | { type: 'goes-on' };

function judge(standing: RolloutStanding): Verdict {
  if (standing.seconds >= standing.bakeSeconds && answersNothing(standing.candidate)) return { type: 'fails', reason: 'It answered no request.' };
  const broken = brokenRule(standing.rules, standing);
  if (broken) return { type: 'fails', reason: inWords(broken), broken };
  return { type: whatItWaitsFor(standing).length ? 'waits' : 'goes-on' };
}

/** Whether the alias still names the version that is to be replaced. */
async function isInPlace(tx: TenantTx, { tenantId, previousVersionId, endpoint: { modelId, aliasName: name } }: Rollout & { endpoint: Endpoint }): Promise<boolean> {
  const alias = await tx.modelAlias.findUnique({ where: { tenantId_modelId_name: { tenantId, modelId, name } } });
  return alias?.versionId === previousVersionId;
}
