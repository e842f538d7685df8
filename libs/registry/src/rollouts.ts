import { type Actor, actorName, recordAudit, requirePermission } from '@millrace/auth';
import { type Database, type Endpoint, type ModelVersion, notify, type Rollout, type TenantTx, violatesUnique } from '@millrace/database';
import { type Logger, newId, type Problem } from '@millrace/kernel';
import type { Signature } from '@millrace/packaging';
import { advanceRollout } from './advance-rollout.ts';
import { championAlias, type GateRefusal } from './champion-gate.ts';
import { type LiveScore, readLiveScores } from './live-scores.ts';
import { whatFitsNoLonger } from './other-inputs.ts';
import { defaultOperator, type RollbackOperator, type RollbackRule, ruleProblems, whatKeepsFromJudging } from './rollback-rules.ts';
import { endRollout, findRunningRollout, finishRollout, moveAlias, replaceShares, whatKeepsFromService } from './rollout-changes.ts';
import { readStanding, type RolloutWait, whatItWaitsFor } from './rollout-waits.ts';
import { readTraffic, trafficSlotSeconds, type VersionTraffic } from './traffic.ts';

export interface ShareInput {
  versionNumber: number;
  percent: number;
}

export interface NewRollout {
  endpointName: string;
  versionNumber: number;
  /** it may take other inputs than the version that it replaces; else that is refused, unless a rule looks at what it refuses */
  allowOtherInputs?: boolean;
  /** percent of the requests, ascending to 100 */
  steps?: readonly number[];
  bakeSeconds?: number;
  minRequests?: number;
  /** rules on a live score, and with them each step, wait for so many rows with a known truth */
  minLabels?: number;
  /** @param op if left out, the one that holds when the metric is worse than the threshold */
  rollbackOn?: readonly (Omit<RollbackRule, 'op'> & { op?: RollbackOperator })[];
}

/** Rules on what is a version's own doing. What it refuses, whoever may predict can cause at will: a rule on that is for somebody to choose. */
export const rolloutDefaults = {
  steps: [5, 25, 50, 100],
  bakeSeconds: 300,
  minRequests: 20,
  minLabels: 30,
  rollbackOn: [
    { metric: 'errorRate', op: '>', threshold: 0.02 },
    { metric: 'latencyP95Ratio', op: '>', threshold: 3 },
  ],
} as const satisfies Required<Omit<NewRollout, 'endpointName' | 'versionNumber' | 'allowOtherInputs'>>;

/** Versions beside the alias's that one endpoint serves or mirrors to, at most. */
const mostShares = 4;

type Conflict = { type: 'conflict'; code: string; field: string; message: string; remedy: string };
type Refusal = { type: 'invalid'; problems: Problem[] } | { type: 'not-found'; field: string; message: string } | Conflict;
export type SetTrafficOutcome = { type: 'set'; endpoint: Endpoint } | Refusal;
export type StartRolloutOutcome = { type: 'started'; rollout: Rollout } | Refusal;
export type EndRolloutOutcome = { type: 'ended'; endpoint: Endpoint; rollout: Rollout | null } | Refusal;

export interface RolloutOptions {
  database: Database;
  logger: Logger;
}

export type Rollouts = ReturnType<typeof createRollouts>;

