import { z } from 'zod';
import { type ColumnSummary, unknownColumn } from './column-summary.ts';
import { boostedTreesSchema } from './families.ts';
import type { SpecProblem } from './spec-problem.ts';

const columnName = z.string().min(1).max(256);
const distribution = z.enum(['weibull', 'log_normal']).optional().meta({
  title: 'Distribution',
  description: 'Of the times. weibull: the risk rises or falls steadily; log_normal: it rises first, then falls. Default: the likelier of the two.',
});

const acceleratedFailureSchema = z
  .strictObject({
    family: z.literal('accelerated_failure'),
    distribution,
    l2: z.number().min(0).max(1e9).default(1).meta({
      title: 'L2',
      description: 'Adds l2 · ½Σw² to the summed loss, w being the weights of standardised columns in units of the spread of the logarithm of the time.',
    }),
  })
  .meta({ title: 'Accelerated failure time', description: 'Each column stretches or shortens the time by a factor. Small, fast, easy to explain.' });

const survivalTreesSchema = boostedTreesSchema
  .omit({ loss: true, classWeight: true })
  .extend({
    distribution,
    numIterations: boostedTreesSchema.shape.numIterations.unwrap().default(300).meta({ title: 'Iterations', description: 'Trees one after another, at most.' }),
    learningRate: boostedTreesSchema.shape.learningRate.unwrap().default(0.05).meta({ title: 'Learning rate', description: 'What each tree contributes. Half the rate wants twice the iterations.' }),
    numLeaves: boostedTreesSchema.shape.numLeaves.unwrap().default(15).meta({ title: 'Leaves', description: 'Of a tree, at most.' }),
    earlyStoppingRounds: boostedTreesSchema.shape.earlyStoppingRounds.unwrap().default(30).meta({
      title: 'Early stop',
      description: 'Stops after so many iterations without a better validation loss, then learns again from all training rows for the best number of iterations. 0: never.',
    }),
  })
  .meta({ title: 'Boosted trees', description: 'Small trees, each mending what the ones before left over, on the likelihood of the times. Takes gaps and categories as they are.' });

const survivalModelSchema = z.discriminatedUnion('family', [acceleratedFailureSchema, survivalTreesSchema]).meta({ title: 'Survival model' });

/** One candidate of a survival run and what is asked of it. */
export type SurvivalModelSettings = z.output<typeof survivalModelSchema>;
export type SurvivalDistribution = NonNullable<SurvivalModelSettings['distribution']>;

/** The block of a training configuration that makes the target a time that not every row saw the end of. */
export const survivalSchema = z
  .strictObject({
    eventColumn: columnName.meta({ title: 'Event', description: 'The column that says whether the end was seen.' }),
    observedValue: z.string().max(256).meta({ title: 'Value of an end', description: 'What stands there where the end was seen. Other rows were still running: their time is the least it can be.' }),
    horizon: z.number().positive().max(1e15).optional().meta({
      title: 'Horizon',
      description: 'The time to which the probability of surviving is given where a request asks for no other. Default: the median of the times.',
    }),
    intervalCoverage: z.number().min(0.5).max(0.99).default(0.8).meta({
      title: 'Interval coverage',
      description: 'The share of ends that are to lie within the interval: 0.8 goes from the 10 % to the 90 % quantile.',
    }),
    models: z
      .array(survivalModelSchema)
      .min(1)
      .max(10)
      .prefault([{ family: 'accelerated_failure' }, { family: 'boosted_trees' }])
      .meta({ title: 'Models', description: 'The candidates. The Kaplan-Meier curve, which answers every row alike, is always tried beside them.' }),
  })
  .meta({
    title: 'Survival',
    description: 'Learns the time to an end from rows of which some were still running. The candidates stand here; the models and the trainer of rows do not count.',
  });

export type SurvivalSettings = z.output<typeof survivalSchema>;

/** The name of the input by which a published model is asked for the probability to survive so long. */
export const horizonInput = 'horizon';
/** Metrics by which a survival model may be selected. */
const survivalMetrics = ['integratedBrier', 'concordance', 'censoredLogLikelihood', 'maeObserved'] as const;
export type SurvivalMetric = (typeof survivalMetrics)[number];
/** Fewer ends than this teach nothing. */
export const minObserved = 10;

interface SurvivalSpec {
  survival: SurvivalSettings;
  forecast?: unknown;
  models: { family: string }[];
  inputFeatures: { name: string; type: string }[];
  outputFeatures: { name: string; type: string; positiveClass?: string | undefined }[];
  split: { type?: string | undefined };
  selection: Record<string, unknown>;
}

