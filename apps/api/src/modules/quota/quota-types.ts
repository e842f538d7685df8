import type { QuotaCounterView, UsageSummary } from '@millrace/quota';
import { builder } from '../../schema-builder.ts';

export const quotaCounterType = builder.objectRef<QuotaCounterView>('QuotaCounter').implement({
  description: 'How much of a resource the tenant may have and has.',
  fields: (t) => ({
    resource: t.exposeString('resource', { description: 'ACTIVE_RUNS (without an end: queued, running or paused) or STORAGE_BYTES.' }),
    limit: t.expose('limit', { type: 'BigInt', description: 'The most it may have.' }),
    used: t.expose('used', { type: 'BigInt', description: 'What it has, with what is held for things being made.' }),
  }),
});

export const usageSummaryType = builder.objectRef<UsageSummary>('UsageSummary').implement({
  description: 'What the ledger holds for a time.',
  fields: (t) => ({
    predictions: t.exposeInt('predictions', { description: 'Prediction requests answered.' }),
    rows: t.expose('rows', { type: 'BigInt', description: 'Rows predicted.' }),
    computeSeconds: t.exposeFloat('computeSeconds', { description: 'Seconds of training.' }),
    gpuSeconds: t.exposeFloat('gpuSeconds', { description: 'Those of them that were on a GPU.' }),
  }),
});

builder.queryFields((t) => ({
  quota: t.field({
    type: [quotaCounterType],
    authScopes: { permission: 'usage:read' },
    description: 'The tenant’s limits and what is used of them.',
    resolve: (_root, _args, { services, signedIn }) => services.quota.listCounters(signedIn),
  }),
  usage: t.field({
    type: usageSummaryType,
    authScopes: { permission: 'usage:read' },
    description: 'What the tenant used in a time.',
    args: {
      from: t.arg({ type: 'DateTime', required: true, description: 'From then on, inclusive.' }),
      to: t.arg({ type: 'DateTime', required: true, description: 'Until then, exclusive.' }),
    },
    resolve: (_root, { from, to }, { services, signedIn }) => services.quota.summariseUsage(signedIn, from, to),
  }),
}));
