import { type ApiKeyState, longestOverlapSeconds } from '@millrace/auth';
import { DomainError, isId } from '@millrace/kernel';
import { conflict, conflictError, invalidInput, invalidInputError, notFound, notFoundError } from '../../error-types.ts';
import { payloadUnion } from '../../payload-union.ts';
import { builder } from '../../schema-builder.ts';
import { apiKeyScopeEnum } from './api-key-types.ts';

interface Success<Name extends string> {
  __typename: Name;
  apiKeyId: string;
}

/** With the key's text, where a secret was made. */
interface SecretSuccess<Name extends string> extends Success<Name> {
  key: string;
}

const createApiKeySuccess = builder.objectRef<SecretSuccess<'CreateApiKeySuccess'>>('CreateApiKeySuccess').implement({ description: 'The key was made.' });
const rotateApiKeySuccess = builder.objectRef<SecretSuccess<'RotateApiKeySuccess'>>('RotateApiKeySuccess').implement({ description: 'The key has a new secret.' });
for (const success of [createApiKeySuccess, rotateApiKeySuccess]) {
  builder.objectField(success, 'key', (t) => t.exposeString('key', { description: 'Its text: in this answer and nowhere else. Keep it safe.' }));
}
const updateApiKeySuccess = builder
  .objectRef<Success<'UpdateApiKeySuccess'>>('UpdateApiKeySuccess')
  .implement({ description: 'The key is changed, everywhere within a second.' });
const revokeApiKeySuccess = builder
  .objectRef<Success<'RevokeApiKeySuccess'>>('RevokeApiKeySuccess')
  .implement({ description: 'The key is worthless within a second.' });
for (const success of [createApiKeySuccess, rotateApiKeySuccess, updateApiKeySuccess, revokeApiKeySuccess]) {
  builder.objectField(success, 'apiKey', (t) =>
    t.prismaField({
      type: 'ApiKey',
      description: 'What is known of the key from now on.',
      resolve: (query, { apiKeyId: id }, _args, { db, tenantId }) =>
        db.apiKey.findUniqueOrThrow({ ...query, where: { tenantId_id: { tenantId, id } } }),
    }),
  );
}

const createApiKeyPayload = payloadUnion('createApiKey', [createApiKeySuccess, invalidInputError]);

const updateApiKeyPayload = payloadUnion('updateApiKey', [updateApiKeySuccess, invalidInputError, notFoundError, conflictError]);

const rotateApiKeyPayload = payloadUnion('rotateApiKey', [rotateApiKeySuccess, invalidInputError, notFoundError, conflictError]);

const revokeApiKeyPayload = payloadUnion('revokeApiKey', [revokeApiKeySuccess, notFoundError]);

const createApiKeyInput = builder.inputType('CreateApiKeyInput', {
  description: 'A key to be made.',
  fields: (t) => ({
    alias: t.string({ required: true, description: 'What it is for: 1 to 80 characters.' }),
    scopes: t.field({ type: [apiKeyScopeEnum], required: true, description: 'What it may do; no more than you may do yourself.' }),
    models: t.stringList({ description: 'Names of the endpoints that it may call; none means all.' }),
    addresses: t.stringList({ description: 'Addresses and networks that it may be used from, such as 203.0.113.7 or 10.0.0.0/8; none means all.' }),
    expiresAt: t.field({ type: 'DateTime', description: 'When it stops working; null for never.' }),
    rpmLimit: t.int({ description: 'Requests a minute that an inference server takes from it: 1 to 1000000; null for no limit of its own.' }),
    maxParallelRequests: t.int({ description: 'Requests under way at a time, likewise: 1 to 10000.' }),
    maxBudget: t.float({ description: 'Cost units (one a row) that it may use up: 0 to 10^12; null for no budget.' }),
    softBudget: t.float({ description: 'From here on answers say that the budget comes to its end; null for no such notice.' }),
    budgetDuration: t.string({ description: '1d, 7d or 30d: then the budget begins anew; null for never.' }),
    metadata: t.field({ type: 'JSON', description: 'Your own notes on it: a JSON object of at most 4096 bytes.' }),
  }),
});