/** Divides an endpoint's requests among versions, and moves them from one version to the next step by step. */
export function createRollouts({ database, logger }: RolloutOptions) {
  return {
    /** Who answers what share, in percent; together 100. What is mirrored comes on top, and its answers are only compared. */
    async setTraffic(actor: Actor, input: { endpointName: string; traffic: readonly ShareInput[]; mirror: readonly ShareInput[] }): Promise<SetTrafficOutcome> {
      requirePermission(actor, 'endpoint:write');
      const problems = [...shareProblems(input.traffic, 'traffic'), ...shareProblems(input.mirror, 'mirror')];
      const total = input.traffic.reduce((sum, { percent }) => sum + percent, 0);
      if (!problems.length && total !== 100) problems.push(problem('traffic', `The shares add up to ${total}.`, 'Give shares that add up to 100.'));
      if (problems.length) return { type: 'invalid', problems };
      const { tenantId } = actor;
      return database.forTenant(tenantId).transaction(async (tx): Promise<SetTrafficOutcome> => {
        const served = await lockEndpoint(tx, tenantId, input.endpointName);
        if (!served) return endpointNotFound;
        if (await findRunningRollout(tx, tenantId, served.endpoint.id)) return rolloutRunning;
        const shares = new Map<string, { percent: number; mirrorPercent: number }>();
        for (const [field, kind, list] of [['traffic', 'percent', input.traffic], ['mirror', 'mirrorPercent', input.mirror]] as const) {
          for (const [index, { versionNumber, percent }] of list.entries()) {
            const version = await findVersion(tx, tenantId, served.endpoint.modelId, versionNumber);
            if (!version) return versionNotFound(`${field}[${index}].versionNumber`);
            if (version.status !== 'READY') return versionNotReady(`${field}[${index}].versionNumber`);
            if (version.id === served.stable?.id && kind === 'mirrorPercent') {
              return { type: 'invalid', problems: [problem(`mirror[${index}].versionNumber`, 'This version answers already.', 'Mirror to another version.')] };
            }
            if (version.id === served.stable?.id || percent === 0) continue; // the alias's version answers the rest
            const refusal = kind === 'percent' ? await whatKeepsFromService(tx, served.endpoint, version) : null;
            if (refusal) return keptFromService(`${field}[${index}].versionNumber`, refusal);
            shares.set(version.id, { percent: 0, mirrorPercent: 0, ...shares.get(version.id), [kind]: percent });
          }
        }
        if (shares.size > mostShares) return { type: 'invalid', problems: [problem('traffic', `${shares.size} versions beside the stable one are too many.`, `Give at most ${mostShares}.`)] };
        await replaceShares(tx, tenantId, served.endpoint.id, shares);
        const details = { name: served.endpoint.name, traffic: input.traffic.map((share) => ({ ...share })), mirror: input.mirror.map((share) => ({ ...share })) };
        await recordAudit(tx, actor, { action: 'endpoint.traffic', subject: served.endpoint.id, details });
        await notify(tx, 'millrace_registry', tenantId);
        return { type: 'set', endpoint: served.endpoint };
      });
    },

    /** Begins to move an endpoint to a version. Ends in `champion`, or whatever alias the endpoint follows, on that version. */
    async start(actor: Actor, input: NewRollout): Promise<StartRolloutOutcome> {
      requirePermission(actor, 'endpoint:write');
      requirePermission(actor, 'model:write');
      const { steps, bakeSeconds, minRequests, minLabels, allowOtherInputs, ...given }: Required<NewRollout> = { allowOtherInputs: false, ...rolloutDefaults, ...withoutUndefined(input) } as Required<NewRollout>;
      const rollbackOn = given.rollbackOn.map(({ metric, op, threshold }): RollbackRule => ({ metric, op: op ?? defaultOperator(metric), threshold }));
      const problems = [...rolloutProblems(steps, bakeSeconds, minRequests, minLabels), ...ruleProblems(rollbackOn)];
      if (problems.length) return { type: 'invalid', problems };
      const { tenantId } = actor;
      const started = database.forTenant(tenantId).transaction(async (tx): Promise<StartRolloutOutcome> => {
        const served = await lockEndpoint(tx, tenantId, input.endpointName);
        if (!served) return endpointNotFound;
        if (!served.stable) return conflict('nothing_served', 'endpointName', 'The endpoint serves no version to move away from.', 'Publish a version to it.');
        const version = await findVersion(tx, tenantId, served.endpoint.modelId, input.versionNumber);
        if (!version) return versionNotFound('versionNumber');
        if (version.status !== 'READY') return versionNotReady('versionNumber');
        if (version.id === served.stable.id) return conflict('already_served', 'versionNumber', 'The endpoint serves this version already.', 'Choose another version.');
        if (await findRunningRollout(tx, tenantId, served.endpoint.id)) return rolloutRunning;
        const unjudged = await whatKeepsFromJudging(tx, served.endpoint, version, rollbackOn);
        if (unjudged) return { type: 'invalid', problems: [unjudged] };
        const unfit = whatFitsNoLonger(served.stable.signature as Partial<Signature>, version.signature as Partial<Signature>);
        if (unfit && !allowOtherInputs && !rollbackOn.some(({ metric }) => metric === 'refusedRate')) return { type: 'invalid', problems: [otherInputs(version, served.stable, unfit)] };
        const refusal = await whatKeepsFromService(tx, served.endpoint, version);
        if (refusal) return keptFromService('versionNumber', refusal);
        const rollout = await tx.rollout.create({
          data: {
            id: newId('rollout'), tenantId, endpointId: served.endpoint.id, versionId: version.id, previousVersionId: served.stable.id,
            steps: [...steps], bakeSeconds, minRequests, minLabels, rollbackOn: rollbackOn.map((rule) => ({ ...rule })), createdBy: actorName(actor),
          },
        });
        const details = { name: served.endpoint.name, version: version.number, previous: served.stable.number, steps: [...steps], bakeSeconds, ...(unfit && allowOtherInputs && { allowOtherInputs }) };
        await recordAudit(tx, actor, { action: 'rollout.start', subject: rollout.id, details });
        if (steps[0] === 100) await finishRollout(tx, rollout, served.endpoint, actorName(actor));
        else await replaceShares(tx, tenantId, served.endpoint.id, new Map([[version.id, { percent: steps[0]!, mirrorPercent: 0 }]]));
        await notify(tx, 'millrace_registry', tenantId);
        return { type: 'started', rollout: await tx.rollout.findUniqueOrThrow({ where: { tenantId_id: { tenantId, id: rollout.id } } }) };
      });
      return started.catch((error: unknown): StartRolloutOutcome => {
        if (violatesUnique(error, 'rollouts_one_running')) return rolloutRunning;
        throw error;
      });
    },

    /** Ends the waiting: the new version takes all requests at once. */
    async promote(actor: Actor, endpointName: string): Promise<EndRolloutOutcome> {
      requirePermission(actor, 'endpoint:write');
      requirePermission(actor, 'model:write');
      const { tenantId } = actor;
      return database.forTenant(tenantId).transaction(async (tx): Promise<EndRolloutOutcome> => {
        const served = await lockEndpoint(tx, tenantId, endpointName);
        if (!served) return endpointNotFound;
        const running = await findRunningRollout(tx, tenantId, served.endpoint.id);
        if (!running) return conflict('no_rollout', 'endpointName', 'No rollout is under way here.', 'Start one, or publish the version.');
        const refusal = await whatKeepsFromService(tx, served.endpoint, await tx.modelVersion.findUniqueOrThrow({ where: { tenantId_id: { tenantId, id: running.versionId } } }));
        if (refusal) return keptFromService('endpointName', refusal);
        const rollout = await finishRollout(tx, running, served.endpoint, actorName(actor), 'Promoted by hand.');
        await recordAudit(tx, actor, { action: 'rollout.promote', subject: rollout.id, details: { name: served.endpoint.name } });
        await notify(tx, 'millrace_registry', tenantId);
        return { type: 'ended', endpoint: served.endpoint, rollout };
      });
    },

    /**
     * Back to what was served before: ends a rollout under way or a divided traffic; without either, the endpoint's alias
     * moves to the version that `previous` names, and `previous` to the one that was served.
     */
    async rollBack(actor: Actor, endpointName: string): Promise<EndRolloutOutcome> {
      requirePermission(actor, 'endpoint:write');
      requirePermission(actor, 'model:write');
      const { tenantId } = actor;
      return database.forTenant(tenantId).transaction(async (tx): Promise<EndRolloutOutcome> => {
        const served = await lockEndpoint(tx, tenantId, endpointName);
        if (!served) return endpointNotFound;
        const { endpoint, stable } = served;
        const running = await findRunningRollout(tx, tenantId, endpoint.id);
        const { count: divided } = await tx.trafficShare.deleteMany({ where: { tenantId, endpointId: endpoint.id } });
        const rollout = running ? await endRollout(tx, running, { status: 'ROLLED_BACK', reason: 'Rolled back by hand.', by: actorName(actor) }) : null;
        if (!running && !divided) {
          const before = await servedBefore(tx, endpoint, stable);
          if (!before || before.id === stable?.id) return conflict('nothing_before', 'endpointName', 'Nothing else was served here before.', 'Publish the version that you want.');
          if (before.status !== 'READY') return versionNotReady('endpointName');
          // It was good enough once: only what has been rejected since keeps it out.
          const refusal = await whatKeepsFromService(tx, endpoint, before);
          if (refusal?.type === 'not-approved') return keptFromService('endpointName', refusal);
          await moveAlias(tx, endpoint, endpoint.aliasName, before.id, actorName(actor));
          if (stable && endpoint.aliasName === championAlias) await moveAlias(tx, endpoint, 'previous', stable.id, actorName(actor));
        }
        await recordAudit(tx, actor, { action: 'endpoint.rollback', subject: endpoint.id, details: { name: endpoint.name, rollout: rollout?.id ?? null } });
        await notify(tx, 'millrace_registry', tenantId);
        return { type: 'ended', endpoint, rollout };
      });
    },

    /** Moves every rollout on that may go on, and rolls back those that fare badly. Any number of processes may do this at once. */
    async advance(): Promise<void> {
      const running = await database.system().transaction((tx) => tx.rollout.findMany({ where: { status: 'RUNNING' }, select: { id: true, tenantId: true } }));
      for (const { id, tenantId } of running) {
        try {
          await database.forTenant(tenantId).transaction((tx) => advanceRollout(tx, tenantId, id, logger));
        } catch (error) {
          logger.warn({ rolloutId: id, tenantId, error: String(error) }, 'a rollout could not be moved on; tried again later');
        }
      }
    },

    /** Why a rollout that is under way is neither moved on nor rolled back yet; nothing of one that has ended. */
    async waits(tx: TenantTx, rollout: Rollout): Promise<RolloutWait[]> {
      return rollout.status === 'RUNNING' ? whatItWaitsFor(await readStanding(tx, rollout)) : [];
    },

    /** How the answers of its versions compared with the truth, as far as it is known. */
    liveScores(tx: TenantTx, tenantId: string, endpointId: string, seconds: number, isTrustedOnly = false): Promise<LiveScore[]> {
      return readLiveScores(tx, { tenantId, endpointId, since: new Date(Date.now() - seconds * 1000), isTrustedOnly });
    },

    /** How the versions of an endpoint fared in the last so many seconds. */
    traffic(tx: TenantTx, tenantId: string, endpointId: string, seconds: number): Promise<VersionTraffic[]> {
      return readTraffic(tx, tenantId, endpointId, new Date(Date.now() - seconds * 1000));
    },
  };
}

