import { databaseEnums } from '@millrace/database';
import { type BrokenRule, liveMetricsOf, type RollbackMetric, rollbackMetrics, type RollbackRule, rolloutDefaults, type RolloutWait, rolloutWaitKinds, type VersionTraffic, waitInWords } from '@millrace/registry';
import { actorLabel } from '../auth/actor-label.ts';
import { builder } from '../../schema-builder.ts';

const trafficVariantEnum = builder.enumType(databaseEnums.TrafficVariant, {
  name: 'TrafficVariant',
  description: 'STABLE is what the endpoint’s alias points to, CANARY another version that answers a share, SHADOW one whose answers are only compared.',
});

const rolloutStatusEnum = builder.enumType(databaseEnums.RolloutStatus, {
  name: 'RolloutStatus',
  description: 'RUNNING goes on by itself; SUCCEEDED has taken over; ROLLED_BACK has lost its share again; CANCELLED, since the alias was moved meanwhile.',
});

/** As enum values in the schema: in capitals. */
const capitals = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();

export const rollbackMetricEnum = builder.enumType('RollbackMetric', {
  description:
    'What a rollout is judged by: its traffic in a step, or a live score since it began. LATENCY_P95_RATIO is to the version that it replaces, and REFUSED_RATE by how much more of its requests it refuses than that does, over the same time. Traffic is held against a threshold by the lower end of its interval, of 97.5 % confidence.',
  values: Object.fromEntries(rollbackMetrics.map((name) => [capitals(name), { value: name }])) as Record<string, { value: RollbackMetric }>,
});

export const thresholdOperatorEnum = builder.enumType('ThresholdOperator', {
  description: 'How a metric is compared with its threshold.',
  values: { ABOVE: { value: '>' }, AT_LEAST: { value: '>=' }, BELOW: { value: '<' }, AT_MOST: { value: '<=' } } as const,
});

const rollbackRule = builder.objectRef<RollbackRule>('RollbackRule').implement({
  description: 'A rollout is rolled back when this holds: over the requests of a step, or of a live score over all answers since it began.',
  fields: (t) => ({
    metric: t.expose('metric', { type: rollbackMetricEnum, description: 'What is looked at.' }),
    op: t.expose('op', { type: thresholdOperatorEnum, description: 'How it is compared.' }),
    threshold: t.exposeFloat('threshold', { description: 'With what: rates and shares from 0 to 1, latencies in milliseconds, errors in the target’s unit.' }),
  }),
});

const brokenRule = builder.objectRef<BrokenRule>('BrokenRule').implement({
  description: 'The rule that a rollout was rolled back by.',
  fields: (t) => ({
    metric: t.expose('metric', { type: rollbackMetricEnum, description: 'What was looked at.' }),
    op: t.expose('op', { type: thresholdOperatorEnum, description: 'How it was compared.' }),
    threshold: t.exposeFloat('threshold', { description: 'With what.' }),
    value: t.exposeFloat('value', { description: 'What was measured; of traffic, the lower end of its interval.' }),
    over: t.exposeInt('over', { description: 'How many requests that is over, or of a live score rows with a known truth.' }),
  }),
});

const rolloutWaitKindEnum = builder.enumType('RolloutWaitKind', {
  description:
    'TIME is that of the step, REQUESTS are the version’s in it, PREVIOUS_REQUESTS those of the version that a rule compares it with, LABELS rows with a known truth; SCORE is not defined by them yet, and DOUBT is what lies beyond a rule and may do so by chance.',
  values: rolloutWaitKinds,
});

const rolloutWait = builder.objectRef<RolloutWait>('RolloutWait').implement({
  description: 'Why a rollout neither goes on nor is rolled back yet. promoteRollout and rollBackEndpoint wait for nothing.',
  fields: (t) => ({
    kind: t.expose('kind', { type: rolloutWaitKindEnum, description: 'What it waits for.' }),
    rule: t.expose('rule', { type: rollbackRule, nullable: true, description: 'The rule that asks for it; null for what every step needs.' }),
    has: t.exposeFloat('has', { nullable: true, description: 'Seconds, requests or rows so far; of a DOUBT what was measured; null of a SCORE that is not defined.' }),
    needs: t.exposeFloat('needs', { description: 'How many it takes; of a DOUBT or a SCORE the rule’s threshold.' }),
    message: t.string({ description: 'The same in words.', resolve: waitInWords }),
  }),
});

