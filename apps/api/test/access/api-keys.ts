import { error, type Rows } from './row.ts';

export const apiKeysRows: Rows = {
  'Query.apiKeys': { operation: '{ apiKeys { edges { node { id alias } } } }', needs: 'key:read' },
  'Mutation.createApiKey': {
    operation: `mutation { createApiKey(input: { alias: "", scopes: [] }) { ${error} } }`,
    needs: 'key:write',
    succeeds: () => ({ operation: `mutation { createApiKey(input: { alias: "another", scopes: [READ] }) { ${error} } }` }),
  },
  'Mutation.updateApiKey': {
    operation: `mutation ($id: ID!) { updateApiKey(input: { id: $id, rpmLimit: 600 }) { ${error} } }`,
    needs: 'key:write',
    variables: ({ apiKey }) => ({ id: apiKey }),
  },
  'Mutation.rotateApiKey': {
    operation: `mutation ($id: ID!) { rotateApiKey(input: { id: $id, overlapSeconds: 60 }) { ${error} } }`,
    needs: 'key:write',
    variables: ({ apiKey }) => ({ id: apiKey }),
  },
  'Mutation.revokeApiKey': {
    operation: `mutation ($id: ID!) { revokeApiKey(input: { id: $id }) { ${error} } }`,
    needs: 'key:write',
    variables: ({ apiKey }) => ({ id: apiKey }),
  },
};