/** What `previous` names is what was champion before; of an endpoint that follows another alias, its last rollout tells. */
async function servedBefore(tx: TenantTx, { tenantId, id, modelId, aliasName }: Endpoint, stable: ModelVersion | null): Promise<ModelVersion | null> {
  if (aliasName === championAlias) {
    const key = { tenantId, modelId, name: 'previous' };
    return (await tx.modelAlias.findUnique({ where: { tenantId_modelId_name: key }, include: { version: true } }))?.version ?? null;
  }
  const last = await tx.rollout.findFirst({ where: { tenantId, endpointId: id, status: 'SUCCEEDED' }, orderBy: { id: 'desc' }, include: { previousVersion: true } });
  return last && last.versionId === stable?.id ? last.previousVersion : null;
}

/** The endpoint and what its alias points to. Holding the model's row, one change at a time. */
async function lockEndpoint(tx: TenantTx, tenantId: string, name: string): Promise<{ endpoint: Endpoint; stable: ModelVersion | null } | null> {
  const endpoint = await tx.endpoint.findUnique({ where: { tenantId_name: { tenantId, name } } });
  if (!endpoint) return null;
  await tx.$queryRaw`SELECT id FROM models WHERE tenant_id = ${tenantId} AND id = ${endpoint.modelId} FOR UPDATE`;
  const alias = await tx.modelAlias.findUnique({
    where: { tenantId_modelId_name: { tenantId, modelId: endpoint.modelId, name: endpoint.aliasName } },
    include: { version: true },
  });
  return { endpoint, stable: alias?.version ?? null };
}