/** What stands in the way of learning these times, the inputs and the split aside: every problem, with field and remedy. */
export function checkSurvival(spec: SurvivalSpec, columns: ColumnSummary[]): SpecProblem[] {
  const { survival, inputFeatures } = spec;
  const target = spec.outputFeatures[0]!;
  const problems: SpecProblem[] = [];
  const report = (field: string, message: string, remedy: string) => problems.push({ field, message, remedy });
  const find = (name: string) => columns.find((column) => column.name === name);
  const unknown = (field: string, name: string) => problems.push(unknownColumn(field, name, columns));

  if (spec.forecast) report('survival', 'A forecast is no survival model.', 'Remove one of the two blocks.');
  spec.models.forEach(({ family }, index) =>
    report(`models[${index}].family`, `"${family}" cannot learn from rows that were still running.`, 'Leave the models out and list candidates under survival.models: accelerated_failure, boosted_trees.'));
  const times = find(target.name);
  if (target.type !== 'number') report('outputFeatures[0].type', 'A survival model predicts a time.', 'Use type "number".');
  if (target.positiveClass !== undefined) report('outputFeatures[0].positiveClass', 'A time has no positive class.', 'Remove it.');
  if (!times) unknown('outputFeatures[0].name', target.name);
  else if (times.type !== 'number') report('outputFeatures[0].type', `"${target.name}" does not hold numbers but ${times.type} values.`, 'Choose a column of numbers.');
  else if (times.min !== undefined && times.min <= 0) {
    report('outputFeatures[0].name', `"${target.name}" goes down to ${times.min}; a time is above 0.`, 'Leave out the rows that ended at once, or count them as half a unit.');
  }
  inputFeatures.forEach(({ name }, index) => {
    if (name === survival.eventColumn) report(`inputFeatures[${index}].name`, `"${name}" says whether the end was seen, which nobody knows beforehand.`, 'Remove it from the input features.');
    if (name === horizonInput) report(`inputFeatures[${index}].name`, `A survival model is asked by "${horizonInput}", so no input may have that name.`, 'Rename the column.');
  });
  checkEvents(survival, target.name, find(survival.eventColumn), report, () => unknown('survival.eventColumn', survival.eventColumn));
  survival.models.forEach((model, index) => {
    if (model.family === 'boosted_trees') problems.push(...checkConstraints(model.monotoneConstraints, inputFeatures, `survival.models[${index}].monotoneConstraints`));
  });
  if (spec.split.type === 'stratified') report('split.type', 'A stratified split needs classes, and the target is a time.', 'Leave the type out: as many ends fall into each part.');
  const { metric, ...rest } = spec.selection;
  for (const [name, value] of Object.entries(rest)) {
    if (value !== undefined) report(`selection.${name}`, 'This guides other models only.', 'Remove it: a survival run tries all of its candidates.');
  }
  if (metric !== undefined && !survivalMetrics.some((name) => name === metric)) {
    report('selection.metric', `"${String(metric)}" does not measure a survival model.`, `Give one of: ${survivalMetrics.join(', ')}.`);
  }
  return problems;
}

type Report = (field: string, message: string, remedy: string) => void;

function checkEvents({ eventColumn, observedValue }: SurvivalSettings, target: string, events: ColumnSummary | undefined, report: Report, unknown: () => void): void {
  if (!events) return unknown();
  if (eventColumn === target) return report('survival.eventColumn', `"${eventColumn}" is the target.`, 'Choose the column that says whether the end was seen.');
  const counts = events.counts;
  if (!counts) return events.distinct > 2 ? report('survival.eventColumn', `"${eventColumn}" has ${events.distinct} different values, too many to say whether an end was seen.`, 'Choose a column of two values.') : undefined;
  const observed = counts.find(({ value }) => value === observedValue)?.count ?? 0;
  if (observed === 0) report('survival.observedValue', `"${eventColumn}" has no value "${observedValue}".`, `Give one of: ${counts.slice(0, 20).map(({ value }) => value).join(', ')}.`);
  else if (observed < minObserved) report('survival.eventColumn', `Only ${observed} rows saw an end; at least ${minObserved} are needed.`, 'Add rows that ended.');
}

function checkConstraints({ increasing, decreasing }: { increasing: string[]; decreasing: string[] }, inputs: { name: string; type: string }[], field: string): SpecProblem[] {
  const all = [...increasing.map((name, at) => ({ name, path: `increasing[${at}]` })), ...decreasing.map((name, at) => ({ name, path: `decreasing[${at}]` }))];
  return all.flatMap(({ name, path }, place) => {
    if (all.findIndex((other) => other.name === name) < place) return [{ field: `${field}.${path}`, message: `"${name}" is constrained twice.`, remedy: 'Remove one of the two.' }];
    if (inputs.some((input) => input.name === name && input.type === 'number')) return [];
    return [{ field: `${field}.${path}`, message: `"${name}" is no number among the input features.`, remedy: 'Remove it, or add it to the input features.' }];
  });
}
