import { error, type Rows } from './row.ts';

export const datasetsRows: Rows = {
  'Query.datasets': { operation: '{ datasets { edges { node { id name } } } }', needs: 'dataset:read' },
  'Query.dataset': {
    operation: 'query ($id: ID!) { dataset(id: $id) { id name latestVersion { columns { name } sampleRows } } }',
    needs: 'dataset:read',
    variables: ({ dataset }) => ({ id: dataset }),
  },
  'Mutation.beginUpload': {
    operation: `mutation { beginUpload(input: { filename: "a.csv" }) { ${error} } }`,
    needs: 'dataset:write',
    fails: () => ({ operation: `mutation { beginUpload(input: { filename: "" }) { ${error} } }` }),
  },
  'Mutation.createDataset': {
    operation: `mutation ($upload: ID!) { createDataset(input: { name: "second", uploadId: $upload }) { ${error} } }`,
    needs: 'dataset:write',
    variables: ({ upload }) => ({ upload }),
  },
  'Mutation.addDatasetVersion': {
    operation: `mutation ($dataset: ID!, $upload: ID!) { addDatasetVersion(input: { datasetId: $dataset, uploadId: $upload }) { ${error} } }`,
    needs: 'dataset:write',
    variables: ({ dataset, upload }) => ({ dataset, upload }),
  },
  'Mutation.appendDatasetRows': {
    operation: `mutation ($dataset: ID!, $upload: ID!) { appendDatasetRows(input: { datasetId: $dataset, uploadId: $upload }) { ${error} } }`,
    needs: 'dataset:write',
    variables: ({ dataset, upload }) => ({ dataset, upload }),
  },
  'Mutation.correctColumnTypes': {
    operation: `mutation ($dataset: ID!) { correctColumnTypes(input: { datasetId: $dataset, columnTypes: [{ name: "species", type: TEXT }] }) { ${error} } }`,
    needs: 'dataset:write',
    variables: ({ dataset }) => ({ dataset }),
  },
  'Mutation.deleteDataset': {
    operation: `mutation ($dataset: ID!) { deleteDataset(input: { id: $dataset }) { ${error} } }`,
    needs: 'dataset:write',
    variables: ({ dataset }) => ({ dataset }),
    // Acme's own is read by a run.
    succeeds: async ({ world, acme }) => ({ variables: { dataset: (await world.iris(acme.token, `spare ${Math.random()}`)).datasetId } }),
  },
};
