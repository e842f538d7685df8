import { z } from 'zod';
import { modelSchema } from './families.ts';
import { forecastSchema } from './forecast.ts';
import type { SpecProblem } from './spec-problem.ts';
import { readYaml } from './training-yaml.ts';

const featureType = z.enum(['number', 'category', 'binary']).meta({
  title: 'Type',
  description: 'How the column is used: as a quantity, as one of several values, or as one of two values.',
});

const columnName = z.string().min(1).max(256).meta({ title: 'Column', description: 'Name of a column of the data set.' });

const inputFeatureSchema = z.strictObject({ name: columnName, type: featureType }).meta({ title: 'Input feature' });

const outputFeatureSchema = z
  .strictObject({
    name: columnName,
    type: featureType.meta({
      title: 'Type',
      description: 'number asks for a regression; category and binary ask for a classification.',
    }),
    positiveClass: z.string().optional().meta({
      title: 'Positive class',
      description: 'With two classes: the one that precision, recall and F1 are about. Default: the rarer one.',
    }),
  })
  .meta({ title: 'Target' });

const splitSchema = z
  .strictObject({
    type: z.enum(['random', 'stratified']).optional().meta({
      title: 'Kind',
      description: 'stratified keeps the share of every class. Default: stratified for classes, random for numbers.',
    }),
    trainFraction: z.number().min(0.05).max(0.95).default(0.8).meta({
      title: 'Training share',
      description: 'Share of the rows to learn from; the rest is the test set, which only the final score sees.',
    }),
    validationFraction: z.number().min(0.05).max(0.5).default(0.15).meta({
      title: 'Validation share',
      description:
        'Share of the training rows held back to stop early or to compare models. Nothing is held back when neither is asked for.',
    }),
    seed: z.int().min(0).max(2 ** 32 - 1).default(0).meta({
      title: 'Seed',
      description: 'The same seed gives the same split, initial weights and order of rows.',
    }),
  })
  .meta({ title: 'Split' });

const regularizationSchema = z
  .strictObject({
    l1: z.number().min(0).max(100).default(0).meta({ title: 'L1', description: 'Adds l1 · Σ|w| to the loss.' }),
    l2: z.number().min(0).max(100).default(0).meta({ title: 'L2', description: 'Adds l2 · Σw² to the loss.' }),
  })
  .meta({ title: 'Regularisation', description: 'Penalties on the kernels of a network (not on its biases).' });

const earlyStopSchema = z
  .strictObject({
    patience: z.int().min(1).max(10_000).default(15).meta({
      title: 'Patience',
      description: 'Stop after so many epochs without a better validation loss; the best weights are kept.',
    }),
    minDelta: z.number().min(0).max(1e6).default(0).meta({
      title: 'Smallest improvement',
      description: 'A validation loss counts as better only if it is lower by more than this.',
    }),
  })
  .meta({ title: 'Early stop' });

const trainerSchema = z
  .strictObject({
    epochs: z.int().min(1).max(100_000).default(100).meta({ title: 'Epochs', description: 'Passes over the training rows, at most.' }),
    batchSize: z.int().min(1).max(65_536).default(32).meta({ title: 'Batch size', description: 'Rows per gradient step.' }),
    optimizer: z.enum(['sgd', 'momentum', 'adam', 'rmsprop']).default('adam').meta({ title: 'Optimiser' }),
    learningRate: z.number().positive().max(1000).default(0.003).meta({ title: 'Learning rate', description: 'Size of a gradient step.' }),
    regularization: regularizationSchema.prefault({}),
    earlyStop: earlyStopSchema.nullable().prefault({}).meta({
      title: 'Early stop',
      description: 'null trains for all epochs and keeps the last weights.',
    }),
  })
  .meta({ title: 'Trainer', description: 'How networks are trained. Models that do not learn by epochs ignore it.' });

/** Metrics that a selection may name. `direction` says which way is better. */
export const selectionMetrics = {
  accuracy: { task: 'classification', direction: 'higher' },
  balancedAccuracy: { task: 'classification', direction: 'higher' },
  precision: { task: 'classification', direction: 'higher' },
  recall: { task: 'classification', direction: 'higher' },
  f1: { task: 'classification', direction: 'higher' },
  rocAuc: { task: 'classification', direction: 'higher' },
  logLoss: { task: 'classification', direction: 'lower' },
  rmse: { task: 'regression', direction: 'lower' },
  mae: { task: 'regression', direction: 'lower' },
  r2: { task: 'regression', direction: 'higher' },
  mase: { task: 'forecasting', direction: 'lower' },
  smape: { task: 'forecasting', direction: 'lower' },
} as const;

export type SelectionMetric = keyof typeof selectionMetrics;

const selectionSchema = z
  .strictObject({
    metric: z.enum(Object.keys(selectionMetrics) as [SelectionMetric, ...SelectionMetric[]]).optional().meta({
      title: 'Metric',
      description: 'What the best model is best at. Default: f1 for classes, rmse for numbers, mase for forecasts.',
    }),
  })
  .meta({ title: 'Selection' });