const rolloutTerms = builder.objectRef<{ scoreMetrics: readonly RollbackMetric[] }>('RolloutTerms').implement({
  description: 'What rollouts of an endpoint can be judged by, for whoever is to start one.',
  fields: (t) => ({
    scoreMetrics: t.field({ type: [rollbackMetricEnum], description: 'The live scores that models of this kind have, the foremost first; a rule on one asks for recordDays.', resolve: ({ scoreMetrics }) => scoreMetrics }),
    usualRules: t.field({ type: [rollbackRule], description: 'What rolls it back unless rollbackOn says otherwise.', resolve: () => rolloutDefaults.rollbackOn }),
    usualMinLabels: t.int({ description: 'How many rows must have a known truth unless minLabels says otherwise.', resolve: () => rolloutDefaults.minLabels }),
  }),
});

interface Share extends Omit<VersionTraffic, 'errors' | 'latencies'> {
  tenantId: string;
  percent: number;
  mirrorPercent: number;
}

const endpointTraffic = builder.objectRef<Share>('EndpointTraffic').implement({
  description: 'One version of an endpoint: its share of the requests, and how it fared.',
  fields: (t) => ({
    version: t.prismaField({
      type: 'ModelVersion',
      description: 'The version.',
      resolve: (query, { versionId: id }, _args, { db, tenantId }) => db.modelVersion.findUniqueOrThrow({ ...query, where: { tenantId_id: { tenantId, id } } }),
    }),
    variant: t.expose('variant', { type: trafficVariantEnum, description: 'In which part it was asked.' }),
    percent: t.exposeInt('percent', { description: 'Share of the requests that it answers now, in percent.' }),
    mirrorPercent: t.exposeInt('mirrorPercent', { description: 'Share of the requests that it is shown beside, in percent.' }),
    requests: t.exposeInt('requests', { description: 'How often it was asked in the time looked at.' }),
    errorRate: t.exposeFloat('errorRate', { nullable: true, description: 'Share of the requests that it did not refuse to which it gave no answer: it could not be loaded, or had no finite one.' }),
    refusedRate: t.exposeFloat('refusedRate', { nullable: true, description: 'Share of requests whose rows did not fit its signature.' }),
    differingRate: t.exposeFloat('differingRate', { nullable: true, description: 'Of a shadow: share of answers unlike those that were given.' }),
    latencyP50Ms: t.exposeFloat('latencyP50Ms', { nullable: true, description: 'Median time to an answer, in milliseconds, rounded up to half an octave.' }),
    latencyP95Ms: t.exposeFloat('latencyP95Ms', { nullable: true, description: 'The 95th percentile of it.' }),
    latencyP99Ms: t.exposeFloat('latencyP99Ms', { nullable: true, description: 'The 99th percentile of it.' }),
  }),
});

