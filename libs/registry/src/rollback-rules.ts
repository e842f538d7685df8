import type { Endpoint, ModelVersion, Rollout, TenantTx } from '@millrace/database';
import type { Problem } from '@millrace/kernel';
import { isLiveError, type LiveMetric, liveMetrics, liveMetricsOf } from './live-metrics.ts';
import { readLiveScore } from './live-scores.ts';
import { evidenceOf, fitting, isSeen, type StepTraffic, type TrafficMetric, trafficMetrics } from './rule-evidence.ts';

/**
 * What a rollout can be judged by: its traffic in a step, and its live scores since it began. A ratio is to the version that it replaces, and refusals are
 * those beyond that version's, over the same time: what fits no version is no version's doing.
 */
export const rollbackMetrics = [...trafficMetrics, ...liveMetrics] as const;
export type RollbackMetric = (typeof rollbackMetrics)[number];
export type RollbackOperator = '>' | '>=' | '<' | '<=';

/** A rollout is rolled back while this holds. */
export interface RollbackRule {
  metric: RollbackMetric;
  op: RollbackOperator;
  threshold: number;
}

/** A rule that holds, and what it holds of. */
export interface BrokenRule extends RollbackRule {
  /** what was measured; of traffic, the lower end of its interval */
  value: number;
  /** requests, or of a live score rows with a known truth */
  over: number;
}

/** What a rollout's version answered since it began, as far as the truth is known. */
export type JudgedScore = Awaited<ReturnType<typeof readLiveScore>>;

export interface StepScore extends JudgedScore {
  /** with a known truth, before rules look at it */
  neededRows: number;
}

export const isScore = (metric: RollbackMetric): metric is LiveMetric => (liveMetrics as readonly string[]).includes(metric);
const isBetterHigh = (metric: RollbackMetric): boolean => isScore(metric) && !isLiveError(metric);

/** The one that holds when the metric is worse than the threshold. */
export const defaultOperator = (metric: RollbackMetric): RollbackOperator => (isBetterHigh(metric) ? '<' : '>');

/** What is wrong with rules, whatever the model. */
export function ruleProblems(rules: readonly RollbackRule[]): Problem[] {
  const problems: Problem[] = [];
  if (rules.length > 10) problems.push(problem('rollbackOn', 'These are too many rules.', 'Give at most 10.'));
  for (const [index, { metric, op, threshold }] of rules.entries()) {
    const field = `rollbackOn[${index}]`;
    const least = metric === 'r2' ? -Infinity : 0;
    const most = isBetterHigh(metric) ? 1 : Infinity;
    if (!Number.isFinite(threshold) || threshold < least || threshold > most) {
      problems.push(problem(`${field}.threshold`, 'This is no threshold.', metric === 'r2' ? 'Give a number up to 1.' : most === 1 ? 'Give a number from 0 to 1.' : 'Give a number from 0.'));
    }
    if (op.startsWith('<') !== isBetterHigh(metric)) {
      const [better, fitting] = isBetterHigh(metric) ? ['higher', 'BELOW or AT_MOST'] : ['lower', 'ABOVE or AT_LEAST'];
      problems.push(problem(`${field}.op`, `${metric} is better when it is ${better}: this would roll back a good version.`, `Give ${fitting}, or leave op out.`));
    }
  }
  return problems;
}

/** Why a rule on a live score could never hold at this endpoint; null when each could. */
export async function whatKeepsFromJudging(tx: TenantTx, { tenantId, modelId, recordDays }: Endpoint, { signature }: Pick<ModelVersion, 'signature'>, rules: readonly RollbackRule[]): Promise<Problem | null> {
  const index = rules.findIndex(({ metric }) => isScore(metric));
  if (index < 0) return null;
  const { task } = await tx.model.findUniqueOrThrow({ where: { tenantId_id: { tenantId, id: modelId } }, select: { task: true } });
  const known = liveMetricsOf(task, signature);
  const unknown = rules.findIndex(({ metric }) => isScore(metric) && !known.includes(metric));
  if (unknown >= 0) {
    const remedy = `Give one of ${known.join(', ')}, or what is told by the traffic: ${trafficMetrics.join(', ')}.`;
    return problem(`rollbackOn[${unknown}].metric`, `The model has no live score ${rules[unknown]!.metric}.`, remedy);
  }
  if (recordDays !== null) return null;
  return problem(`rollbackOn[${index}].metric`, 'The endpoint records no predictions, so no truth about them can be scored.', 'Set recordDays with updateEndpointServing first.');
}

/**
 * What is known of the rollout's version where a rule asks for it; null where none does. Only by truths
 * whose senders rules rely on: who may ask a version for answers could otherwise roll it back.
 */
export async function judgeScore(tx: TenantTx, { tenantId, endpointId, versionId, createdAt, minLabels }: Rollout, rules: readonly RollbackRule[]): Promise<StepScore | null> {
  if (!rules.some(({ metric }) => isScore(metric))) return null;
  const score = await readLiveScore(tx, { tenantId, endpointId, versionId, variant: 'CANARY', since: createdAt, isTrustedOnly: true, withCurves: rules.some(({ metric }) => metric === 'rocAuc') });
  return { ...score, neededRows: Math.max(1, minLabels) };
}

export interface Judged extends StepTraffic {
  /** null where no rule asks for it */
  score: StepScore | null;
}

/** The first rule that the version breaks, by more than chance where its traffic tells; null when all is well, or not known to be otherwise. */
export function brokenRule(rules: readonly RollbackRule[], judged: Judged): BrokenRule | null {
  const { candidate } = judged;
  const score = judged.score && judged.score.labelledRows >= judged.score.neededRows ? judged.score : null;
  for (const rule of rules) {
    const { metric } = rule;
    // One that is not defined yet, such as the area under a curve before both classes have come up, breaks no rule, and hides none that is broken.
    const value = isScore(metric) ? (score?.valueOf(metric) ?? null) : surely(metric, judged);
    if (value === null || !violates(rule, value)) continue;
    return { metric, op: rule.op, threshold: rule.threshold, value, over: isScore(metric) ? score!.labelledRows : metric === 'refusedRate' ? candidate!.requests : fitting(candidate) };
  }
  return null;
}

/** Errors need not wait for more requests: those that are missing count as answered. */
function surely(metric: TrafficMetric, judged: Judged): number | null {
  return metric === 'errorRate' || isSeen(metric, judged) ? (evidenceOf(metric, judged)?.atLeast ?? null) : null;
}

export function inWords({ metric, op, threshold, value, over }: BrokenRule): string {
  const measured = `${metric} was ${isScore(metric) ? '' : 'at least '}${Number(value.toPrecision(3))}${metric === 'refusedRate' ? ' more than that of the version before' : ''}`;
  return `${measured}, ${op} ${threshold}, over ${over} ${isScore(metric) ? 'rows with a known truth' : 'requests'}.`;
}

/** Whether the rule holds of what was measured. */
export function violates({ op, threshold }: Pick<RollbackRule, 'op' | 'threshold'>, value: number): boolean {
  switch (op) {
    case '>':
      return value > threshold;
    case '>=':
      return value >= threshold;
    case '<':
      return value < threshold;
    case '<=':
      return value <= threshold;
  }
}

const problem = (field: string, message: string, remedy: string): Problem => ({ code: 'unfit', field, message, remedy });