const updateApiKeyInput = builder.inputType('UpdateApiKeyInput', {
  description: 'What is to be other with a key. What is left out stays as it is; its scopes never change.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'key_…' }),
    alias: t.string({ description: 'What it is for: 1 to 80 characters.' }),
    models: t.stringList({ description: 'Names of the endpoints that it may call; an empty list means all.' }),
    addresses: t.stringList({ description: 'Addresses and networks that it may be used from; an empty list means all.' }),
    expiresAt: t.field({ type: 'DateTime', description: 'When it stops working; null for never.' }),
    blocked: t.boolean({ description: 'true puts it out of use, false back into use.' }),
    rpmLimit: t.int({ description: 'Requests a minute: 1 to 1000000; null for no limit of its own.' }),
    maxParallelRequests: t.int({ description: 'Requests under way at a time: 1 to 10000; null for no limit of its own.' }),
    maxBudget: t.float({ description: 'Cost units (one a row) that it may use up: 0 to 10^12; null for no budget.' }),
    softBudget: t.float({ description: 'From here on answers say that the budget comes to its end; null for no such notice.' }),
    budgetDuration: t.string({ description: '1d, 7d or 30d: then the budget begins anew; null for never. Another one begins it anew at once.' }),
    metadata: t.field({ type: 'JSON', description: 'Your own notes on it, all of them anew: a JSON object of at most 4096 bytes.' }),
  }),
});

const rotateApiKeyInput = builder.inputType('RotateApiKeyInput', {
  description: 'A key that is to get a new secret.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'key_…' }),
    overlapSeconds: t.int({
      required: true,
      description: `So long the secret of now works as well: 0 to ${longestOverlapSeconds}. One from before it, of an earlier rotation, ends at once.`,
    }),
  }),
});

const revokeApiKeyInput = builder.inputType('RevokeApiKeyInput', {
  description: 'A key to be revoked.',
  fields: (t) => ({ id: t.id({ required: true, description: 'key_…' }) }),
});

/** What a verb says of a key, or that there is none: this tenant's, another's and none at all are told alike. */
async function ofKey<Outcome>(id: string, verb: () => Promise<Outcome>): Promise<Outcome | ReturnType<typeof notFound>> {
  if (!isId('apiKey', id)) return notFound('API key', 'id');
  try {
    return await verb();
  } catch (error) {
    if (error instanceof DomainError && error.code === 'NOT_FOUND') return notFound('API key', 'id');
    throw error;
  }
}

function ended(state: Extract<ApiKeyState, 'EXPIRED' | 'REVOKED'>) {
  return state === 'REVOKED'
    ? conflict('api_key_revoked', 'id', 'This key is revoked.', 'Make a new one.')
    : conflict('api_key_expired', 'id', 'This key has expired.', 'Give it a later expiry first, or make a new one.');
}

/** For what has no meaning as null: left out. */
const unlessNull = <Name extends string, Value>(name: Name, value: Value | null | undefined) =>
  (value == null ? {} : { [name]: value }) as { [Key in Name]?: Value };
/** For what null takes away. */
const unlessLeftOut = <Name extends string, Value>(name: Name, value: Value | undefined) =>
  (value === undefined ? {} : { [name]: value }) as { [Key in Name]?: Value };

