import { z } from 'zod';

const nearestNeighboursSchema = z
  .strictObject({
    family: z.literal('knn'),
    k: z.int().min(1).max(10_000).default(5).meta({ title: 'k', description: 'How many neighbours decide.' }),
    weights: z.enum(['uniform', 'distance']).default('uniform').meta({
      title: 'Weights',
      description: 'uniform: every neighbour counts the same; distance: nearer ones count more (1/d).',
    }),
    scaling: z.enum(['standard', 'none']).default('standard').meta({
      title: 'Scaling',
      description:
        'standard: every number counts alike, whatever its unit; none: numbers count as they are, right when all share a unit.',
    }),
  })
  .meta({ title: 'k-nearest neighbours' });

const denseSchema = z
  .strictObject({
    family: z.literal('dense'),
    hiddenLayers: z.array(z.int().min(1).max(4096)).max(16).default([64, 32]).meta({
      title: 'Hidden layers',
      description: 'Units of each hidden layer, first to last. None gives a linear (logistic) model.',
    }),
    activation: z.enum(['relu', 'tanh', 'sigmoid', 'elu']).default('relu').meta({
      title: 'Activation',
      description: 'Between the layers.',
    }),
  })
  .meta({ title: 'Dense network' });

/** One candidate of a training configuration: a family and its hyper-parameters. */
export const modelSchema = z.discriminatedUnion('family', [nearestNeighboursSchema, denseSchema]).meta({ title: 'Model' });

export type ModelSettings = z.output<typeof modelSchema>;
export type ModelFamily = ModelSettings['family'];
export type NearestNeighboursSettings = Extract<ModelSettings, { family: 'knn' }>;
export type DenseSettings = Extract<ModelSettings, { family: 'dense' }>;

/** What a person is told about a family, and its hyper-parameters as JSON Schema. */
export interface FamilyDescription {
  title: string;
  description: string;
  /** Whether it learns in epochs, and so reports a loss curve and obeys `trainer`. */
  learnsByEpochs: boolean;
  parameters: Record<string, unknown>;
}

/** The model families, by the name that a training configuration uses. */
export const families: Record<ModelFamily, FamilyDescription> = {
  knn: {
    title: 'k-nearest neighbours',
    description: 'Predicts from the k most similar training rows. Strong on small data; keeps all training rows.',
    learnsByEpochs: false,
    parameters: z.toJSONSchema(nearestNeighboursSchema, { io: 'input' }),
  },
  dense: {
    title: 'Dense network',
    description: 'Layers of weighted sums, trained by gradient descent on cross-entropy (classes) or squared error (numbers).',
    learnsByEpochs: true,
    parameters: z.toJSONSchema(denseSchema, { io: 'input' }),
  },
};

/** Settings of a family with its defaults filled in. Throws on what the family does not know: for settings made by code. */
export function completeSettings(settings: { family: ModelFamily } & Record<string, unknown>): ModelSettings {
  return modelSchema.parse(settings);
}
