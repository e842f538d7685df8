import { type ApiKeyState, apiKeyState, budgetWindow } from '@millrace/auth';
import { databaseEnums } from '@millrace/database';
import type { KeySpend, KeyWithBudget, UsageSummary } from '@millrace/quota';
import { createBatch } from '../../batch.ts';
import type { RequestContext } from '../../request-context.ts';
import { usageSummaryType } from '../quota/quota-types.ts';
import { builder, pageComplexity, pageLimit } from '../../schema-builder.ts';

export const apiKeyScopeEnum = builder.enumType(databaseEnums.ApiKeyScope, {
  name: 'ApiKeyScope',
  description: 'What a key may do: PREDICT calls endpoints, FEEDBACK sends truths that rules of rollouts count, READ reads everything, TRAIN also uploads and trains, ADMIN does what an administrator does.',
});

const apiKeyStateEnum = builder.enumType('ApiKeyState', {
  description: 'Whether a key can be used.',
  values: {
    ACTIVE: { description: 'It works.' },
    BLOCKED: { description: 'Put out of use until it is unblocked.' },
    EXPIRED: { description: 'Its time is over; a later expiry revives it.' },
    REVOKED: { description: 'Worthless for good.' },
  } satisfies Record<ApiKeyState, object>,
});

/** By the names of the keys as actors. */
const usageThisMonth = createBatch<string, UsageSummary>((names, { services, signedIn }) => {
  const now = new Date();
  const monthBegan = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth()));
  // A minute ahead: an inference server's clock may be.
  return services.quota.summariseUsageOf(signedIn, names, monthBegan, new Date(now.getTime() + 60_000));
});

const spends = createBatch<KeyWithBudget, KeySpend>((keys, { services, signedIn }) =>
  services.quota.spendOf(signedIn, keys).then((byId) => new Map(keys.map((key) => [key, byId.get(key.id)!]))),
);
const spendOf = async ({ id, budgetDuration, createdAt }: KeyWithBudget, context: RequestContext): Promise<KeySpend> =>
  (await spends({ id, budgetDuration, createdAt }, context))!;

builder.prismaNode('ApiKey', {
  id: { field: 'id', description: 'key_…' },
  nullable: true,
  findUnique: (id, context) => ({ tenantId_id: { tenantId: context.tenantId, id } }),
  description: 'A partner’s or machine’s credential. Its text was shown once, when it was made.',
  fields: (t) => ({
    alias: t.exposeString('alias', { description: 'What it is for.' }),
    scopes: t.expose('scopes', { type: [apiKeyScopeEnum], description: 'What it may do.' }),
    models: t.exposeStringList('models', { description: 'Names of the endpoints that it may call; empty means all.' }),
    addresses: t.exposeStringList('addresses', { description: 'Addresses and networks (CIDR) that it may be used from; empty means all.' }),
    state: t.field({ type: apiKeyStateEnum, description: 'Whether it can be used at this moment.', resolve: (key) => apiKeyState(key, new Date()) }),
    blocked: t.exposeBoolean('blocked', { description: 'Whether it is put out of use for a while.' }),
    rpmLimit: t.exposeInt('rpmLimit', { nullable: true, description: 'Requests a minute that an inference server takes from it; null for no limit of its own.' }),
    maxParallelRequests: t.exposeInt('maxParallelRequests', { nullable: true, description: 'Requests under way at a time, likewise.' }),
    maxBudget: t.exposeFloat('maxBudget', { nullable: true, description: 'Cost units (one a row) that it may use up; null for no budget.' }),
    softBudget: t.exposeFloat('softBudget', { nullable: true, description: 'From here on answers say that the budget comes to its end.' }),
    budgetDuration: t.exposeString('budgetDuration', { nullable: true, description: '1d, 7d or 30d since it was made: then the budget begins anew; null for never.' }),
    budgetResetAt: t.field({ type: 'DateTime', nullable: true, description: 'When the budget begins anew; null for never.', resolve: ({ budgetDuration, createdAt }) => budgetWindow(budgetDuration, createdAt, new Date()).to }),
    spend: t.float({ description: 'Cost units that it has used up since its budget began, by the ledger, which is a few seconds behind.', resolve: async (key, _args, context) => (await spendOf(key, context)).spend }),
    metadata: t.expose('metadata', { type: 'JSON', description: 'Your own notes on it: a JSON object.' }),
    publicId: t.exposeString('publicId', { description: 'The part of its text after mr_live_, which is no secret: tells which key stands in a leak.' }),
    lastFour: t.exposeString('lastFour', { description: 'Its last four characters, to tell keys apart.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', nullable: true, description: 'When it stops working; null for never.' }),
    rotatedAt: t.expose('rotatedAt', { type: 'DateTime', nullable: true, description: 'When it last got a new secret, if it did.' }),
    previousUntil: t.expose('previousUntil', { type: 'DateTime', nullable: true, description: 'Until then the secret before the last rotation works as well; null if there was no rotation.' }),
    revokedAt: t.expose('revokedAt', { type: 'DateTime', nullable: true, description: 'When it was revoked, if it was.' }),
    lastUsedAt: t.expose('lastUsedAt', { type: 'DateTime', nullable: true, description: 'When it was last used, to the minute.' }),
    usageThisMonth: t.field({
      type: usageSummaryType,
      description: 'What it has used since the first of the month (UTC).',
      resolve: async ({ id }, _args, context) => (await usageThisMonth(`key:${id}`, context)) ?? { predictions: 0, rows: 0n, computeSeconds: 0, gpuSeconds: 0 },
    }),
  }),
});

builder.queryFields((t) => ({
  apiKeys: t.prismaConnection(
    {
      type: 'ApiKey',
      cursor: 'id',
      maxSize: pageLimit,
      complexity: pageComplexity,
      authScopes: { permission: 'key:read' },
      description: 'The API keys of the tenant, newest first, revoked ones included.',
      resolve: (query, _root, _args, { db, tenantId }) =>
        db.apiKey.findMany({ ...query, where: { tenantId }, orderBy: { id: 'desc' } }),
    },
    { name: 'ApiKeyConnection' },
    { name: 'ApiKeyEdge' },
  ),
}));