function findVersion(tx: TenantTx, tenantId: string, modelId: string, number: number): Promise<ModelVersion | null> {
  return tx.modelVersion.findUnique({ where: { tenantId_modelId_number: { tenantId, modelId, number } } });
}

function shareProblems(shares: readonly ShareInput[], field: string): Problem[] {
  const problems: Problem[] = [];
  const seen = new Set<number>();
  for (const [index, { versionNumber, percent }] of shares.entries()) {
    if (!Number.isInteger(percent) || percent < 0 || percent > 100) {
      problems.push(problem(`${field}[${index}].percent`, 'This is no share.', 'Give a whole number from 0 to 100.'));
    }
    if (seen.has(versionNumber)) problems.push(problem(`${field}[${index}].versionNumber`, `Version ${versionNumber} is listed twice.`, 'List each version once.'));
    seen.add(versionNumber);
  }
  return problems;
}

function rolloutProblems(steps: readonly number[], bakeSeconds: number, minRequests: number, minLabels: number): Problem[] {
  const problems: Problem[] = [];
  const ascends = steps.every((step, index) => Number.isInteger(step) && step > (steps[index - 1] ?? 0) && step <= 100);
  if (!ascends || steps.at(-1) !== 100 || steps.length > 20) problems.push(problem('steps', 'These are no steps of a rollout.', 'Give whole percentages that ascend to 100, at most 20, such as 5, 25, 50, 100.'));
  if (!Number.isInteger(bakeSeconds) || bakeSeconds < trafficSlotSeconds || bakeSeconds > 604_800) {
    problems.push(problem('bakeSeconds', 'This is no time for a step.', `Give ${trafficSlotSeconds} to 604800 seconds.`));
  }
  if (!Number.isInteger(minRequests) || minRequests < 0 || minRequests > 1_000_000) problems.push(problem('minRequests', 'This is no number of requests.', 'Give 0 to 1000000.'));
  if (!Number.isInteger(minLabels) || minLabels < 1 || minLabels > 1_000_000) problems.push(problem('minLabels', 'This is no number of rows.', 'Give 1 to 1000000.'));
  return problems;
}

