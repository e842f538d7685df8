import { irisSpec } from '../api-world.ts';
import { error, type Rows } from './row.ts';

export const trainingRows: Rows = {
  'Query.runs': { operation: '{ runs { edges { node { id modelName } } } }', needs: 'run:read' },
  'Query.run': {
    operation: 'query ($id: ID!) { run(id: $id) { id modelName events { type } metrics { epoch } trials { number } queuePosition } }',
    needs: 'run:read',
    variables: ({ run }) => ({ id: run }),
  },
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
  'Subscription.runProgress': {
    operation: 'subscription ($id: ID!) { runProgress(id: $id) { run { id modelName } } }',
    needs: 'run:read',
    variables: ({ run }) => ({ id: run }),
  },
};
