import { z } from 'zod';
import { type ColumnSummary, unknownColumn } from './column-summary.ts';
import type { SpecProblem } from './spec-problem.ts';

const columnName = z.string().min(1).max(256);
const features = (whose: string) =>
  z
    .array(z.strictObject({ name: columnName, type: z.enum(['number', 'category', 'binary']) }))
    .max(200)
    .default([])
    .meta({ title: `Features of ${whose}`, description: 'Columns that say the same in every row of one of them. Only the two-tower network reads them.' });

const factors = z.int().min(1).max(512).meta({ title: 'Factors', description: 'Numbers learned for each user and item.' });

const popularitySchema = z
  .strictObject({ family: z.literal('popularity') })
  .meta({ title: 'Popularity', description: 'The same items for everybody: those that most users had, or that are rated highest. What any other model must beat; every run adds it.' });

const itemNeighboursSchema = z
  .strictObject({
    family: z.literal('item_neighbours'),
    neighbours: z.int().min(1).max(1000).default(50).meta({ title: 'Neighbours', description: 'Most similar items that are kept of each.' }),
    shrinkage: z.number().min(0).max(10_000).default(10).meta({ title: 'Shrinkage', description: 'Users that two items must share before their similarity counts half.' }),
  })
  .meta({ title: 'Item neighbours', description: 'Items that were had by the same users as those that the user had. Needs implicit feedback.' });

const matrixFactorisationSchema = z
  .strictObject({
    family: z.literal('matrix_factorisation'),
    factors: factors.default(32),
    iterations: z.int().min(1).max(500).default(15).meta({ title: 'Iterations', description: 'Times that all users, and then all items, are solved.' }),
    regularisation: z.number().positive().max(1e4).optional().meta({
      title: 'Regularisation',
      description: 'Pulls factors towards 0. Default: three times the confidence for implicit feedback; 0.1 for each rating of explicit feedback.',
    }),
    confidence: z.number().positive().max(1e4).default(10).meta({
      title: 'Confidence',
      description: 'Implicit feedback: an item that a user had once counts 1 more this number of times as much as one that the user had not.',
    }),
  })
  .meta({ title: 'Matrix factorisation', description: 'Users and items as vectors whose product says how well they go together, by alternating least squares.' });

const twoTowerSchema = z
  .strictObject({
    family: z.literal('two_tower'),
    factors: factors.default(32),
    hidden: z.int().min(1).max(512).default(32).meta({ title: 'Hidden units', description: 'Of the layer between features and vector.' }),
    epochs: z.int().min(1).max(10_000).default(10).meta({ title: 'Epochs', description: 'Passes over all that users had.' }),
    batchSize: z.int().min(2).max(8192).default(512).meta({ title: 'Batch size', description: 'Pairs of a gradient step; the items of the others are what each pair is told apart from.' }),
    learningRate: z.number().positive().max(10).default(0.1).meta({ title: 'Learning rate', description: 'Of Adagrad.' }),
    temperature: z.number().positive().max(10).default(0.3).meta({ title: 'Temperature', description: 'What the cosine of two vectors is divided by; less tells items apart more sharply.' }),
  })
  .meta({ title: 'Two-tower network', description: 'One network makes a vector of a user, one of an item, from what each is and from its features: also of new ones. Needs implicit feedback.' });

const recommendationModelSchema = z
  .discriminatedUnion('family', [popularitySchema, itemNeighboursSchema, matrixFactorisationSchema, twoTowerSchema])
  .meta({ title: 'Recommender' });

/** One candidate of a recommendation and what is asked of it. */
export type RecommendationModelSettings = z.output<typeof recommendationModelSchema>;

/** The block of a training configuration that makes its run learn to recommend. */
export const recommendationSchema = z
  .strictObject({
    userColumn: columnName.meta({ title: 'User', description: 'Who is recommended to: a machine, a line, a customer.' }),
    itemColumn: columnName.meta({ title: 'Item', description: 'What is recommended: a spare part, a tool, a setting, a supplier.' }),
    ratingColumn: columnName.optional().meta({
      title: 'Rating',
      description: 'Explicit feedback: how good the item was for the user. Implicit feedback: how much of it, such as pieces; left out, each row counts 1.',
    }),
    timeColumn: columnName.optional().meta({ title: 'Time', description: 'Dates or numbers: what is tested is what users had last. Default: drawn by the seed.' }),
    feedback: z.enum(['implicit', 'explicit']).default('implicit').meta({
      title: 'Feedback',
      description: 'implicit: a row says that the user had the item; explicit: it says how good that was.',
    }),
    topN: z.int().min(1).max(100).default(10).meta({ title: 'Recommendations', description: 'Items of an answer, and of the lists that are judged.' }),
    excludeSeen: z.boolean().default(true).meta({ title: 'New items only', description: 'Does not recommend what the user had.' }),
    userFeatures: features('users'),
    itemFeatures: features('items'),
    models: z
      .array(recommendationModelSchema)
      .min(1)
      .max(20)
      .optional()
      .meta({ title: 'Models', description: 'The candidates. Default: all that the feedback fits. Popularity is always tried beside them.' }),
  })
  .transform((block) => ({ ...block, models: block.models ?? usualModels(block.feedback) }))
  .meta({
    title: 'Recommendation',
    description: 'Learns which items go with which users. The candidates stand here; models and trainer of rows do not count.',
  });

