import { z } from 'zod';

const classWeight = z
  .union([z.enum(['none', 'balanced']), z.record(z.string(), z.number().positive().max(1e6))])
  .default('none')
  .meta({
    title: 'Class weights',
    description: 'How much a row of each class counts. balanced: rare classes count more, so that all count alike; or a number for each class.',
  });

const baselineSchema = z
  .strictObject({
    family: z.literal('baseline'),
    average: z.enum(['mean', 'median']).default('mean').meta({
      title: 'Average',
      description: 'The number that every row is answered with. Classes are answered with their shares, whichever is chosen.',
    }),
  })
  .meta({ title: 'Baseline' });

const linearSchema = z
  .strictObject({
    family: z.literal('linear'),
    solver: z.enum(['auto', 'closed_form', 'lbfgs', 'proximal_gradient', 'gradient_descent']).default('auto').meta({
      title: 'Solver',
      description:
        'auto: closed_form for numbers, lbfgs for classes, proximal_gradient where L1 is above 0. gradient_descent learns in epochs, as the trainer says.',
    }),
    l1: z.number().min(0).max(1e9).default(0).meta({
      title: 'L1',
      description: 'Adds l1 · Σ|w| to the summed loss; drives coefficients to exactly 0. For classes it is 1/C of other programs.',
    }),
    l2: z.number().min(0).max(1e9).default(1).meta({
      title: 'L2',
      description: 'Adds l2 · ½Σw² to the summed loss. For classes it is 1/C of other programs, for numbers the alpha of a ridge regression.',
    }),
    scaling: z.enum(['standard', 'none']).default('standard').meta({
      title: 'Scaling',
      description: 'standard: every number is penalised alike, whatever its unit; none: numbers are taken as they are.',
    }),
    classWeight,
  })
  .meta({ title: 'Linear model' });

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
    hiddenLayers: z.array(z.int().min(1).max(4096)).max(16).default([128, 64]).meta({
      title: 'Hidden layers',
      description: 'Units of each hidden layer, first to last. None gives a linear (logistic) model.',
    }),
    activation: z.enum(['relu', 'tanh', 'sigmoid', 'elu']).default('relu').meta({
      title: 'Activation',
      description: 'Between the layers.',
    }),
    batchNorm: z.boolean().default(false).meta({
      title: 'Batch normalisation',
      description: 'Keeps the sums of each hidden layer at mean 0 and deviation 1; lets deep networks learn faster.',
    }),
    dropout: z.number().min(0).max(0.9).default(0).meta({
      title: 'Dropout',
      description: 'Share of the hidden units that each training step leaves out, against learning rows by heart.',
    }),
    residual: z.boolean().default(false).meta({
      title: 'Residual',
      description: 'A hidden layer as wide as the one before adds to what that one gives, instead of replacing it.',
    }),
    embedAbove: z.int().min(2).max(1000).default(20).meta({
      title: 'Embed above',
      description: 'A category with more values than this is learned as a few numbers for each value, instead of one input each.',
    }),
    classWeight,
    labelSmoothing: z.number().min(0).max(0.5).default(0).meta({
      title: 'Label smoothing',
      description: 'Share of certainty that is taken from the true class and spread over all of them.',
    }),
  })
  .meta({ title: 'Dense network' });

/** One candidate of a training configuration: a family and its hyper-parameters. */
export const modelSchema = z.discriminatedUnion('family', [
  baselineSchema, linearSchema, nearestNeighboursSchema, denseSchema,
]).meta({ title: 'Model' });

export type ModelSettings = z.output<typeof modelSchema>;
export type ModelFamily = ModelSettings['family'];
export type BaselineSettings = Extract<ModelSettings, { family: 'baseline' }>;
export type LinearSettings = Extract<ModelSettings, { family: 'linear' }>;
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
  baseline: {
    title: 'Baseline',
    description: 'Answers every row alike, with the class shares or an average. What any other model must beat; every run adds it.',
    learnsByEpochs: false,
    parameters: z.toJSONSchema(baselineSchema, { io: 'input' }),
  },
  linear: {
    title: 'Linear model',
    description: 'A weighted sum of the inputs: ridge regression for numbers, logistic regression for classes. Small, fast, easy to explain.',
    learnsByEpochs: false,
    parameters: z.toJSONSchema(linearSchema, { io: 'input' }),
  },
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

/** Whether a model learns in epochs, and so may stop early on validation rows. */
export function learnsInEpochs(model: ModelSettings): boolean {
  return families[model.family].learnsByEpochs || (model.family === 'linear' && model.solver === 'gradient_descent');
}
