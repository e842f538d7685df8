import { z } from 'zod';
import { anomalySchema } from './anomaly.ts';
import { compressionSchema } from './compression.ts';
import { modelSchema } from './families.ts';
import { forecastSchema } from './forecast.ts';
import { personalisationSchema } from './personalisation.ts';
import { recommendationSchema } from './recommendation.ts';
import type { SpecProblem } from './spec-problem.ts';
import { survivalSchema } from './survival.ts';
import { readYaml } from './training-yaml.ts';

const featureType = z.enum(['number', 'category', 'binary']);

const inputType = z.enum(['number', 'category', 'binary', 'date', 'image']).meta({
  title: 'Type',
  description:
    'How the column is used: as a quantity, as one of several values, as one of two values, as a point in time, of which year, month, weekday, hour and day are learned from, or as a picture.',
});

const columnName = z.string().min(1).max(256).meta({ title: 'Column', description: 'Name of a column of the data set.' });

const inputFeatureSchema = z.strictObject({ name: columnName, type: inputType }).meta({ title: 'Input feature' });

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
    type: z.enum(['random', 'stratified', 'grouped', 'time', 'fold']).optional().meta({
      title: 'Kind',
      description:
        'stratified keeps the share of every class; grouped keeps rows of one group together; time tests on the latest rows; fold tests on the rows of one value. Default: stratified for classes, random for numbers.',
    }),
    column: columnName.optional().meta({
      title: 'Split column',
      description: 'For grouped, time and fold: the column that names the group, the moment (a date or number) or the fold. Rows without a value are left aside.',
    }),
    fold: z.string().max(200).optional().meta({
      title: 'Test fold',
      description: 'For fold: the value of the column whose rows are the test set. Default: the first in order.',
    }),
    trainFraction: z.number().min(0.05).max(0.95).default(0.8).meta({
      title: 'Training share',
      description: 'Share of the rows to learn from; the rest is the test set, which only the final score sees. A split by fold ignores it.',
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
    l2: z.number().min(0).max(100).optional().meta({
      title: 'L2',
      description: 'Adds l2 · Σw² to the loss. Default: 0.6 divided by the training rows, so that more data weighs against less of it.',
    }),
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
    refit: z.boolean().optional().meta({
      title: 'Learn again',
      description:
        'Once the best epoch is known, learns again from all training rows, those held back too, for as many epochs. A search goes by its own rules.',
    }),
  })
  .meta({ title: 'Early stop' });

const scheduleSchema = z
  .strictObject({
    kind: z.enum(['constant', 'cosine', 'step', 'plateau']).default('cosine').meta({
      title: 'Schedule',
      description:
        'How the learning rate falls: cosine: to 0 over all epochs; step: by the factor every so many epochs; plateau: by the factor after so many without a better loss.',
    }),
    warmUpEpochs: z.number().min(0).max(10_000).default(0).meta({
      title: 'Warm-up',
      description: 'Epochs over which the learning rate rises from 0 at first.',
    }),
    factor: z.number().gt(0).lt(1).default(0.5).meta({ title: 'Factor', description: 'Of step and plateau.' }),
    every: z.int().min(1).max(100_000).default(10).meta({ title: 'Every', description: 'Epochs; of step and plateau.' }),
  })
  .meta({ title: 'Learning rate over time' });

