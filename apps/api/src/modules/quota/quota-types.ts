import type { QuotaCounterView, TableLimits, UsageSummary } from '@millrace/quota';
import { builder } from '../../schema-builder.ts';

export const quotaCounterType = builder.objectRef<QuotaCounterView>('QuotaCounter').implement({
  description: 'How much of a resource the tenant may have and has.',
  fields: (t) => ({
    resource: t.exposeString('resource', { description: 'ACTIVE_RUNS (without an end: queued, running or paused) or STORAGE_BYTES.' }),
    limit: t.expose('limit', { type: 'BigInt', description: 'The most it may have.' }),
    used: t.expose('used', { type: 'BigInt', description: 'What it has, with what is held for things being made.' }),
  }),
});

/** What GraphQL's Int holds. */
const mostInt = 2 ** 31 - 1;

export const usageSummaryType = builder.objectRef<UsageSummary>('UsageSummary').implement({
  description: 'What the ledger holds for a time.',
  fields: (t) => ({
    predictions: t.int({
      description: 'Prediction requests answered; 2147483647 also where they are more: `usageReport` has them all.',
      resolve: ({ predictions }) => Math.min(predictions, mostInt),
    }),
    rows: t.expose('rows', { type: 'BigInt', description: 'Rows predicted.' }),
    computeSeconds: t.exposeFloat('computeSeconds', { description: 'Seconds of training.' }),
    gpuSeconds: t.exposeFloat('gpuSeconds', { description: 'Those of them that were on a GPU.' }),
  }),
});

export const tableLimitsType = builder.objectRef<TableLimits>('TableLimits').implement({
  description: 'How large one table of a tenant may be. Part of its plan.',
  fields: (t) => ({
    rows: t.exposeInt('rows', { description: 'The most rows of one data set version.' }),
    columns: t.exposeInt('columns', { description: 'The most columns.' }),
    fileMb: t.exposeInt('fileMb', { nullable: true, description: 'The most of one uploaded file, in units of 1 000 000 bytes; null for what the server takes.' }),
  }),
});

builder.queryFields((t) => ({
  tableLimits: t.field({
    type: tableLimitsType,
    authScopes: { permission: 'usage:read' },
    description: 'How large one table of the tenant may be.',
    resolve: (_root, _args, { services, signedIn }) => services.quota.showTableLimits(signedIn),
  }),
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
