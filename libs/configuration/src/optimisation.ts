import { z } from 'zod';
import type { ModelFamily } from './families.ts';
import { greatestLossSchema } from './greatest-loss.ts';
import type { SpecProblem } from './spec-problem.ts';
import { problemsOfIssue, type SelectionMetric, selectionMetrics } from './training-spec.ts';

const share = (title: string, description: string) => z.number().min(0.01).max(0.99).meta({ title, description });

const pruneSchema = z
  .strictObject({
    method: z.literal('prune'),
    sparsity: share('Sparsity', 'Share of the weights of each layer that become 0, the smallest first, while the others learn on.'),
  })
  .meta({ title: 'Prune weights', description: 'For networks. The packed size shrinks; time and unpacked size stay.' });

const pruneUnitsSchema = z
  .strictObject({
    method: z.literal('prune_units'),
    keep: share('Keep', 'Share of the units or filters of each hidden layer that are kept; the network then learns on.'),
  })
  .meta({ title: 'Prune units', description: 'For networks: whole units or filters go, so it becomes smaller and faster.' });

const quantiseSchema = z
  .strictObject({
    method: z.literal('quantise'),
    to: z.enum(['float16', 'int8']).meta({ title: 'To', description: 'float16 halves the size. int8 quarters it, and products are computed in whole numbers.' }),
    calibration: z.enum(['dynamic', 'static']).optional().meta({
      title: 'Calibration',
      description: 'Of int8. static: the range of what enters each layer is taken from training rows; dynamic: from each row as it comes. Default: static.',
    }),
  })
  .meta({ title: 'Quantise', description: 'Weights in fewer bits. int8 for networks; float16 for nearest neighbours as well.' });

const clusterSchema = z
  .strictObject({
    method: z.literal('cluster'),
    clusters: z.int().min(2).max(256).meta({ title: 'Clusters', description: 'Different values that the weights of a layer may have.' }),
  })
  .meta({ title: 'Share weights', description: 'For networks: each weight becomes the nearest of a few values. A quarter of the size, packed less.' });

const distilSchema = z
  .strictObject({
    method: z.literal('distil'),
    units: z.array(z.int().min(1).max(4096)).min(1).max(16).meta({ title: 'Hidden layers', description: 'Of the network that learns: units of each hidden layer.' }),
    temperature: z.number().min(1).max(20).default(2).meta({ title: 'Temperature', description: 'How much the answers of the teacher are softened: more shows more of what it holds for less probable.' }),
    teacherShare: z.number().min(0).max(1).default(0.7).meta({ title: 'Share of the teacher', description: 'How much the teacher counts beside the truth.' }),
  })
  .meta({ title: 'Distil', description: 'A small dense network learns the answers of the model. For tables, whatever the family.' });

const condenseSchema = z
  .strictObject({
    method: z.literal('condense'),
    keep: share('Keep', 'Prototypes, as a share of the rows that the model keeps.'),
  })
  .meta({ title: 'Condense', description: 'For nearest neighbours: few prototypes stand for all rows.' });

const pruneTreesSchema = z
  .strictObject({
    method: z.literal('prune_trees'),
    keep: share('Keep', 'Share of the leaves that are kept, by how little the others change the answers.'),
  })
  .meta({ title: 'Prune trees', description: 'For trees: questions that change little are taken out.' });

const mergeTreesSchema = z
  .strictObject({ method: z.literal('merge_trees') })
  .meta({ title: 'Merge trees', description: 'For trees: equal trees become one, and a question whose sides answer alike goes. Answers stay as they are.' });

const stepSchema = z.discriminatedUnion('method', [
  pruneSchema, pruneUnitsSchema, quantiseSchema, clusterSchema, distilSchema, condenseSchema, pruneTreesSchema, mergeTreesSchema,
]).meta({ title: 'Step' });

const optimisationSchema = z
  .strictObject({
    base: z.string().min(1).max(100).meta({ title: 'Base', description: 'Id of the model version to start from. It stays as it is.' }),
    steps: z.array(stepSchema).min(1).max(5).optional().meta({ title: 'Steps', description: 'What to do, in this order. Or give a target instead.' }),
    target: z.enum(['SIZE', 'LATENCY']).optional().meta({ title: 'Target', description: 'Find by itself what makes the model smallest or fastest within the greatest loss.' }),
    maxLoss: greatestLossSchema.optional().meta({
      title: 'Greatest loss',
      description:
        'How much worse it may be, in points of the selection metric: of a share such as accuracy in percentage points, of an error such as RMSE in percent of the error of the base. ' +
        'Default: 0.5 with a target; with steps nothing is refused.',
    }),
  })
  .meta({ title: 'Optimisation' });

/** One thing that is done to a model. */
export type OptimisationStep = z.output<typeof stepSchema>;
export type OptimisationMethod = OptimisationStep['method'];

/** How a model version is to be made smaller or faster: by these steps, or by those that are found for a target. Exactly one of the two is given. */
export type Optimisation = z.output<typeof optimisationSchema>;