builder.mutationFields((t) => ({
  createApiKey: t.field({
    type: createApiKeyPayload,
    action: 'key.create',
    authScopes: { permission: 'key:write' },
    description: 'Makes an API key and shows its text once.',
    args: { input: t.arg({ type: createApiKeyInput, required: true, description: 'The key.' }) },
    resolve: async (_root, { input }, { services, signedIn }) => {
      const { alias, scopes, models, addresses, expiresAt = null, rpmLimit = null, maxParallelRequests = null, maxBudget = null, softBudget = null, budgetDuration = null, metadata } = input;
      const outcome = await services.auth.keys.create(signedIn, {
        alias,
        scopes,
        expiresAt,
        rpmLimit,
        maxParallelRequests,
        maxBudget,
        softBudget,
        budgetDuration,
        ...unlessNull('models', models),
        ...unlessNull('addresses', addresses),
        ...unlessNull('metadata', metadata as Record<string, unknown> | null | undefined),
      });
      if (outcome.type === 'invalid') return invalidInput(outcome.problems);
      return { __typename: 'CreateApiKeySuccess' as const, apiKeyId: outcome.apiKey.id, key: outcome.key };
    },
  }),
  updateApiKey: t.field({
    type: updateApiKeyPayload,
    action: 'key.update',
    authScopes: { permission: 'key:write' },
    description: 'Changes what an API key may do and where, blocks or unblocks it.',
    args: { input: t.arg({ type: updateApiKeyInput, required: true, description: 'The key and its changes.' }) },
    resolve: async (_root, { input }, { services, signedIn }) => {
      const { id, alias, models, addresses, expiresAt, blocked, rpmLimit, maxParallelRequests, maxBudget, softBudget, budgetDuration, metadata } = input;
      const outcome = await ofKey(id, () =>
        services.auth.keys.update(signedIn, id, {
          ...unlessNull('alias', alias),
          ...unlessNull('models', models),
          ...unlessNull('addresses', addresses),
          ...unlessLeftOut('expiresAt', expiresAt),
          ...unlessNull('blocked', blocked),
          ...unlessLeftOut('rpmLimit', rpmLimit),
          ...unlessLeftOut('maxParallelRequests', maxParallelRequests),
          ...unlessLeftOut('maxBudget', maxBudget),
          ...unlessLeftOut('softBudget', softBudget),
          ...unlessLeftOut('budgetDuration', budgetDuration),
          ...unlessNull('metadata', metadata as Record<string, unknown> | null | undefined),
        }),
      );
      if ('__typename' in outcome) return outcome;
      if (outcome.type === 'invalid') return invalidInput(outcome.problems);
      if (outcome.type === 'ended') return ended(outcome.state);
      return { __typename: 'UpdateApiKeySuccess' as const, apiKeyId: id };
    },
  }),
  rotateApiKey: t.field({
    type: rotateApiKeyPayload,
    action: 'key.rotate',
    authScopes: { permission: 'key:write' },
    description: 'Gives an API key a new secret and shows its text once. The secret before it stays good for a while, in which its users change over.',
    args: { input: t.arg({ type: rotateApiKeyInput, required: true, description: 'The key, and for how long both secrets work.' }) },
    resolve: async (_root, { input: { id, overlapSeconds } }, { services, signedIn }) => {
      const outcome = await ofKey(id, () => services.auth.keys.rotate(signedIn, id, { overlapSeconds }));
      if ('__typename' in outcome) return outcome;
      if (outcome.type === 'invalid') return invalidInput(outcome.problems);
      if (outcome.type === 'ended') return ended(outcome.state);
      return { __typename: 'RotateApiKeySuccess' as const, apiKeyId: id, key: outcome.key };
    },
  }),
  revokeApiKey: t.field({
    type: revokeApiKeyPayload,
    action: 'key.revoke',
    authScopes: { permission: 'key:write' },
    description: 'Makes an API key worthless. Revoking it twice is no error.',
    args: { input: t.arg({ type: revokeApiKeyInput, required: true, description: 'The key.' }) },
    resolve: async (_root, { input: { id } }, { services, signedIn }) => {
      const outcome = await ofKey(id, () => services.auth.keys.revoke(signedIn, id));
      return '__typename' in outcome ? outcome : { __typename: 'RevokeApiKeySuccess' as const, apiKeyId: id };
    },
  }),
}));
