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
  .meta({
    title: 'Baseline',
    description: 'Answers every row alike, with the class shares or an average. What any other model must beat; every run adds it.',
  });

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
  .meta({
    title: 'Linear model',
    description: 'A weighted sum of the inputs: ridge regression for numbers, logistic regression for classes. Small, fast, easy to explain.',
  });

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
  .meta({
    title: 'k-nearest neighbours',
    description: 'Predicts from the k most similar training rows. Strong on small data; keeps all training rows.',
  });

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
  .meta({
    title: 'Dense network',
    description: 'Layers of weighted sums, trained by gradient descent on cross-entropy (classes) or squared error (numbers).',
  });

const numLeaves = z.int().min(2).max(131_072);
const maxDepth = z.int().min(1).max(64).optional().meta({ title: 'Depth', description: 'Questions from the root to a leaf, at most. Empty: no limit.' });
const minDataInLeaf = z.int().min(1).max(1_000_000);
const maxBin = z.int().min(2).max(255).default(255).meta({
  title: 'Bins',
  description: 'Different values that a number is told apart by; more are grouped into bins of equally many rows.',
});
const treeClassWeight = z.enum(['none', 'balanced']).default('none').meta({
  title: 'Class weights',
  description: 'balanced: the rows of each class weigh as much as those of every other, however few they are.',
});
const columnNames = z.array(z.string().min(1).max(256)).max(10_000).default([]);
const monotoneConstraints = z
  .strictObject({
    increasing: columnNames.meta({ title: 'Rising with', description: 'Columns with which the prediction may only rise.' }),
    decreasing: columnNames.meta({ title: 'Falling with', description: 'Columns with which the prediction may only fall.' }),
  })
  .prefault({})
  .meta({ title: 'Monotone constraints', description: 'For numbers and two classes (the probability of the second in the order of the classes).' });

export const boostedTreesSchema = z
  .strictObject({
    family: z.literal('boosted_trees'),
    numIterations: z.int().min(1).max(10_000).default(100).meta({ title: 'Iterations', description: 'Trees one after another; with three classes or more, one for each class.' }),
    learningRate: z.number().positive().max(1).default(0.1).meta({ title: 'Learning rate', description: 'What each tree contributes. Half the rate wants twice the iterations.' }),
    numLeaves: numLeaves.default(31).meta({ title: 'Leaves', description: 'Of a tree, at most.' }),
    maxDepth,
    minDataInLeaf: minDataInLeaf.default(10).meta({ title: 'Rows in a leaf', description: 'At least; more against learning by heart. A quarter of the training rows where that is fewer.' }),
    minSumHessianInLeaf: z.number().min(0).max(1e6).default(0.001).meta({ title: 'Hessian in a leaf', description: 'Sum of second derivatives, at least.' }),
    lambdaL1: z.number().min(0).max(1e6).default(0).meta({ title: 'L1', description: 'Shrinks the values of leaves by a fixed amount.' }),
    lambdaL2: z.number().min(0).max(1e6).default(0).meta({ title: 'L2', description: 'Shrinks the values of leaves with few rows.' }),
    minGainToSplit: z.number().min(0).max(1e6).default(0).meta({ title: 'Gain of a split', description: 'At least.' }),
    featureFraction: z.number().positive().max(1).default(1).meta({ title: 'Feature share', description: 'Of the features, drawn anew for each tree.' }),
    baggingFraction: z.number().positive().max(1).default(0.8).meta({ title: 'Row share', description: 'Of the rows, drawn for each tree.' }),
    baggingFreq: z.int().min(1).max(10_000).default(1).meta({ title: 'Redraw after', description: 'Iterations for which drawn rows are kept.' }),
    maxBin,
    earlyStoppingRounds: z.int().min(0).max(10_000).default(0).meta({
      title: 'Early stop',
      description: 'Stops after so many iterations without a better validation loss, then learns again from all training rows for the best number of iterations. 0: never.',
    }),
    loss: z.enum(['squared', 'absolute']).default('squared').meta({ title: 'Loss of numbers', description: 'absolute follows the median, and outliers less. Classes always use the log loss.' }),
    classWeight: treeClassWeight,
    monotoneConstraints,
  })
  .meta({
    title: 'Boosted trees',
    description: 'Small trees, each mending what the ones before left over. The usual best on tables; takes gaps and categories as they are.',
  });

const randomForestSchema = z
  .strictObject({
    family: z.literal('random_forest'),
    numTrees: z.int().min(1).max(10_000).default(100).meta({ title: 'Trees' }),
    maxFeatures: z.enum(['auto', 'sqrt', 'log2', 'third', 'all']).default('auto').meta({
      title: 'Features per split',
      description: 'How many each split chooses among. auto: sqrt for classes, all for numbers.',
    }),
    numLeaves: numLeaves.default(4096).meta({ title: 'Leaves', description: 'Of a tree, at most.' }),
    maxDepth,
    minDataInLeaf: minDataInLeaf.default(1).meta({ title: 'Rows in a leaf', description: 'At least; more makes a smaller and smoother model.' }),
    minGainToSplit: z.number().min(0).max(1e6).default(0).meta({ title: 'Gain of a split', description: 'At least.' }),
    baggingFraction: z.number().positive().max(1).default(1).meta({ title: 'Row share', description: 'Rows drawn for each tree, as a share of all.' }),
    bootstrap: z.boolean().default(true).meta({ title: 'Draw with replacement', description: 'Off: a row is drawn once at most.' }),
    maxBin,
    classWeight: treeClassWeight,
    monotoneConstraints,
  })
  .meta({
    title: 'Random forest',
    description: 'The mean of many large trees on drawn rows. Hard to get wrong; takes gaps and categories as they are.',
  });

