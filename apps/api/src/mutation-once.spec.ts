import { getNamedType, isObjectType, isUnionType } from 'graphql';
import { secretFields, secretMutations } from './mutation-once.ts';
import { schema } from './schema.ts';

/** Texts that payloads hold themselves and that are no secrets. A new one belongs here, or among the secret fields. */
const harmless = new Set(['message', 'url', 'domain', 'name', 'keyId', 'requestId', 'predictionId', 'receiver']);

it('every text in the payload of a mutation is known to be a secret or not to be one', () => {
  const texts = new Set<string>();
  for (const { type } of Object.values(schema.getMutationType()!.getFields())) {
    const payload = getNamedType(type);
    for (const outcome of isUnionType(payload) ? payload.getTypes() : [payload]) {
      if (!isObjectType(outcome) || outcome.name.endsWith('Error')) continue;
      for (const field of Object.values(outcome.getFields())) if (getNamedType(field.type).name === 'String') texts.add(field.name);
    }
  }
  expect([...texts].filter((name) => !harmless.has(name) && !secretFields.has(name))).toEqual([]);
});

it('mutations that show a secret are told apart from those that do not', () => {
  expect([...secretMutations()].sort()).toEqual([
    'acceptInvitation', 'beginSecondFactor', 'confirmSecondFactor', 'createApiKey', 'createPasswordReset', 'createTenant', 'inviteMember', 'refreshSession', 'rotateApiKey', 'rotateWebhookSecret', 'setUp', 'signIn', 'switchTenant', 'useAccessGrant',
  ]);
});
