import { irisSpec } from '../api-world.ts';
import { error, type Rows } from './row.ts';

export const trainingRows: Rows = {
  'Query.runs': { operation: '{ runs { edges { node { id modelName } } } }', needs: 'run:read' },
  'Query.run': {
    operation: 'query ($id: ID!) { run(id: $id) { id modelName events { type } metrics { epoch } trials { number } queuePosition queue { position estimatedStart waitsFor reason } limits { memoryMb minutes } } }',
    needs: 'run:read',
    variables: ({ run }) => ({ id: run }),
  },
  'Query.trainingLimits': { operation: '{ trainingLimits { weight runningRuns computeSecondsPerMonth runMemoryMb runMinutes } }', needs: 'run:read' },
  'Query.trainingConfigurationSchema': { operation: '{ trainingConfigurationSchema }', needs: 'signed-in' },
  'Mutation.submitRun': {
    operation: `mutation ($version: ID!, $spec: JSON!) { submitRun(input: { datasetVersionId: $version, modelName: "m", spec: $spec }) { ${error} } }`,
    needs: 'run:submit',
    variables: ({ datasetVersion }) => ({ version: datasetVersion, spec: irisSpec }),
  },
  'Mutation.cancelRun': {
    operation: `mutation ($id: ID!) { cancelRun(input: { id: $id }) { ${error} } }`,
    needs: 'run:cancel',
    variables: ({ run }) => ({ id: run }),
  },
  'Mutation.pauseRun': {
    operation: `mutation ($id: ID!) { pauseRun(input: { id: $id }) { ${error} } }`,
    needs: 'run:cancel',
    variables: ({ run }) => ({ id: run }),
  },
  'Mutation.resumeRun': {
    operation: `mutation ($id: ID!) { resumeRun(input: { id: $id }) { ${error} } }`,
    needs: 'run:cancel',
    variables: ({ run }) => ({ id: run }),
    succeeds: async ({ world, acme, ours: { run } }) => {
      await world.graphql('mutation ($id: ID!) { pauseRun(input: { id: $id }) { __typename } }', { id: run }, acme.token);
      return { variables: { id: run } };
    },
  },
  'Subscription.runProgress': {
    operation: 'subscription ($id: ID!) { runProgress(id: $id) { run { id modelName } } }',
    needs: 'run:read',
    variables: ({ run }) => ({ id: run }),
  },
};