const trainerSchema = z
  .strictObject({
    epochs: z.int().min(1).max(100_000).default(80).meta({ title: 'Epochs', description: 'Passes over the training rows, at most.' }),
    batchSize: z.int().min(1).max(65_536).optional().meta({
      title: 'Batch size',
      description: 'Rows per gradient step. Default: 32 for up to some 2000 rows, more for more, at most 512.',
    }),
    optimizer: z.enum(['sgd', 'momentum', 'nesterov', 'rmsprop', 'adam', 'adamw']).default('adam').meta({ title: 'Optimiser' }),
    learningRate: z.number().positive().max(1000).default(0.003).meta({ title: 'Learning rate', description: 'Size of a gradient step.' }),
    schedule: scheduleSchema.prefault({}),
    clipNorm: z.number().min(0).max(1e6).default(0).meta({
      title: 'Largest gradient',
      description: 'A longer gradient is shortened to this length; 0 leaves all as they are.',
    }),
    weightDecay: z.number().min(0).max(1).default(0.01).meta({
      title: 'Weight decay',
      description: 'Of adamw only: the share of each kernel, times the learning rate, that a step takes away.',
    }),
    averaging: z.number().min(0).max(0.9999).default(0).meta({
      title: 'Averaging',
      description: 'Share of the old in a running average of the weights, which is what is kept in the end; 0 keeps the last weights.',
    }),
    regularization: regularizationSchema.prefault({}),
    earlyStop: earlyStopSchema.nullable().default(null).meta({
      title: 'Early stop',
      description: 'Holds rows back and keeps the weights of the epoch that is best on them; null learns from all rows, for all epochs.',
    }),
  })
  .meta({ title: 'Trainer', description: 'How networks are trained. Other models ignore it.' });

/** Metrics that a selection may name. `direction` says which way is better. */
export const selectionMetrics = {
  accuracy: { task: 'classification', direction: 'higher' },
  balancedAccuracy: { task: 'classification', direction: 'higher' },
  precision: { task: 'classification', direction: 'higher' },
  recall: { task: 'classification', direction: 'higher' },
  f1: { task: 'classification', direction: 'higher' },
  rocAuc: { task: 'classification', direction: 'higher' },
  prAuc: { task: 'classification', direction: 'higher' },
  logLoss: { task: 'classification', direction: 'lower' },
  brier: { task: 'classification', direction: 'lower' },
  cost: { task: 'classification', direction: 'lower' },
  rmse: { task: 'regression', direction: 'lower' },
  mae: { task: 'regression', direction: 'lower' },
  r2: { task: 'regression', direction: 'higher' },
  mape: { task: 'regression', direction: 'lower' },
  smape: { task: 'regression', direction: 'lower' },
  mase: { task: 'forecasting', direction: 'lower' },
  ndcg: { task: 'recommendation', direction: 'higher' },
  hitRate: { task: 'recommendation', direction: 'higher' },
  recallAtN: { task: 'recommendation', direction: 'higher' },
  mrr: { task: 'recommendation', direction: 'higher' },
  integratedBrier: { task: 'survival', direction: 'lower' },
  concordance: { task: 'survival', direction: 'higher' },
  censoredLogLikelihood: { task: 'survival', direction: 'higher' },
  maeObserved: { task: 'survival', direction: 'lower' },
  massVolume: { task: 'anomaly_detection', direction: 'lower' },
} as const;

export type SelectionMetric = keyof typeof selectionMetrics;

/** As many trials as a leaderboard shows, less one for the ensemble. */
export const maxSearchTrials = 199;

