import type { UsageDimension, UsageLine, UsageReport } from '@millrace/quota';
import { DomainError } from '@millrace/kernel';
import { builder } from '../../schema-builder.ts';

const dimensionEnum = builder.enumType('UsageDimension', {
  description: 'By what usage is told apart.',
  values: {
    HOUR: { description: 'The hour, in UTC.' },
    DAY: { description: 'The day, in UTC.' },
    ACTOR: { description: 'The key or person.' },
    ENDPOINT: { description: 'The endpoint that was called.' },
    MODEL_VERSION: { description: 'The version that answered.' },
  } satisfies Record<UsageDimension, object>,
});

const lineType = builder.objectRef<UsageLine>('UsageLine').implement({
  description: 'Usage of one of each of the dimensions that were asked for.',
  fields: (t) => ({
    time: t.expose('time', { type: 'DateTime', nullable: true, description: 'When the hour or day began; null if not told apart.' }),
    actor: t.exposeString('actor', { nullable: true, description: 'key:key_… or person:per_…; null if not told apart.' }),
    actorLabel: t.exposeString('actorLabel', { nullable: true, description: 'Alias of the key or name of the person, where there still is one.' }),
    endpoint: t.exposeString('endpoint', { nullable: true, description: 'Name of the endpoint, its id where it is gone; null for training, or if not told apart.' }),
    modelVersionId: t.exposeString('modelVersionId', { nullable: true, description: 'ver_…; null for training, or if not told apart.' }),
    predictions: t.expose('predictions', { type: 'BigInt', description: 'Prediction requests answered.' }),
    rows: t.expose('rows', { type: 'BigInt', description: 'Rows predicted.' }),
    costUnits: t.exposeFloat('costUnits', { description: 'What is billed: one unit a predicted row, and for an explanation one for each hundred evaluations of the model begun.' }),
    computeSeconds: t.exposeFloat('computeSeconds', { description: 'Seconds of training.' }),
    gpuSeconds: t.exposeFloat('gpuSeconds', { description: 'Those of them that were on a GPU.' }),
  }),
});

builder.queryField('usageReport', (t) =>
  t.field({
    type: [lineType],
    authScopes: { permission: 'usage:read' },
    complexity: 100,
    description: 'What the tenant used, by the hour and finer: at most 400 days and 20,000 lines. GET /usage/export gives the same as CSV or JSON.',
    args: {
      from: t.arg({ type: 'DateTime', required: true, description: 'From the beginning of that hour on.' }),
      to: t.arg({ type: 'DateTime', required: true, description: 'Until then, exclusive; hours that begin before it count whole.' }),
      by: t.arg({ type: [dimensionEnum], required: true, description: 'What is told apart; nothing for one line in all.' }),
    },
    resolve: async (_root, request, { services, signedIn }) => linesOf(await services.quota.reportUsage(signedIn, request)),
  }),
);

/** @throws DomainError INVALID */
export function linesOf(report: UsageReport): UsageLine[] {
  if (report.type === 'report') return report.lines;
  const { field, message, remedy } = report.problems[0]!;
  throw new DomainError('INVALID', message, { field, remedy });
}

