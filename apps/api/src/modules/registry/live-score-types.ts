import type { LiveScore, LiveScorePoint } from '@millrace/registry';
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
    metrics: t.field({ type: [metricEstimate], description: 'The foremost first.', resolve: ({ metrics }) => metrics }),
    curve: t.field({ type: [liveScorePoint], description: 'The first metric over time, in at most 61 even parts; those without a known truth are left out.', resolve: ({ curve }) => curve }),
  }),
});

const longestLook = 400 * 86_400;

builder.prismaObjectField('Endpoint', 'liveScores', (t) =>
  t.field({
    type: [liveScore],
    complexity: 20, // it adds up many counts
    args: { seconds: t.arg.int({ defaultValue: 30 * 86_400, description: 'How far back the answers may lie, 400 days at most.' }) },
    description: 'How each version’s answers compared with the truth that feedback has told, the oldest version first.',
    resolve: async ({ id, tenantId }, { seconds }, { db, services }) => {
      const scores = await services.rollouts.liveScores(db, tenantId, id, Math.min(Math.max(seconds ?? 30 * 86_400, 1), longestLook));
      return scores.map((score) => ({ ...score, tenantId }));
    },
  }));
