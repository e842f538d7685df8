import { z } from 'zod';
import type { ModelFamily } from './families.ts';
import { greatestLossSchema } from './greatest-loss.ts';
import type { SpecProblem } from './spec-problem.ts';
import { problemsOfIssue, type SelectionMetric, selectionMetrics } from './training-spec.ts';

const share = (title: string, description: string) => z.number().min(0.01).max(0.99).meta({ title, description });

const pruneSchema = z
  .strictObject({
    method: z.literal('prune'),
    sparsity: share('Sparsity', 'Share of the weights of each layer that become 0, the smallest first, while the others learn on. Of a linear model: share of the numbers and values of categories that it no longer looks at.'),
  })
  .meta({ title: 'Prune weights', description: 'Of networks the packed size shrinks; time and unpacked size stay. A linear model becomes smaller, and the weights that stay are fitted anew.' });

const pruneUnitsSchema = z
  .strictObject({
    method: z.literal('prune_units'),
    keep: share('Keep', 'Share of the units or filters of each hidden layer that are kept; the network then learns on.'),
  })
  .meta({ title: 'Prune units', description: 'For networks: whole units or filters go, so it becomes smaller and faster.' });

const quantiseSchema = z
  .strictObject({
    method: z.literal('quantise'),
    to: z.enum(['float16', 'int8']).meta({ title: 'To', description: 'float16 halves the size. int8 quarters it; the products of networks are computed in whole numbers.' }),
    calibration: z.enum(['dynamic', 'static']).optional().meta({
      title: 'Calibration',
      description: 'Of int8. static: the range of what enters each layer is taken from training rows; dynamic: from each row as it comes. Default: static. Not for embeddings and the rows of nearest neighbours.',
    }),
  })
  .meta({ title: 'Quantise', description: 'Weights in fewer bits: of networks, nearest neighbours, embeddings of recommenders; float16 of linear models and of models with heads as well.' });

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
  .meta({ title: 'Prune trees', description: 'For trees: questions that change little are taken out. Of an isolation forest whole trees are.' });

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

/** Reads an optimisation from untrusted input. Every problem is reported; `field` is a path such as `steps[0].keep`. */
export function parseOptimisation(input: unknown): { type: 'valid'; optimisation: Optimisation } | { type: 'invalid'; problems: SpecProblem[] } {
  const parsed = optimisationSchema.safeParse(input);
  if (!parsed.success) return { type: 'invalid', problems: parsed.error.issues.flatMap(problemsOfIssue) };
  const { steps, target } = parsed.data;
  if (steps && target) return { type: 'invalid', problems: [{ field: 'target', message: 'There are steps as well as a target.', remedy: 'Give one of the two.' }] };
  if (!steps && !target) return { type: 'invalid', problems: [{ field: 'steps', message: 'There are neither steps nor a target.', remedy: 'List steps, or give the target SIZE or LATENCY.' }] };
  return { type: 'valid', optimisation: parsed.data };
}

/** What is read by it: tables and pictures are `plain`. */
export type OptimisedKind = 'plain' | 'anomaly' | 'recommendation' | 'survival' | 'forecast';

/** What a check has to know of the base: all of it is in the signature of its package. */
export interface OptimisedBase {
  /** as in the signature; `onnx` or null of a graph that was imported */
  family: string | null;
  kind: OptimisedKind;
  hasHeads: boolean;
  /** whether its weights are in fewer bits already */
  isKept?: boolean;
}

type Precision = Extract<OptimisationStep, { method: 'quantise' }>['to'];

interface Suiting {
  /** in the order in which they make sense */
  methods: readonly OptimisationMethod[];
  /** of `quantise` */
  precisions?: readonly Precision[];
  /** of int8, the default first; none where there is nothing to calibrate */
  calibrations?: readonly ('static' | 'dynamic')[];
}

const halves: Precision[] = ['float16'];
const all: Precision[] = ['float16', 'int8'];

const plain: Record<ModelFamily | 'ensemble', Suiting> = {
  baseline: { methods: [] },
  linear: { methods: ['prune', 'quantise'], precisions: halves },
  dense: { methods: ['prune_units', 'prune', 'quantise', 'cluster', 'distil'], precisions: all, calibrations: ['static', 'dynamic'] },
  convolutional: { methods: ['prune_units', 'prune', 'quantise', 'cluster'], precisions: all, calibrations: ['static'] },
  knn: { methods: ['condense', 'quantise', 'distil'], precisions: all },
  boosted_trees: { methods: ['prune_trees', 'merge_trees', 'distil'] },
  random_forest: { methods: ['prune_trees', 'merge_trees', 'distil'] },
  ensemble: { methods: ['distil'] },
};

const byKind: Record<OptimisedKind, Record<string, Suiting>> = {
  plain,
  anomaly: {
    isolation_forest: { methods: ['prune_trees'] },
    autoencoder: { methods: ['quantise'], precisions: all, calibrations: ['static', 'dynamic'] },
  },
  recommendation: {
    matrix_factorisation: { methods: ['quantise'], precisions: all },
    two_tower: { methods: ['quantise'], precisions: all },
  },
  survival: {
    accelerated_failure: { methods: ['quantise'], precisions: halves },
    boosted_trees: { methods: ['prune_trees', 'merge_trees'] },
  },
  forecast: {},
};