builder.prismaNode('Rollout', {
  id: { field: 'id', description: 'rol_…' },
  nullable: true,
  findUnique: (id, context) => ({ tenantId_id: { tenantId: context.tenantId, id } }),
  description: 'A version that takes over an endpoint step by step.',
  fields: (t) => ({
    status: t.expose('status', { type: rolloutStatusEnum, description: 'Where it stands.' }),
    version: t.relation('version', { description: 'The version that takes over.' }),
    previousVersion: t.relation('previousVersion', { description: 'The version that it replaces.' }),
    endpoint: t.relation('endpoint', { description: 'Where.' }),
    steps: t.exposeIntList('steps', { description: 'Percent of the requests, step by step.' }),
    step: t.exposeInt('step', { description: 'The step that it is at; the first is 0.' }),
    stepStartedAt: t.expose('stepStartedAt', { type: 'DateTime', description: 'When this step began.' }),
    bakeSeconds: t.exposeInt('bakeSeconds', { description: 'How long each step lasts at least.' }),
    minRequests: t.exposeInt('minRequests', { description: 'How many requests whose rows fitted the version must have had in a step before it goes on, or is judged by them but for errors that are more than chance.' }),
    minLabels: t.exposeInt('minLabels', { description: 'Where a rule asks for a live score: how many of its rows must have a known truth before it is judged by them, or goes on.' }),
    rollbackOn: t.field({
      type: [rollbackRule],
      description: 'What rolls it back.',
      resolve: ({ rollbackOn }) => (Array.isArray(rollbackOn) ? (rollbackOn as unknown as RollbackRule[]) : []),
    }),
    waitsFor: t.field({
      type: [rolloutWait],
      complexity: 20, // it adds up many counts
      description: 'What keeps its present step from ending; nothing once it has ended.',
      resolve: (rollout, _args, { db, services }) => services.rollouts.waits(db, rollout),
    }),
    reason: t.exposeString('reason', { nullable: true, description: 'Why it ended, where that needs a word.' }),
    brokenRule: t.field({
      type: brokenRule,
      nullable: true,
      description: 'The rule that it was rolled back by, and what was measured; null where it ended otherwise.',
      resolve: (rollout) => rollout.brokenRule as unknown as BrokenRule | null,
    }),
    endedBy: t.string({
      nullable: true,
      description: 'Who ended it: Millrace itself, or the name of the person or alias of the key.',
      resolve: ({ endedBy }, _args, context) => (endedBy === null ? null : actorLabel(endedBy, context)),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was started.' }),
    endedAt: t.expose('endedAt', { type: 'DateTime', nullable: true, description: 'When it ended.' }),
  }),
});

/** A page of the console shows so many. */
const shownRollouts = 20;
const longestLook = 14 * 86_400;

builder.prismaObjectFields('Endpoint', (t) => ({
  traffic: t.field({
    type: [endpointTraffic],
    complexity: 20, // it adds up many counts
    args: { seconds: t.arg.int({ defaultValue: 3600, description: 'How far back to look, 14 days at most.' }) },
    description: 'Which versions answer what share, and how each fared lately; the stable one first.',
    resolve: async ({ id: endpointId, tenantId, modelId, aliasName }, { seconds }, { db, services }) => {
      const within = Math.min(Math.max(seconds ?? 3600, 1), longestLook);
      const alias = await db.modelAlias.findUnique({ where: { tenantId_modelId_name: { tenantId, modelId, name: aliasName } } });
      const shares = await db.trafficShare.findMany({ where: { tenantId, endpointId }, orderBy: { versionId: 'asc' } });
      const counted = await services.rollouts.traffic(db, tenantId, endpointId, within);
      const others = shares.filter(({ versionId }) => versionId !== alias?.versionId);
      const lines = [
        ...(alias ? [{ versionId: alias.versionId, variant: 'STABLE' as const, percent: 100 - others.reduce((sum, { percent }) => sum + percent, 0), mirrorPercent: 0 }] : []),
        ...others.flatMap(({ versionId, percent, mirrorPercent }) => [
          ...(percent ? [{ versionId, variant: 'CANARY' as const, percent, mirrorPercent: 0 }] : []),
          ...(mirrorPercent ? [{ versionId, variant: 'SHADOW' as const, percent: 0, mirrorPercent }] : []),
        ]),
      ];
      const nothing = { requests: 0, refused: 0, errorRate: null, refusedRate: null, differingRate: null, latencyP50Ms: null, latencyP95Ms: null, latencyP99Ms: null };
      const isListed = ({ versionId, variant }: { versionId: string; variant: string }) => lines.some((line) => line.versionId === versionId && line.variant === variant);
      return [
        ...lines.map((line) => ({ ...nothing, ...counted.find(({ versionId, variant }) => versionId === line.versionId && variant === line.variant), ...line, tenantId })),
        ...counted.filter((count) => !isListed(count)).map((count) => ({ ...count, percent: 0, mirrorPercent: 0, tenantId })),
      ];
    },
  }),
  rolloutTerms: t.field({
    type: rolloutTerms,
    description: 'What its rollouts can be judged by.',
    resolve: async ({ tenantId, modelId, aliasName: name }, _args, { db }) => {
      const { task } = await db.model.findUniqueOrThrow({ where: { tenantId_id: { tenantId, id: modelId } }, select: { task: true } });
      const alias = await db.modelAlias.findUnique({ where: { tenantId_modelId_name: { tenantId, modelId, name } }, select: { version: { select: { signature: true } } } });
      return { scoreMetrics: liveMetricsOf(task, alias?.version.signature) };
    },
  }),
  rollouts: t.relation('rollouts', { description: `The latest ${shownRollouts} rollouts, newest first.`, query: { orderBy: { id: 'desc' }, take: shownRollouts } }),
}));