const augmentationSchema = z
  .strictObject({
    flipHorizontal: z.boolean().default(false).meta({ title: 'Mirror left and right', description: 'Right where a part may lie either way; wrong for writing.' }),
    flipVertical: z.boolean().default(false).meta({ title: 'Mirror top and bottom' }),
    shift: z.number().min(0).max(0.5).default(0.08).meta({ title: 'Shift', description: 'Up to this share of the side, in both directions.' }),
    rotation: z.number().min(0).max(180).default(8).meta({ title: 'Rotation (degrees)', description: 'Up to so many, either way.' }),
    brightness: z.number().min(0).max(0.9).default(0.1).meta({ title: 'Brightness', description: 'Up to this share lighter or darker.' }),
  })
  .meta({ title: 'Augmentation', description: 'Each training step sees the pictures changed at random by this much, so that what does not matter is not learned. Never used for validation, test or serving.' });

const baseSchema = z
  .strictObject({
    model: z.string().min(1).max(200).meta({ title: 'Model', description: 'A model of the own registry that looks at pictures.' }),
    version: z.int().min(1).optional().meta({ title: 'Version', description: 'Its number.' }),
    alias: z.string().min(1).max(100).optional().meta({ title: 'Alias', description: 'Instead of a number. Default: champion.' }),
    freezeEpochs: z.int().min(0).max(100_000).default(5).meta({ title: 'Frozen epochs', description: 'For so many epochs its filters stay as they are and only the last layer learns.' }),
  });

export type BaseSettings = z.output<typeof baseSchema>;

const convolutionalSchema = z
  .strictObject({
    family: z.literal('convolutional'),
    imageSize: z.int().min(8).max(256).default(32).meta({ title: 'Picture size', description: 'Side in pixels of the square that every picture is brought to. Twice the side takes four times as long.' }),
    colour: z.enum(['auto', 'grey', 'colour']).default('auto').meta({ title: 'Colour', description: 'auto: grey where all training pictures are.' }),
    blocks: z.int().min(1).max(6).default(3).meta({ title: 'Blocks', description: 'Each halves the picture and sees twice as far.' }),
    layersPerBlock: z.int().min(1).max(3).default(1).meta({ title: 'Layers of a block', description: 'Convolutions of 3 × 3 one after another.' }),
    filters: z.int().min(4).max(128).default(16).meta({ title: 'Filters', description: 'Of the first block; each further block has twice as many, 256 at most.' }),
    batchNorm: z.boolean().default(true).meta({ title: 'Batch normalisation', description: 'Keeps the sums of each layer at mean 0 and deviation 1; lets deep networks learn faster.' }),
    dropout: z.number().min(0).max(0.9).default(0.2).meta({ title: 'Dropout', description: 'Share of what the last block found that each training step leaves out.' }),
    augmentation: augmentationSchema.prefault({}),
    base: baseSchema.nullable().default(null).meta({ title: 'Base', description: 'Begins with the filters of a model that was trained before. How many there are is as in the base; what is said of blocks, layers, filters and batch normalisation does not count.' }),
    classWeight,
    labelSmoothing: z.number().min(0).max(0.5).default(0).meta({ title: 'Label smoothing', description: 'Share of certainty that is taken from the true class and spread over all of them.' }),
  })
  .meta({ title: 'Convolutional network', description: 'Learns from pictures: small filters that find edges, then shapes, then what tells the classes apart.' });

/** One candidate of a training configuration: a family and its hyper-parameters. */
export const modelSchema = z.discriminatedUnion('family', [
  baselineSchema, linearSchema, nearestNeighboursSchema, denseSchema, boostedTreesSchema, randomForestSchema, convolutionalSchema,
]).meta({ title: 'Model' });

export type ModelSettings = z.output<typeof modelSchema>;
export type ModelFamily = ModelSettings['family'];
export type BaselineSettings = Extract<ModelSettings, { family: 'baseline' }>;
export type LinearSettings = Extract<ModelSettings, { family: 'linear' }>;
export type NearestNeighboursSettings = Extract<ModelSettings, { family: 'knn' }>;
export type DenseSettings = Extract<ModelSettings, { family: 'dense' }>;
export type BoostedTreesSettings = Extract<ModelSettings, { family: 'boosted_trees' }>;
export type ConvolutionalSettings = Extract<ModelSettings, { family: 'convolutional' }>;
export type RandomForestSettings = Extract<ModelSettings, { family: 'random_forest' }>;

/** Settings of a family with its defaults filled in. Throws on what the family does not know: for settings made by code. */
export function completeSettings(settings: { family: ModelFamily } & Record<string, unknown>): ModelSettings {
  return modelSchema.parse(settings);
}

/** Whether a model learns in epochs as the trainer says, and so may stop early on validation rows. */
export function learnsByTrainer(model: ModelSettings): boolean {
  return model.family === 'dense' || model.family === 'convolutional' || (model.family === 'linear' && model.solver === 'gradient_descent');
}