/** What corrects the answers of a model was learned for these answers: nothing may change them by more than rounding. */
const withHeads: Suiting = { methods: ['quantise'], precisions: halves };

function suitingOf({ family, kind, hasHeads }: OptimisedBase): Suiting {
  if (hasHeads) return withHeads;
  const known = byKind[kind];
  return family !== null && Object.hasOwn(known, family) ? known[family]! : { methods: [] };
}

/** The methods that suit a base, in the order in which they make sense; none of a family that is not known. */
export const methodsFor = (base: OptimisedBase): readonly OptimisationMethod[] => suitingOf(base).methods;

/** What a model of the family is quantised to, and whether that is calibrated. */
export function quantisationsFor(base: OptimisedBase): { to: Precision; calibration?: 'static' | 'dynamic' }[] {
  const { precisions = [], calibrations } = suitingOf(base);
  return precisions.flatMap((to) => (to === 'float16' || !calibrations ? [{ to }] : calibrations.map((calibration) => ({ to, calibration }))));
}

/** Of such a model nothing can be made that is smaller. */
export const gainless: Partial<Record<OptimisedKind, { message: string; remedy: string }>> = {
  forecast: {
    message: 'A forecast is kept as what it says of each series and step, not as what said it: there is next to nothing that could go.',
    remedy: 'Forecast fewer steps or series for a smaller one.',
  },
};

/** What stands in the way of an optimisation of this base, with field and remedy. */
export function checkOptimisation({ steps }: Pick<Optimisation, 'steps'>, base: OptimisedBase): SpecProblem[] {
  const problems: SpecProblem[] = [];
  const report = (field: string, message: string, remedy: string) => problems.push({ field, message, remedy });
  const nothing = gainless[base.kind];
  if (base.family === null || base.family === 'onnx') report('base', 'This version was imported: only its graph is known, not what it was learned from.', 'Optimise it where it was made, or train a model here.');
  else if (nothing) report('base', nothing.message, nothing.remedy);
  else if (base.isKept && methodsFor(base).length > 0 && methodsFor(base).every((method) => method === 'quantise')) {
    report('base', 'Its weights are kept in fewer bits already: there is nothing else to do to it.', 'Optimise the version that it was made from.');
  } else if (methodsFor(base).length === 0) report('base', `A model of the family ${base.family} is as small as it can be.`, remedyOf(base.kind));
  if (problems.length > 0) return problems;
  let current = base;
  /** what the weights are already kept as: nothing can learn on after that */
  let stored: OptimisationMethod | null = null;
  let isPruned = false;
  steps?.forEach((step, index) => {
    const field = `steps[${index}]`;
    const { method } = step;
    const suits = methodsFor(current);
    if (!suits.includes(method)) {
      const whom = current.hasHeads ? 'a model with heads' : `a model of the family ${current.family}`;
      report(`${field}.method`, `${method} does not suit ${whom}.`, `Use one of: ${suits.join(', ')}.`);
    } else if (stored !== null && method !== 'distil') {
      report(`${field}.method`, `After ${stored} the weights are as they are kept; ${method} would undo it.`, `Put ${method} before ${stored}, or leave it out.`);
    } else if (isPruned && method === 'prune_units') {
      report(`${field}.method`, 'What prune has set to 0 would learn on once units are gone.', 'Put prune_units before prune.');
    } else if (method === 'quantise') checkQuantisation(step, field, current, report);
    if (method === 'quantise' || method === 'cluster') stored = method;
    if (method === 'prune') isPruned = true;
    if (method === 'distil') [current, stored, isPruned] = [{ ...current, family: 'dense' }, null, false];
  });
  return problems;
}

function checkQuantisation({ to, calibration }: Extract<OptimisationStep, { method: 'quantise' }>, field: string, base: OptimisedBase, report: (field: string, message: string, remedy: string) => void): void {
  const { precisions = [], calibrations } = suitingOf(base);
  const whom = base.hasHeads ? 'A model with heads' : base.family === 'linear' ? 'A linear model' : `A model of the family ${base.family}`;
  if (!precisions.includes(to)) report(`${field}.to`, `${whom} is not kept in ${to}.`, `Use ${precisions.join(' or ')}.`);
  else if (calibration && (to === 'float16' || !calibrations)) report(`${field}.calibration`, `${to === 'float16' ? 'float16' : whom} needs no calibration.`, 'Leave it out.');
  else if (calibration && !calibrations!.includes(calibration)) report(`${field}.calibration`, `${whom} is computed in int8 with ${calibrations!.join(' or ')} calibration only.`, `Use ${calibrations![0]}.`);
}

const remedyOf = (kind: OptimisedKind): string =>
  kind === 'anomaly' ? 'Choose an isolation forest or an autoencoder.'
    : kind === 'recommendation' ? 'Choose a matrix factorisation or a two-tower network.'
      : kind === 'survival' ? 'Choose boosted trees or accelerated failure times.'
        : 'Choose a network, a linear model, nearest neighbours, trees or an ensemble.';