export type RecommendationSettings = z.output<typeof recommendationSchema>;

function usualModels(feedback: 'implicit' | 'explicit'): RecommendationModelSettings[] {
  const families = feedback === 'explicit' ? ['popularity', 'matrix_factorisation'] : ['popularity', 'item_neighbours', 'matrix_factorisation', 'two_tower'];
  return families.map((family) => recommendationModelSchema.parse({ family }));
}

/** The name of the input by which a request says what not to recommend. */
export const excludeInput = 'exclude';
/** Users and items of one recommender, at most: all of them stand in its signature. */
export const maxUsers = 50_000;
export const maxItems = 20_000;
/** Numbers that a model may learn: (users + items) × factors, or items × neighbours. Training takes some 30 bytes for each. */
const maxLearnedNumbers = 10_000_000;

/** Metrics by which recommendations may be selected. */
const recommendationMetrics = ['ndcg', 'hitRate', 'recallAtN', 'mrr'] as const;
const ratingMetrics = ['rmse', 'mae'] as const;
export type RecommendationMetric = (typeof recommendationMetrics)[number] | (typeof ratingMetrics)[number];

interface RecommendationSpec {
  recommendation: RecommendationSettings;
  inputFeatures: { name: string }[];
  outputFeatures: { name: string; type: string }[];
  selection: Record<string, unknown>;
  split: { type?: string | undefined; column?: string | undefined; fold?: string | undefined };
}

/** What stands in the way of learning to recommend from these columns: every problem, with field and remedy. */
export function checkRecommendation(spec: RecommendationSpec, columns: ColumnSummary[]): SpecProblem[] {
  const { recommendation: block } = spec;
  const problems: SpecProblem[] = [];
  const report = (field: string, message: string, remedy: string) => problems.push({ field, message, remedy });
  const find = (field: string, name: string): ColumnSummary | undefined => {
    const column = columns.find((one) => one.name === name);
    if (!column) problems.push(unknownColumn(field, name, columns));
    else if (column.missing === column.rows) report(field, `"${name}" has no values.`, 'Choose another column.');
    return column;
  };

  if (spec.inputFeatures.length > 0) {
    report('inputFeatures', 'A recommendation is learned from users and items.', 'Leave the list empty; name columns that describe them under recommendation.userFeatures and recommendation.itemFeatures.');
  }
  const [target] = spec.outputFeatures as [RecommendationSpec['outputFeatures'][number]];
  if (target.name !== block.itemColumn || target.type !== 'category') {
    report('outputFeatures[0]', 'What is recommended is the item.', `Give { name: ${block.itemColumn}, type: category }.`);
  }
  for (const [part, name, most] of [['userColumn', block.userColumn, maxUsers], ['itemColumn', block.itemColumn, maxItems]] as const) {
    const field = `recommendation.${part}`;
    const column = find(field, name);
    if (name === excludeInput) report(field, `A request says by "${excludeInput}" what not to recommend, so no column may have that name.`, 'Rename the column.');
    if (!column) continue;
    const noun = part === 'userColumn' ? 'users' : 'items';
    if (column.type === 'date' || column.type === 'image') report(field, `"${name}" holds ${column.type === 'date' ? 'dates' : 'pictures'}.`, `Choose a column that names the ${noun}.`);
    else if (column.distinct > most) report(field, `"${name}" names ${column.distinct} ${noun}; at most ${most} fit into a recommender.`, `Leave out rare ${noun}, or put them into groups.`);
    else if (column.distinct < 2) report(field, `"${name}" names fewer than two ${noun}.`, 'Choose another column, or add rows.');
  }
  const rating = block.ratingColumn === undefined ? undefined : find('recommendation.ratingColumn', block.ratingColumn);
  if (block.feedback === 'explicit' && block.ratingColumn === undefined) report('recommendation.ratingColumn', 'Explicit feedback needs the column that holds it.', 'Name the column of ratings, or use implicit feedback.');
  if (rating && rating.type !== 'number') report('recommendation.ratingColumn', `"${rating.name}" does not hold numbers but ${rating.type} values.`, 'Choose a column of numbers.');
  else if (rating && block.feedback === 'explicit' && rating.distinct < 2) report('recommendation.ratingColumn', `"${rating.name}" has one value only: it tells nothing.`, 'Use implicit feedback.');
  const time = block.timeColumn === undefined ? undefined : find('recommendation.timeColumn', block.timeColumn);
  if (time && time.type !== 'date' && time.type !== 'number') report('recommendation.timeColumn', `"${time.name}" is a ${time.type} column: it has no order in time.`, 'Choose a column of dates or numbers.');

  for (const part of ['userFeatures', 'itemFeatures'] as const) {
    block[part].forEach((feature, index) => {
      const field = `recommendation.${part}[${index}]`;
      const column = find(`${field}.name`, feature.name);
      if (feature.name === excludeInput) report(`${field}.name`, `A request says by "${excludeInput}" what not to recommend, so no column may have that name.`, 'Rename the column.');
      if (!column) return;
      if (!['number', 'category', 'binary'].includes(column.type)) report(`${field}.type`, `"${column.name}" is a ${column.type} column.`, 'Leave it out, or change its type in the data set.');
      else if (feature.type === 'number' && column.type !== 'number') report(`${field}.type`, `"${column.name}" does not hold numbers but ${column.type} values.`, `Use type "${column.type}".`);
      else if (feature.type !== 'number' && column.distinct > maxFeatureValues) report(`${field}.type`, `"${column.name}" has ${column.distinct} different values; at most ${maxFeatureValues} make a feature.`, 'Leave it out, or put values into groups.');
    });
  }
  const named = [block.userColumn, block.itemColumn, block.ratingColumn, block.timeColumn, ...block.userFeatures.map(({ name }) => name), ...block.itemFeatures.map(({ name }) => name)].filter((name) => name !== undefined);
  const twice = named.find((name, index) => named.indexOf(name) < index);
  if (twice !== undefined) report('recommendation', `"${twice}" is named for two uses.`, 'Use each column once.');

  problems.push(...checkModels(spec, columns), ...checkChoices(spec));
  return problems;
}

