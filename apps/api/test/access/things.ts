import { newId } from '@millrace/kernel';
import { addAsyncPredictions } from '../async-predictions.ts';
import { addModelVersion, irisSpec, type Member, type World } from '../api-world.ts';
import type { Things } from './row.ts';

/** What the rows of the table ask for, all of one tenant. Every text of it holds the word canary. */
export async function makeThings(world: World, acme: Member, operator: Member): Promise<Things> {
  const { datasetId, versionId, uploadId } = await world.iris(acme.token, 'canary data');
  const submitted = await world.graphql(
    `mutation ($input: SubmitRunInput!) { submitRun(input: $input) { ... on SubmitRunSuccess { run { id } } } }`,
    { input: { datasetVersionId: versionId, modelName: 'canary-model', spec: irisSpec } },
    acme.token,
  );
  const model = newId('model');
  const modelVersion = newId('modelVersion');
  await addModelVersion(world.database.database, acme.actor.tenantId, {
    modelId: model, versionId: modelVersion, modelName: 'canary-model', datasetVersionId: versionId, runId: newId('run'),
  });
  await world.graphql(
    'mutation ($id: ID!) { publishModelVersion(input: { versionId: $id, endpointName: "canary-endpoint" }) { __typename } }',
    { id: modelVersion },
    acme.token,
  );
  const imported = await world.graphql(
    'mutation ($id: ID!) { importModel(input: { uploadId: $id, modelName: "canary-import" }) { ... on ImportModelSuccess { modelImport { id } } } }',
    { id: uploadId },
    acme.token,
  );
  const trusted = await world.graphql(
    `mutation { trustPackageKey(input: { name: "canary", publicKey: "${'B'.repeat(43)}" }) { ... on TrustPackageKeySuccess { key { keyId } } } }`,
    {},
    acme.token,
  );
  const apiKeys = await world.graphql('{ apiKeys { edges { node { id } } } }', {}, acme.token);
  const claimed = await world.graphql(
    'mutation { claimDomain(input: { domain: "canary.example" }) { ... on ClaimDomainSuccess { domainClaim { id } } } }',
    {},
    acme.token,
  );
  const viewer = await world.member(acme.actor.tenantId, 'VIEWER');
  const invited = await world.graphql(
    'mutation { inviteMember(input: { email: "invited@canary.test", role: VIEWER }) { ... on InviteMemberSuccess { invitation { id } } } }',
    {},
    acme.token,
  );
  const granted = await world.graphql(
    `mutation ($id: ID!) { takeAccessGrant(input: { tenantId: $id, role: ADMIN, reason: "a canary does not sing", hours: 1 }) { ... on TakeAccessGrantSuccess { grant { id } } } }`,
    { id: acme.actor.tenantId },
    operator.token,
  );
  const apiKey: string = apiKeys.data!['apiKeys'].edges[0].node.id;
  const limited = await world.graphql(
    `mutation ($id: String!) { setUsageLimit(input: { scope: KEY, subject: $id, measure: REQUESTS, period: MONTH, limit: "1000" }) { ... on SetUsageLimitSuccess { limit { id } } } }`,
    { id: apiKey },
    acme.token,
  );
  const managedTenant = (await world.tenant('managed')).actor.tenantId;
  const managed = await world.graphql(
    `mutation ($id: ID!) { setTenantUsageLimit(input: { tenantId: $id, measure: REQUESTS, period: MONTH, limit: "1000" }) { ... on SetTenantUsageLimitSuccess { limit { id } } } }`,
    { id: managedTenant },
    operator.token,
  );
  const predictions = await addAsyncPredictions(world.database.database, acme.actor, 'canary-endpoint', 'canary');
  return {
    tenant: acme.actor.tenantId,
    dataset: datasetId,
    datasetVersion: versionId,
    upload: uploadId,
    run: submitted.data!['submitRun'].run.id,
    model,
    modelVersion,
    modelName: 'canary-model',
    modelImport: imported.data!['importModel'].modelImport.id,
    trustedKey: trusted.data!['trustPackageKey'].key.keyId,
    endpoint: 'canary-endpoint',
    apiKey,
    prediction: predictions.waiting,
    madePrediction: predictions.succeeded,
    delivery: predictions.delivery,
    receiver: predictions.receiver,
    domainClaim: claimed.data!['claimDomain'].domainClaim.id,
    person: viewer.actor.personId,
    session: (await world.member(acme.actor.tenantId, 'VIEWER')).actor.sessionId,
    invitation: invited.data!['inviteMember'].invitation.id,
    grant: granted.data!['takeAccessGrant'].grant.id,
    managedTenant,
    usageLimit: limited.data!['setUsageLimit'].limit.id,
    managedLimit: managed.data!['setTenantUsageLimit'].limit.id,
  };
}

/** Ids and names of the same shape that nobody has. */
export function nobodysThings(): Things {
  return {
    tenant: newId('tenant'),
    dataset: newId('dataset'),
    datasetVersion: newId('datasetVersion'),
    upload: newId('upload'),
    run: newId('run'),
    model: newId('model'),
    modelVersion: newId('modelVersion'),
    modelName: 'missing-model',
    modelImport: newId('modelImport'),
    trustedKey: '0123456789abcdef',
    endpoint: 'missing-endpoint',
    apiKey: newId('apiKey'),
    prediction: newId('prediction'),
    madePrediction: newId('prediction'),
    delivery: newId('webhookDelivery'),
    receiver: 'https://missing.test',
    domainClaim: newId('domainClaim'),
    person: newId('person'),
    session: newId('session'),
    invitation: newId('invitation'),
    grant: newId('accessGrant'),
    managedTenant: newId('tenant'),
    usageLimit: newId('usageLimit'),
    managedLimit: newId('usageLimit'),
  };
}
