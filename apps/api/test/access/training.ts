import { irisSpec } from '../api-world.ts';
import { error, type Rows, type Stage } from './row.ts';

/** Others may have ended that of the stage. */
async function queuedRun({ world, acme, ours }: Stage): Promise<string> {
  const { data } = await world.graphql(
    'mutation ($version: ID!, $spec: JSON!) { submitRun(input: { datasetVersionId: $version, modelName: "m", spec: $spec }) { ... on SubmitRunSuccess { run { id } } } }',
    { version: ours.datasetVersion, spec: irisSpec },
    acme.token,
  );
  return data!['submitRun'].run.id;
}

export const trainingRows: Rows = {
  'Query.runs': { operation: '{ runs { edges { node { id modelName } } } }', needs: 'run:read' },
  'Query.run': {
    operation: 'query ($id: ID!) { run(id: $id) { id modelName events { type } metrics { epoch } trials { number } queuePosition queue { position estimatedStart waitsFor reason } limits { memoryMb minutes } optimisation { target steps base { id } } } }',
    needs: 'run:read',
    variables: ({ run }) => ({ id: run }),
  },
  'Query.trainingLimits': { operation: '{ trainingLimits { weight runningRuns computeSecondsPerMonth runMemoryMb runMinutes } }', needs: 'run:read' },
  'Query.trainingConfigurationSchema': { operation: '{ trainingConfigurationSchema }', needs: 'signed-in' },
  'Query.trainingConfiguration': { operation: '{ trainingConfiguration(spec: "models: 1") { yaml problems { field message } } }', needs: 'signed-in' },
  'Mutation.submitRun': {
    operation: `mutation ($version: ID!, $spec: JSON!) { submitRun(input: { datasetVersionId: $version, modelName: "m", spec: $spec }) { ${error} } }`,
    needs: 'run:submit',
    variables: ({ datasetVersion }) => ({ version: datasetVersion, spec: irisSpec }),
  },
  'Mutation.optimizeModel': {
    operation: `mutation ($id: ID!) { optimizeModel(input: { modelVersionId: $id, target: SIZE, maxLoss: 1 }) { ${error} } }`,
    needs: 'run:submit',
    variables: ({ modelVersion }) => ({ id: modelVersion }),
  },
  'Mutation.compressModel': {
    operation: `mutation ($id: ID!) { compressModel(input: { modelVersionId: $id, steps: [{ method: CONDENSE, keep: 0.5 }] }) { ${error} } }`,
    needs: 'run:submit',
    variables: ({ modelVersion }) => ({ id: modelVersion }),
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
    succeeds: async (stage) => ({ variables: { id: await queuedRun(stage) } }),
  },
  'Mutation.resumeRun': {
    operation: `mutation ($id: ID!) { resumeRun(input: { id: $id }) { ${error} } }`,
    needs: 'run:cancel',
    variables: ({ run }) => ({ id: run }),
    succeeds: async (stage) => {
      const id = await queuedRun(stage);
      await stage.world.graphql('mutation ($id: ID!) { pauseRun(input: { id: $id }) { __typename } }', { id }, stage.acme.token);
      return { variables: { id } };
    },
  },
  'Subscription.runProgress': {
    operation: 'subscription ($id: ID!) { runProgress(id: $id) { run { id modelName } } }',
    needs: 'run:read',
    variables: ({ run }) => ({ id: run }),
  },
};