const maxFeatureValues = 200;

function checkModels({ recommendation: block }: RecommendationSpec, columns: ColumnSummary[]): SpecProblem[] {
  const problems: SpecProblem[] = [];
  const distinct = (name: string) => columns.find((column) => column.name === name)?.distinct ?? 0;
  const items = distinct(block.itemColumn);
  const known = distinct(block.userColumn) + items;
  block.models.forEach((model, index) => {
    const field = `recommendation.models[${index}]`;
    if (block.feedback === 'explicit' && (model.family === 'item_neighbours' || model.family === 'two_tower')) {
      problems.push({ field: `${field}.family`, message: `${model.family} learns from implicit feedback only.`, remedy: 'Use matrix_factorisation for ratings, or implicit feedback.' });
    }
    if ('neighbours' in model && items * Math.min(model.neighbours, items) > maxLearnedNumbers) {
      problems.push({
        field: `${field}.neighbours`,
        message: `${model.neighbours} neighbours of ${items} items are ${items * Math.min(model.neighbours, items)} numbers to learn; at most ${maxLearnedNumbers} fit into memory.`,
        remedy: `Give at most ${Math.max(1, Math.floor(maxLearnedNumbers / items))} neighbours.`,
      });
    }
    if ('factors' in model && known * model.factors > maxLearnedNumbers) {
      problems.push({
        field: `${field}.factors`,
        message: `${model.factors} factors for ${known} users and items are ${known * model.factors} numbers to learn; at most ${maxLearnedNumbers} fit into memory.`,
        remedy: `Give at most ${Math.max(1, Math.floor(maxLearnedNumbers / known))} factors.`,
      });
    }
  });
  const hasFeatures = block.userFeatures.length + block.itemFeatures.length > 0;
  if (hasFeatures && !block.models.some(({ family }) => family === 'two_tower')) {
    problems.push({ field: 'recommendation.models', message: 'Only the two-tower network reads features of users and items.', remedy: 'Add two_tower, or leave the features out.' });
  }
  return problems;
}

function checkChoices({ recommendation: block, selection, split }: RecommendationSpec): SpecProblem[] {
  const problems: SpecProblem[] = [];
  const { metric, ...rest } = selection;
  for (const [name, value] of Object.entries(rest)) {
    if (value !== undefined) problems.push({ field: `selection.${name}`, message: 'This guides models of rows only.', remedy: 'Remove it: all recommenders of the list are tried.' });
  }
  const fitting: readonly string[] = block.feedback === 'explicit' ? [...recommendationMetrics, ...ratingMetrics] : recommendationMetrics;
  if (metric !== undefined && !fitting.includes(String(metric))) {
    problems.push({ field: 'selection.metric', message: `"${String(metric)}" does not measure recommendations from ${block.feedback} feedback.`, remedy: `Give one of: ${fitting.join(', ')}.` });
  }
  for (const name of ['type', 'column', 'fold'] as const) {
    if (split[name] !== undefined) {
      problems.push({ field: `split.${name}`, message: 'Recommenders are tested on a share of what each user had.', remedy: 'Remove it; recommendation.timeColumn makes that share the last one.' });
    }
  }
  return problems;
}
