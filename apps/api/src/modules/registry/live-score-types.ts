import { type FeedbackSender, type LiveScore, type LiveScorePoint, readFeedbackSenders } from '@millrace/registry';
import { actorLabel } from '../auth/actor-label.ts';
import { builder } from '../../schema-builder.ts';

const metricEstimate = builder.objectRef<LiveScore['metrics'][number]>('LiveMetric').implement({
  description: 'One metric of a version over the rows whose truth is known.',
  fields: (t) => ({
    name: t.exposeString('metric', { description: 'As the metrics of a version name it.' }),
    value: t.exposeFloat('value', { nullable: true, description: 'Null where it is undefined.' }),
    lower: t.exposeFloat('lower', { nullable: true, description: 'Lower end of the interval that holds it in 95 of 100 cases; null where none is known for the metric.' }),
    upper: t.exposeFloat('upper', { nullable: true, description: 'Upper end of it.' }),
    atTraining: t.exposeFloat('atTraining', { nullable: true, description: 'What the version had on its test rows.' }),
  }),
});

const liveScorePoint = builder.objectRef<LiveScorePoint>('LiveScorePoint').implement({
  description: 'The first metric over a part of the time looked at.',
  fields: (t) => ({
    from: t.expose('from', { type: 'DateTime', description: 'Where the part begins.' }),
    to: t.expose('to', { type: 'DateTime', description: 'Where it ends: at the next one, or now.' }),
    labelledRows: t.exposeInt('labelledRows', { description: 'Rows in it whose truth is known.' }),
    value: t.exposeFloat('value', { nullable: true, description: 'Null where it is undefined.' }),
  }),
});

const liveScore = builder.objectRef<LiveScore & { tenantId: string }>('LiveScore').implement({
  description: 'How the answers of a version compared with the truth, as far as it was sent.',
  fields: (t) => ({
    version: t.prismaField({
      type: 'ModelVersion',
      description: 'The version.',
      resolve: (query, { versionId: id }, _args, { db, tenantId }) => db.modelVersion.findUniqueOrThrow({ ...query, where: { tenantId_id: { tenantId, id } } }),
    }),
    labelledRows: t.exposeInt('labelledRows', { description: 'Rows whose truth is known.' }),
    trustedRows: t.exposeInt('trustedRows', { description: 'Those of them whose truth a rollout counts: sent by somebody with the permission endpoint:feedback.' }),
    undecidedRows: t.exposeInt('undecidedRows', { description: 'Of a remaining life: those of them that had not ended and were last looked at before their horizon. They say nothing of the answer.' }),
    metrics: t.field({ type: [metricEstimate], description: 'The foremost first.', resolve: ({ metrics }) => metrics }),
    curve: t.field({ type: [liveScorePoint], description: 'The first metric over time, in at most 61 even parts; those without a known truth are left out.', resolve: ({ curve }) => curve }),
  }),
});

const feedbackSender = builder.objectRef<FeedbackSender>('FeedbackSender').implement({
  description: 'Somebody who has sent truths about an endpoint’s predictions.',
  fields: (t) => ({
    sender: t.exposeString('sender', { description: 'Person or key, with its id.' }),
    senderLabel: t.string({ description: 'Name of the person or alias of the key.', resolve: ({ sender }, _args, context) => actorLabel(sender, context) }),
    isTrusted: t.exposeBoolean('isTrusted', { description: 'Whether rollouts count what they sent: they had the permission endpoint:feedback when they sent it, as keys with the scope FEEDBACK have.' }),
    predictions: t.exposeInt('predictions', { description: 'Predictions that are kept and whose truth is theirs.' }),
    lastSource: t.exposeString('lastSource', { nullable: true, description: 'Where the truth that they sent last comes from, in their own words.' }),
    lastAt: t.expose('lastAt', { type: 'DateTime', description: 'When they last sent one.' }),
  }),
});

const longestLook = 400 * 86_400;

const usualLook = 30 * 86_400;
const lookOf = (seconds: number | null | undefined): number => Math.min(Math.max(seconds ?? usualLook, 1), longestLook);

builder.prismaObjectFields('Endpoint', (t) => ({
  recordingStoppedAt: t.expose('recordingStoppedAt', {
    type: 'DateTime', nullable: true, description: 'Since when answers are not kept although recordDays says so, since the tenant’s storage is full (STORAGE_BYTES); null while they are.',
  }),
  liveScores: t.field({
    type: [liveScore],
    complexity: 20, // it adds up many counts
    args: {
      seconds: t.arg.int({ defaultValue: usualLook, description: 'How far back the answers may lie, 400 days at most.' }),
      trustedOnly: t.arg.boolean({ defaultValue: false, description: 'Only by the truths that rollouts count.' }),
    },
    description: 'How each version’s answers compared with the truth that feedback has told, the oldest version first.',
    resolve: async ({ id, tenantId }, { seconds, trustedOnly }, { db, services }) => {
      const scores = await services.rollouts.liveScores(db, tenantId, id, lookOf(seconds), trustedOnly ?? false);
      return scores.map((score) => ({ ...score, tenantId }));
    },
  }),
  feedbackSenders: t.field({
    type: [feedbackSender],
    complexity: 20,
    args: { seconds: t.arg.int({ defaultValue: usualLook, description: 'How far back the predictions may lie.' }) },
    description: 'Who has told the truth about predictions that are still kept, the latest first; 50 at most.',
    resolve: ({ id: endpointId, tenantId }, { seconds }, { db }) => readFeedbackSenders(db, { tenantId, endpointId, since: new Date(Date.now() - lookOf(seconds) * 1000) }),
  }),
}));
