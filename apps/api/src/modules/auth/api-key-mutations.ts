import { DomainError, isId } from '@millrace/kernel';
import { invalidInput, invalidInputError, nameOf, notFound, notFoundError } from '../../error-types.ts';
import { builder } from '../../schema-builder.ts';
import { apiKeyScopeEnum } from './api-key-types.ts';

const createApiKeySuccess = builder
  .objectRef<{ __typename: 'CreateApiKeySuccess'; apiKeyId: string; key: string }>('CreateApiKeySuccess')
  .implement({
    description: 'The key was made.',
    fields: (t) => ({
      key: t.exposeString('key', { description: 'Its text: in this answer and nowhere else. Keep it safe.' }),
      apiKey: t.prismaField({
        type: 'ApiKey',
        description: 'What is known of it from now on.',
        resolve: (query, { apiKeyId: id }, _args, { db, tenantId }) =>
          db.apiKey.findUniqueOrThrow({ ...query, where: { tenantId_id: { tenantId, id } } }),
      }),
    }),
  });

const createApiKeyPayload = builder.unionType('CreateApiKeyPayload', {
  description: 'Outcomes of createApiKey.',
  types: [createApiKeySuccess, invalidInputError],
  resolveType: nameOf,
});

const createApiKeyInput = builder.inputType('CreateApiKeyInput', {
  description: 'A key to be made.',
  fields: (t) => ({
    alias: t.string({ required: true, description: 'What it is for: 1 to 80 characters.' }),
    scopes: t.field({ type: [apiKeyScopeEnum], required: true, description: 'What it may do; no more than you may do yourself.' }),
    models: t.stringList({ description: 'Names of the endpoints that it may call; none means all.' }),
    expiresAt: t.field({ type: 'DateTime', description: 'When it stops working; null for never.' }),
  }),
});

const revokeApiKeySuccess = builder.objectRef<{ __typename: 'RevokeApiKeySuccess'; apiKeyId: string }>('RevokeApiKeySuccess').implement({
  description: 'The key is worthless within a second.',
  fields: (t) => ({
    apiKey: t.prismaField({
      type: 'ApiKey',
      description: 'The key.',
      resolve: (query, { apiKeyId: id }, _args, { db, tenantId }) =>
        db.apiKey.findUniqueOrThrow({ ...query, where: { tenantId_id: { tenantId, id } } }),
    }),
  }),
});

const revokeApiKeyPayload = builder.unionType('RevokeApiKeyPayload', {
  description: 'Outcomes of revokeApiKey.',
  types: [revokeApiKeySuccess, notFoundError],
  resolveType: nameOf,
});

const revokeApiKeyInput = builder.inputType('RevokeApiKeyInput', {
  description: 'A key to be revoked.',
  fields: (t) => ({ id: t.id({ required: true, description: 'key_…' }) }),
});

builder.mutationFields((t) => ({
  createApiKey: t.field({
    type: createApiKeyPayload,
    action: 'key.create',
    authScopes: { permission: 'key:write' },
    description: 'Makes an API key and shows its text once.',
    args: { input: t.arg({ type: createApiKeyInput, required: true, description: 'The key.' }) },
    resolve: async (_root, { input: { alias, scopes, models, expiresAt } }, { services, signedIn }) => {
      const outcome = await services.auth.keys.create(signedIn, { alias, scopes, models: models ?? [], expiresAt: expiresAt ?? null });
      if (outcome.type === 'invalid') return invalidInput(outcome.problems);
      return { __typename: 'CreateApiKeySuccess' as const, apiKeyId: outcome.apiKey.id, key: outcome.key };
    },
  }),
  revokeApiKey: t.field({
    type: revokeApiKeyPayload,
    action: 'key.revoke',
    authScopes: { permission: 'key:write' },
    description: 'Makes an API key worthless. Revoking it twice is no error.',
    args: { input: t.arg({ type: revokeApiKeyInput, required: true, description: 'The key.' }) },
    resolve: async (_root, { input: { id } }, { services, signedIn }) => {
      try {
        const apiKey = isId('apiKey', id) ? await services.auth.keys.revoke(signedIn, id) : null;
        return apiKey ? { __typename: 'RevokeApiKeySuccess' as const, apiKeyId: apiKey.id } : notFound('API key', 'id');
      } catch (error) {
        if (error instanceof DomainError && error.code === 'NOT_FOUND') return notFound('API key', 'id');
        throw error;
      }
    },
  }),
}));