/** The training configuration. Unknown keys are refused; what is left out gets a default that works. */
export const trainingSpecSchema = z
  .strictObject({
    inputFeatures: z.array(inputFeatureSchema).max(10_000).meta({
      title: 'Input features',
      description: 'The columns to predict from. Their order is the order in which a model expects them.',
    }),
    outputFeatures: z.array(outputFeatureSchema).length(1).meta({
      title: 'Output features',
      description: 'The column to predict: exactly one.',
    }),
    split: splitSchema.prefault({}),
    models: z.array(modelSchema).min(1).max(50).prefault([{ family: 'dense' }]).meta({
      title: 'Models',
      description: 'The candidates. Each is trained; the best by the selection metric is marked.',
    }),
    trainer: trainerSchema.prefault({}),
    forecast: forecastSchema.optional(),
    selection: selectionSchema.prefault({}),
  })
  .check(({ value, issues }) => {
    if (value.inputFeatures.length > 0 || value.forecast) return;
    issues.push({ code: 'too_small', origin: 'array', minimum: 1, inclusive: true, path: ['inputFeatures'], input: value.inputFeatures });
  })
  .meta({ title: 'Training configuration' });

/** A training configuration with its defaults filled in. */
export type TrainingSpec = z.output<typeof trainingSpecSchema>;
export type TrainerSettings = TrainingSpec['trainer'];

/** The same schema as JSON Schema (draft 2020-12), for forms, editors and other languages. */
export const trainingSpecJsonSchema: Record<string, unknown> = z.toJSONSchema(trainingSpecSchema, { io: 'input' });

/**
 * Reads a training configuration from untrusted input, filling in the defaults: an object, or the same as YAML text. Every
 * problem is reported, not only the first; `field` is a path such as `models[0].k`, and of a text the line is told as well.
 */
export function parseTrainingSpec(
  input: unknown,
): { type: 'valid'; spec: TrainingSpec } | { type: 'invalid'; problems: SpecProblem[] } {
  const text = typeof input === 'string' ? readYaml(input) : null;
  if (text?.type === 'invalid') return text;
  const parsed = trainingSpecSchema.safeParse(text ? text.value : input);
  if (parsed.success) return { type: 'valid', spec: parsed.data };
  const problems = parsed.error.issues.flatMap((issue) => {
    const line = text?.lineOf(issue.path) ?? null;
    return problemsOfIssue(issue).map((problem) => (line === null ? problem : { ...problem, message: `Line ${line}: ${problem.message}` }));
  });
  return { type: 'invalid', problems };
}

type Issue = z.core.$ZodIssue;

function problemsOfIssue(issue: Issue): SpecProblem[] {
  const field = fieldOf(issue.path);
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({
        field: fieldOf([...issue.path, key]),
        message: 'This setting does not exist.',
        remedy: 'Remove it, or check its spelling.',
      }));
    case 'invalid_type': {
      const expected = issue.expected === 'int' ? 'whole number' : issue.expected;
      // The library tells a missing value from a wrong one in its text only.
      const message = issue.message.endsWith('received undefined') ? 'A value is missing.' : 'The value has the wrong type.';
      return [{ field, message, remedy: `Give a value of type ${expected}.` }];
    }
    case 'too_small':
      return [{ field, message: 'The value is too small.', remedy: boundRemedy(issue.origin, 'at least', issue.minimum, issue) }];
    case 'too_big':
      return [{ field, message: 'The value is too large.', remedy: boundRemedy(issue.origin, 'at most', issue.maximum, issue) }];
    case 'invalid_value':
      return [{ field, message: 'This value is not known.', remedy: `Give one of: ${issue.values.map(String).join(', ')}.` }];
    case 'invalid_union': {
      const options = 'options' in issue && Array.isArray(issue.options) ? issue.options.map(String).join(', ') : '';
      return [{ field, message: 'This value is not known.', remedy: options ? `Give one of: ${options}.` : 'See the schema.' }];
    }
    default:
      return [{ field, message: issue.message, remedy: 'See the schema for what is allowed here.' }];
  }
}

function boundRemedy(
  origin: string,
  words: 'at least' | 'at most',
  bound: number | bigint,
  issue: { inclusive?: boolean; exact?: boolean },
): string {
  const unit = origin === 'array' ? ' entries' : origin === 'string' ? ' characters' : '';
  if (issue.exact) return `Give exactly ${bound}${unit}.`;
  if (issue.inclusive === false) return `Give a value ${words === 'at least' ? 'above' : 'below'} ${bound}.`;
  return `Give ${words} ${bound}${unit}.`;
}

function fieldOf(path: readonly PropertyKey[]): string {
  if (path.length === 0) return '(configuration)';
  return path.map((key, at) => (typeof key === 'number' ? `[${key}]` : `${at === 0 ? '' : '.'}${String(key)}`)).join('');
}