/** Whether less of a metric is better: its loss then counts in percent of the error of the base, else in percentage points. */
export const isErrorMetric = (metric: SelectionMetric): boolean => selectionMetrics[metric].direction === 'lower';

/** The same schema as JSON Schema (draft 2020-12). */
export const optimisationJsonSchema: Record<string, unknown> = z.toJSONSchema(optimisationSchema, { io: 'input' });

/** Reads an optimisation from untrusted input. Every problem is reported; `field` is a path such as `steps[0].keep`. */
export function parseOptimisation(input: unknown): { type: 'valid'; optimisation: Optimisation } | { type: 'invalid'; problems: SpecProblem[] } {
  const parsed = optimisationSchema.safeParse(input);
  if (!parsed.success) return { type: 'invalid', problems: parsed.error.issues.flatMap(problemsOfIssue) };
  const { steps, target } = parsed.data;
  if (steps && target) return { type: 'invalid', problems: [{ field: 'target', message: 'There are steps as well as a target.', remedy: 'Give one of the two.' }] };
  if (!steps && !target) return { type: 'invalid', problems: [{ field: 'steps', message: 'There are neither steps nor a target.', remedy: 'List steps, or give the target SIZE or LATENCY.' }] };
  return { type: 'valid', optimisation: parsed.data };
}

/** What a check has to know of the base: all of it is in the signature of its package. */
export interface OptimisedBase {
  /** as in the signature; `onnx` or null of a graph that was imported */
  family: string | null;
  /** whether it is a model of the kind that has one of the families: no forecast, survival, anomaly, recommendation */
  isPlain: boolean;
  hasHeads: boolean;
}

const suiting: Record<ModelFamily | 'ensemble', readonly OptimisationMethod[]> = {
  baseline: [],
  linear: [],
  dense: ['prune', 'prune_units', 'quantise', 'cluster', 'distil'],
  convolutional: ['prune', 'prune_units', 'quantise', 'cluster'],
  knn: ['condense', 'quantise', 'distil'],
  boosted_trees: ['prune_trees', 'merge_trees', 'distil'],
  random_forest: ['prune_trees', 'merge_trees', 'distil'],
  ensemble: ['distil'],
};

/** The methods that suit a family, in the order in which they make sense; none of a family that is not known. */
export function methodsFor(family: string | null): readonly OptimisationMethod[] {
  return family !== null && Object.hasOwn(suiting, family) ? suiting[family as ModelFamily] : [];
}

/** What stands in the way of an optimisation of this base, with field and remedy. */
export function checkOptimisation({ steps }: Pick<Optimisation, 'steps'>, base: OptimisedBase): SpecProblem[] {
  const problems: SpecProblem[] = [];
  const report = (field: string, message: string, remedy: string) => problems.push({ field, message, remedy });
  if (base.family === null || base.family === 'onnx') report('base', 'This version was imported: only its graph is known, not what it was learned from.', 'Optimise it where it was made, or train a model here.');
  else if (!base.isPlain) report('base', 'Forecasts, survival models, anomaly detections and recommenders cannot be optimised yet.', 'Choose a model of numbers, classes or pictures.');
  else if (base.hasHeads) report('base', 'A model with heads cannot be optimised yet: they correct the answers that it gives now.', 'Choose a version without personalisation.');
  else if (methodsFor(base.family).length === 0) report('base', `A model of the family ${base.family} is as small as it can be.`, 'Choose a network, nearest neighbours, trees or an ensemble.');
  if (problems.length > 0) return problems;
  let family = base.family!;
  /** what the weights are already kept as: nothing can learn on after that */
  let stored: OptimisationMethod | null = null;
  steps?.forEach((step, index) => {
    const field = `steps[${index}]`;
    const { method } = step;
    const suits = methodsFor(family);
    if (!suits.includes(method)) {
      report(`${field}.method`, `${method} does not suit a model of the family ${family}.`, `Use one of: ${suits.join(', ')}.`);
    } else if (stored !== null && method !== 'distil') {
      report(`${field}.method`, `After ${stored} the weights are as they are kept; ${method} would undo it.`, `Put ${method} before ${stored}, or leave it out.`);
    }
    if (method === 'quantise') {
      if (step.to === 'int8' && family === 'knn') report(`${field}.to`, 'Nearest neighbours are not computed in int8.', 'Use float16.');
      if (step.to === 'float16' && step.calibration) report(`${field}.calibration`, 'float16 needs no calibration.', 'Leave it out.');
      if (step.to === 'int8' && step.calibration === 'dynamic' && family === 'convolutional') {
        report(`${field}.calibration`, 'A network for pictures is computed in int8 with static calibration only.', 'Use static.');
      }
    }
    if (method === 'quantise' || method === 'cluster') stored = method;
    if (method === 'distil') [family, stored] = ['dense', null];
  });
  return problems;
}