const selectionSchema = z
  .strictObject({
    metric: z.enum(Object.keys(selectionMetrics) as [SelectionMetric, ...SelectionMetric[]]).optional().meta({
      title: 'Metric',
      description: 'What the best model is best at. Default: cost where costs are given, else f1 for classes, rmse for numbers and ratings, mase for forecasts, ndcg for recommendations, integratedBrier for survival; for anomalies prAuc with a label, massVolume without.',
    }),
    timeLimitSeconds: z.number().min(1).max(86_400).optional().meta({
      title: 'Time limit (s)',
      description: 'Search families and settings by itself for so long. Without it and without a limit of trials, the models listed are trained.',
    }),
    maxTrials: z.int().min(1).max(maxSearchTrials).optional().meta({
      title: 'Most trials',
      description: 'Search by itself, and stop after so many trials.',
    }),
    costs: z
      .strictObject({
        missed: z.number().positive().max(1e12).meta({ title: 'Missed', description: 'Cost of a row of the positive class that is not recognised.' }),
        falseAlarm: z.number().positive().max(1e12).meta({ title: 'False alarm', description: 'Cost of another row that is taken for one.' }),
      })
      .optional()
      .meta({
        title: 'Costs',
        description: 'With two classes: what errors cost. The probability from which a row counts as positive is set where held-back rows cost least.',
      }),
    calibration: z.enum(['none', 'platt', 'isotonic']).optional().meta({
      title: 'Calibration',
      description: 'Corrects the probabilities of classes on held-back rows: platt by a fitted curve, isotonic by steps (for 1000 rows or more). Default: none.',
    }),
    intervalCoverage: z.number().min(0.5).max(0.999).optional().meta({
      title: 'Interval coverage',
      description: 'For numbers: states with each version how far predictions may be off in this share of cases, from held-back rows.',
    }),
    inferLimitMs: z.number().positive().max(60_000).optional().meta({
      title: 'Latency limit (ms)',
      description: 'A search chooses no model that takes longer than this (median) to answer one row.',
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
    outputFeatures: z.array(outputFeatureSchema).max(1).meta({
      title: 'Output features',
      description: 'The column to predict: exactly one. Of an anomaly detection: the label to judge it by, or none. Of a recommendation: none, or the item.',
    }),
    split: splitSchema.prefault({}),
    models: z.array(modelSchema).max(50).optional().meta({
      title: 'Models',
      description:
        'The candidates. Each is trained; the best by the selection metric is marked. Default: a dense network, for pictures a convolutional one. ' +
        'In a search: the families to search, these settings first. Default: all families.',
    }),
    trainer: trainerSchema.prefault({}),
    forecast: forecastSchema.optional(),
    recommendation: recommendationSchema.optional(),
    survival: survivalSchema.optional(),
    personalisation: personalisationSchema.optional(),
    anomaly: anomalySchema.optional(),
    selection: selectionSchema.prefault({}),
    compress: compressionSchema.optional(),
  })
  .transform((spec, context) => {
    const models = spec.models ?? (isSearch(spec) || spec.survival ? [] : [modelSchema.parse({ family: readsImages(spec) ? 'convolutional' : 'dense' })]);
    if (models.length === 0 && !isSearch(spec) && !spec.survival) {
      context.addIssue({ code: 'too_small', origin: 'array', minimum: 1, inclusive: true, path: ['models'], input: models, message: 'No model' });
    }
    if (spec.inputFeatures.length === 0 && !spec.forecast && !spec.recommendation) {
      context.addIssue({ code: 'too_small', origin: 'array', minimum: 1, inclusive: true, path: ['inputFeatures'], input: spec.inputFeatures, message: 'No feature' });
    }
    if (spec.outputFeatures.length === 0 && !spec.anomaly && !spec.recommendation) {
      context.addIssue({ code: 'too_small', origin: 'array', minimum: 1, inclusive: true, exact: true, path: ['outputFeatures'], input: spec.outputFeatures, message: 'No target' });
    }
    const item = spec.outputFeatures.length === 0 && spec.recommendation ? [{ name: spec.recommendation.itemColumn, type: 'category' as const }] : spec.outputFeatures;
    return { ...spec, outputFeatures: item, models };
  })
  .meta({ title: 'Training configuration' });

/** Whether the models learn from pictures rather than from columns of numbers and words. */
export function readsImages({ inputFeatures }: { inputFeatures: readonly { type: string }[] }): boolean {
  return inputFeatures.some(({ type }) => type === 'image');
}

/** Whether the models are to be found by a search, within a time or a number of trials, rather than listed. */
export function isSearch({ selection }: { selection: z.output<typeof selectionSchema> }): boolean {
  return selection.timeLimitSeconds !== undefined || selection.maxTrials !== undefined;
}

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

export function problemsOfIssue(issue: Issue): SpecProblem[] {
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
