import { newId } from '@millrace/kernel';
import { addModelVersion } from '../api-world.ts';
import { error, type Rows, type Stage } from './row.ts';

/** A version of Acme's that no alias points to. */
async function spareVersion({ world, acme, ours }: Stage): Promise<string> {
  const id = newId('modelVersion');
  const [{ next } = { next: 2 }] = await world.database.asOwner<{ next: number }>('SELECT max(number) + 1 AS next FROM model_versions WHERE model_id = $1', [ours.model]);
  await addModelVersion(world.database.database, acme.actor.tenantId, {
    modelId: ours.model, versionId: id, modelName: ours.modelName, number: next, datasetVersionId: ours.datasetVersion, runId: newId('run'),
  });
  return id;
}

export const registryRows: Rows = {
  'Query.models': { operation: '{ models { edges { node { id name } } } }', needs: 'model:read' },
  'Query.model': {
    operation: 'query ($id: ID!) { model(id: $id) { id name aliases { name } } }',
    needs: 'model:read',
    variables: ({ model }) => ({ id: model }),
  },
  'Query.endpoints': { operation: '{ endpoints { edges { node { id name } } } }', needs: 'model:read' },
  'Query.endpoint': {
    operation: 'query ($name: String!) { endpoint(name: $name) { id name servedVersion { number } } }',
    needs: 'model:read',
    variables: ({ endpoint }) => ({ name: endpoint }),
  },
  'Mutation.setModelAlias': {
    operation: `mutation ($model: ID!) { setModelAlias(input: { modelId: $model, alias: "challenger", versionNumber: 1 }) { ${error} } }`,
    needs: 'model:write',
    variables: ({ model }) => ({ model }),
  },
  'Mutation.deleteModelAlias': {
    operation: `mutation ($model: ID!) { deleteModelAlias(input: { modelId: $model, alias: "challenger" }) { ${error} } }`,
    needs: 'model:write',
    variables: ({ model }) => ({ model }),
  },
  'Mutation.createEndpoint': {
    operation: `mutation ($model: ID!) { createEndpoint(input: { name: "second", modelId: $model, alias: "champion" }) { ${error} } }`,
    needs: 'endpoint:write',
    variables: ({ model }) => ({ model }),
  },
  'Mutation.publishModelVersion': {
    operation: `mutation ($id: ID!) { publishModelVersion(input: { versionId: $id, endpointName: "third" }) { ${error} } }`,
    needs: 'endpoint:write',
    variables: ({ modelVersion }) => ({ id: modelVersion }),
  },
  'Query.signingKeys': { operation: '{ signingKeys { keyId publicKey } }', needs: 'model:read' },
  'Query.trustedKeys': { operation: '{ trustedKeys { keyId name } }', needs: 'model:read' },
  'Query.modelImports': { operation: '{ modelImports { edges { node { id modelName } } } }', needs: 'model:read' },
  'Query.modelImport': {
    operation: 'query ($id: ID!) { modelImport(id: $id) { id modelName filename problems { code } } }',
    needs: 'model:read',
    variables: ({ modelImport }) => ({ id: modelImport }),
  },
  'Mutation.importModel': {
    operation: `mutation ($upload: ID!) { importModel(input: { uploadId: $upload, modelName: "canary-import" }) { ${error} } }`,
    needs: 'model:write',
    variables: ({ upload }) => ({ upload }),
  },
  'Mutation.trustPackageKey': {
    operation: `mutation { trustPackageKey(input: { name: "", publicKey: "short" }) { ${error} } }`,
    needs: 'model:trust',
    succeeds: () => ({ operation: `mutation { trustPackageKey(input: { name: "canary", publicKey: "${'A'.repeat(43)}" }) { ${error} } }` }),
  },
  'Mutation.distrustPackageKey': {
    operation: `mutation ($key: String!) { distrustPackageKey(input: { keyId: $key }) { ${error} } }`,
    needs: 'model:trust',
    variables: ({ trustedKey }) => ({ key: trustedKey }),
  },
  'Query.versionComparison': {
    operation: 'query ($id: ID!) { versionComparison(leftId: $id, rightId: $id) { sameData scores { name } left { card } } }',
    needs: 'model:read',
    variables: ({ modelVersion }) => ({ id: modelVersion }),
  },
  'Query.modelLineage': {
    operation: 'query ($id: ID!) { modelLineage(modelId: $id) { nodes { id label } edges { from to } } }',
    needs: 'model:read',
    variables: ({ model }) => ({ id: model }),
  },
  'Mutation.reviewModelVersion': {
    operation: `mutation ($id: ID!) { reviewModelVersion(input: { versionId: $id, verdict: APPROVED, comment: "canary: good" }) { ${error} } }`,
    needs: 'model:approve',
    variables: ({ modelVersion }) => ({ id: modelVersion }),
  },
  'Mutation.saveModelPolicy': {
    operation: `mutation ($id: ID!) { saveModelPolicy(input: { modelId: $id, approvalRequired: false, keepVersions: 50 }) { ${error} } }`,
    needs: 'model:approve',
    variables: ({ model }) => ({ id: model }),
  },
  'Mutation.describeModel': {
    operation: `mutation ($id: ID!) { describeModel(input: { modelId: $id, tags: ["canary"] }) { ${error} } }`,
    needs: 'model:write',
    variables: ({ model }) => ({ id: model }),
  },
  'Mutation.describeModelVersion': {
    operation: `mutation ($id: ID!) { describeModelVersion(input: { versionId: $id, card: "canary" }) { ${error} } }`,
    needs: 'model:write',
    variables: ({ modelVersion }) => ({ id: modelVersion }),
  },
  'Mutation.deleteModelVersion': {
    operation: `mutation ($id: ID!) { deleteModelVersion(input: { versionId: $id }) { ${error} } }`,
    needs: 'model:write',
    variables: ({ modelVersion }) => ({ id: modelVersion }),
    succeeds: async (stage) => ({ variables: { id: await spareVersion(stage) } }),
  },
  'Mutation.predict': {
    operation: `mutation ($endpoint: String!) { predict(input: { endpoint: $endpoint, rows: [{}] }) { ${error} } }`,
    needs: 'endpoint:predict',
    variables: ({ endpoint }) => ({ endpoint }),
  },
  'Mutation.explain': {
    operation: `mutation ($endpoint: String!) { explain(input: { endpoint: $endpoint, row: {} }) { ${error} } }`,
    needs: 'endpoint:predict',
    variables: ({ endpoint }) => ({ endpoint }),
  },
  'Mutation.startRollout': {
    operation: `mutation ($endpoint: String!, $version: Int = 1) { startRollout(input: { endpointName: $endpoint, versionNumber: $version, bakeSeconds: 60 }) { ${error} } }`,
    needs: 'endpoint:write',
    variables: ({ endpoint }) => ({ endpoint }),
    succeeds: async (stage) => ({ variables: { endpoint: await endpointOfTwo(stage), version: 2 } }),
  },
  'Mutation.promoteRollout': {
    operation: `mutation ($endpoint: String!) { promoteRollout(input: { endpointName: $endpoint }) { ${error} } }`,
    needs: 'endpoint:write',
    variables: ({ endpoint }) => ({ endpoint }),
    succeeds: async (stage) => ({ variables: { endpoint: await endpointOfTwo(stage, 'rolling out') } }),
  },
  'Mutation.setEndpointTraffic': {
    operation: `mutation ($endpoint: String!) { setEndpointTraffic(input: { endpointName: $endpoint, traffic: [{ versionNumber: 1, percent: 100 }] }) { ${error} } }`,
    needs: 'endpoint:write',
    variables: ({ endpoint }) => ({ endpoint }),
  },
  'Mutation.updateEndpointServing': {
    operation: `mutation ($endpoint: String!) { updateEndpointServing(input: { endpointName: $endpoint, maxBatchRows: 64 }) { ${error} } }`,
    needs: 'endpoint:write',
    variables: ({ endpoint }) => ({ endpoint }),
  },
  'Mutation.setEndpointWebhook': {
    operation: `mutation ($endpoint: String!) { setEndpointWebhook(input: { endpointName: $endpoint, url: null }) { ${error} } }`,
    needs: 'endpoint:write',
    variables: ({ endpoint }) => ({ endpoint }),
  },
  'Mutation.rollBackEndpoint': {
    operation: `mutation ($endpoint: String!) { rollBackEndpoint(input: { endpointName: $endpoint }) { ${error} } }`,
    needs: 'endpoint:write',
    variables: ({ endpoint }) => ({ endpoint }),
    succeeds: async (stage) => ({ variables: { endpoint: await endpointOfTwo(stage, 'rolling out') } }),
  },
  'Query.webhookSecrets': { operation: '{ webhookSecrets { id createdBy } }', needs: 'key:read' },
  'Query.webhookDeliveries': { operation: '{ webhookDeliveries { edges { node { id predictionId receiver } } } }', needs: 'key:read' },
  'Query.failingWebhookReceivers': { operation: '{ failingWebhookReceivers { receiver } }', needs: 'key:read' },
  'Mutation.rotateWebhookSecret': {
    operation: `mutation { rotateWebhookSecret(input: { overlapSeconds: -1 }) { ${error} } }`,
    needs: 'key:write',
    succeeds: () => ({ operation: `mutation { rotateWebhookSecret(input: { overlapSeconds: 60 }) { ${error} } }` }),
  },
  'Mutation.resendWebhookDelivery': {
    operation: `mutation ($id: ID!) { resendWebhookDelivery(input: { id: $id }) { ${error} } }`,
    needs: 'key:write',
    variables: ({ delivery }) => ({ id: delivery }),
  },
  'Mutation.resumeWebhookReceiver': {
    operation: `mutation ($receiver: String!) { resumeWebhookReceiver(input: { receiver: $receiver }) { ${error} } }`,
    needs: 'key:write',
    variables: ({ receiver }) => ({ receiver }),
  },
  'Query.asyncPredictions': { operation: '{ asyncPredictions { edges { node { id endpointName actorLabel } } } }', needs: 'usage:read' },
  'Query.asyncPrediction': {
    operation: 'query ($id: ID!) { asyncPrediction(id: $id) { id endpointName } }',
    needs: 'usage:read',
    variables: ({ madePrediction }) => ({ id: madePrediction }),
  },
  'Query.asyncPredictionContent': {
    operation: 'query ($id: ID!) { asyncPredictionContent(id: $id) { input output error webhook } }',
    needs: 'endpoint:predict',
    variables: ({ madePrediction }) => ({ id: madePrediction }),
  },
  'Mutation.cancelAsyncPrediction': {
    operation: `mutation ($id: ID!) { cancelAsyncPrediction(input: { id: $id }) { ${error} } }`,
    needs: 'endpoint:predict',
    variables: ({ prediction }) => ({ id: prediction }),
  },
  'Mutation.deleteEndpoint': {
    operation: `mutation ($name: String!) { deleteEndpoint(input: { name: $name }) { ${error} } }`,
    needs: 'endpoint:write',
    variables: ({ endpoint }) => ({ name: endpoint }),
  },
};

/** The name of an endpoint that serves the first of two versions of a model of its own. */
async function endpointOfTwo({ world, acme, ours }: Stage, state?: 'rolling out'): Promise<string> {
  const modelId = newId('model');
  const name = `canary-${modelId.slice(-8)}`;
  const ids = [newId('modelVersion'), newId('modelVersion')];
  for (const [index, versionId] of ids.entries()) {
    await addModelVersion(world.database.database, acme.actor.tenantId, {
      modelId, versionId, modelName: name, number: index + 1, datasetVersionId: ours.datasetVersion, runId: newId('run'),
    });
  }
  await world.graphql('mutation ($id: ID!, $name: String!) { publishModelVersion(input: { versionId: $id, endpointName: $name }) { __typename } }', { id: ids[0], name }, acme.token);
  if (state) await world.graphql('mutation ($name: String!) { startRollout(input: { endpointName: $name, versionNumber: 2 }) { __typename } }', { name }, acme.token);
  return name;
}