function withoutUndefined<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, of]) => of !== undefined)) as Partial<T>;
}

const otherInputs = (version: ModelVersion, stable: ModelVersion, unfit: string): Problem => problem(
  'allowOtherInputs', `Version ${version.number} ${unfit}, unlike version ${stable.number}: it may refuse what callers send today.`, 'Allow it if they send what it wants, or add a rule on refusedRate.',
);
const problem = (field: string, message: string, remedy: string): Problem => ({ code: 'unfit', field, message, remedy });
const conflict = (code: string, field: string, message: string, remedy: string): Conflict => ({ type: 'conflict', code, field, message, remedy });
const keptFromService = (field: string, { type, message }: GateRefusal): Conflict => conflict(type.replace('-', '_'), field, message, 'Have the version approved, or change the model’s policy.');
const endpointNotFound = { type: 'not-found', field: 'endpointName', message: 'There is no endpoint of this name.' } as const;
const versionNotFound = (field: string) => ({ type: 'not-found', field, message: 'The model has no such version.' }) as const;
const versionNotReady = (field: string): Conflict => conflict('version_not_ready', field, 'Only a version that is READY can be served.', 'Choose a version whose status is READY.');
const rolloutRunning: Conflict = conflict('rollout_running', 'endpointName', 'A rollout is under way here.', 'Wait for its end, promote it, or roll it back.');
