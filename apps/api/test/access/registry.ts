import { error, type Rows } from './row.ts';

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
  'Mutation.predict': {
    operation: `mutation ($endpoint: String!) { predict(input: { endpoint: $endpoint, rows: [{}] }) { ${error} } }`,
    needs: 'endpoint:predict',
    variables: ({ endpoint }) => ({ endpoint }),
  },
  'Mutation.startRollout': {
    operation: `mutation ($endpoint: String!) { startRollout(input: { endpointName: $endpoint, versionNumber: 2, bakeSeconds: 60 }) { ${error} } }`,
    needs: 'endpoint:write',
    variables: ({ endpoint }) => ({ endpoint }),
  },
  'Mutation.promoteRollout': {
    operation: `mutation ($endpoint: String!) { promoteRollout(input: { endpointName: $endpoint }) { ${error} } }`,
    needs: 'endpoint:write',
    variables: ({ endpoint }) => ({ endpoint }),
  },
  'Mutation.setEndpointTraffic': {
    operation: `mutation ($endpoint: String!) { setEndpointTraffic(input: { endpointName: $endpoint, traffic: [{ versionNumber: 1, percent: 50 }, { versionNumber: 2, percent: 50 }] }) { ${error} } }`,
    needs: 'endpoint:write',
    variables: ({ endpoint }) => ({ endpoint }),
  },
  'Mutation.rollBackEndpoint': {
    operation: `mutation ($endpoint: String!) { rollBackEndpoint(input: { endpointName: $endpoint }) { ${error} } }`,
    needs: 'endpoint:write',
    variables: ({ endpoint }) => ({ endpoint }),
  },
  'Mutation.deleteEndpoint': {
    operation: `mutation ($name: String!) { deleteEndpoint(input: { name: $name }) { ${error} } }`,
    needs: 'endpoint:write',
    variables: ({ endpoint }) => ({ name: endpoint }),
  },
};
