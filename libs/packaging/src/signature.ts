import { dateOfDay, type DatePart, dateParts } from '@millrace/kernel';
import { z } from 'zod';
import { encodedWidth, type FittedFeature, type FittedPipeline, leavesOf } from './fitted-pipeline.ts';

/** What a model takes and gives: all that is needed to check a row, build a form or describe a route. */
export interface Signature {
  formatVersion: 1;
  task: 'classification' | 'regression' | 'forecasting';
  /** `baseline`, `linear`, `dense`, `knn`, `boosted_trees`, `random_forest`, `ensemble`, or a family of forecasts such as `exponential_smoothing` */
  family: string;
  /** in the order of a positional row */
  inputs: SignatureInput[];
  output: SignatureOutput;
  /** of a forecast: what its answers are about, so that they can be dated */
  forecast?: ForecastFacts | undefined;
  /** how the graph is fed */
  graph: {
    /** the text that stands for a missing category; never one of the categories */
    missingCategory: string;
    /** rows for one call of the graph: bounds its memory and the time it holds the thread */
    rowsPerCall: number;
  };
}

export interface ForecastFacts {
  /** ISO 8601: step 1 is one `frequency` after it */
  lastObservation: string;
  /** ISO 8601 duration, such as `P1M` */
  frequency: string;
  horizon: number;
  /** the share of values that are to lie between `lower` and `upper` */
  intervalCoverage: number;
}

/**
 * `closed`: there is no answer to other values than these; a number is then a whole one. A date is ISO 8601 text; the graph
 * gets its `parts`, in their order, among the numbers; `min` and `max` are the first and last day of training.
 */
export type SignatureInput =
  | { name: string; type: 'number'; required: boolean; min: number; max: number; categories?: never; parts?: never; closed?: true | undefined }
  | { name: string; type: 'date'; required: boolean; parts: DatePart[]; min: string; max: string; categories?: never; closed?: never }
  | { name: string; type: 'category' | 'binary'; required: boolean; categories: string[]; min?: never; max?: never; parts?: never; closed?: true | undefined };

export type SignatureOutput =
  | {
      name: string;
      type: 'number';
      classes?: never;
      /** in the share `coverage` of cases the truth lies within `halfWidth` of the prediction */
      interval?: { coverage: number; halfWidth: number };
    }
  /** probabilities come in the order of the classes */
  | {
      name: string;
      type: 'category' | 'binary';
      classes: string[];
      /** the label is `positiveClass` from this probability on; without it, the more probable class */
      decision?: { positiveClass: string; threshold: number };
    };

/** A tensor of the Open Inference Protocol v2; -1 stands for the number of rows. */
export interface TensorMetadata {
  name: string;
  datatype: 'FP64' | 'FP32' | 'BYTES';
  shape: number[];
}

const name = z.string().min(1);
const closed = z.literal(true).optional();
const inputSchema = z.discriminatedUnion('type', [
  z
    .strictObject({ name, type: z.literal('number'), required: z.boolean(), min: z.number(), max: z.number(), closed })
    .refine((input) => input.min <= input.max, 'min is above max'),
  z.strictObject({ name, type: z.literal('date'), required: z.boolean(), parts: z.array(z.enum(dateParts)).min(1), min: z.string(), max: z.string() }),
  z.strictObject({
    name,
    type: z.enum(['category', 'binary']),
    required: z.boolean(),
    categories: z.array(z.string()),
    closed,
  }),
]);
const outputSchema = z.discriminatedUnion('type', [
  z.strictObject({
    name,
    type: z.literal('number'),
    interval: z.strictObject({ coverage: z.number().min(0).max(1), halfWidth: z.number().min(0) }).exactOptional(),
  }),
  z.strictObject({
    name,
    type: z.enum(['category', 'binary']),
    classes: z.array(z.string()).min(1),
    decision: z.strictObject({ positiveClass: z.string(), threshold: z.number() }).exactOptional(),
  }),
]);
const forecastSchema = z.strictObject({
  lastObservation: z.string().min(1),
  frequency: z.string().min(1),
  horizon: z.int().min(1),
  intervalCoverage: z.number().gt(0).lt(1),
});
const signatureSchema = z
  .strictObject({
    formatVersion: z.literal(1),
    task: z.enum(['classification', 'regression', 'forecasting']),
    family: z.string().min(1),
    inputs: z.array(inputSchema).min(1),
    output: outputSchema,
    forecast: forecastSchema.optional(),
    graph: z.strictObject({ missingCategory: z.string(), rowsPerCall: z.int().min(1).max(65_536) }),
  })
  .refine((it) => (it.task === 'classification') === (it.output.type !== 'number'), 'task and output differ')
  .refine((it) => (it.task === 'forecasting') === (it.forecast !== undefined), 'a forecast tells when it begins, and nothing else does')
  .refine((it) => new Set(it.inputs.map((input) => input.name)).size === it.inputs.length, 'an input is named twice')
  .refine(
    (it) => !it.inputs.some((i) => 'categories' in i && i.categories.includes(it.graph.missingCategory)),
    'missingCategory is one of the categories',
  );

/** The signature in `value`, or what is wrong with it. */
export function parseSignature(value: unknown): { signature: Signature } | { complaint: string } {
  const parsed = signatureSchema.safeParse(value);
  return parsed.success ? { signature: parsed.data } : { complaint: z.prettifyError(parsed.error) };
}

export function signatureOf(pipeline: FittedPipeline): Signature {
  const { features, target } = pipeline;
  return {
    formatVersion: 1,
    task: target.type === 'number' ? 'regression' : 'classification',
    family: pipeline.estimator.family,
    inputs: features.flatMap((feature, index) => inputOf(feature, features, index)),
    output:
      target.type === 'number'
        ? { name: target.name, type: 'number', ...(target.interval ? { interval: { ...target.interval } } : {}) }
        : {
            name: target.name,
            type: target.type,
            classes: [...target.classes],
            ...(target.decision ? { decision: { positiveClass: target.classes[target.decision.positive]!, threshold: target.decision.threshold } } : {}),
          },
    graph: { missingCategory: missingCategory(pipeline), rowsPerCall: rowsPerCall(pipeline) },
  };
}

/** A date stands where its first part does. */
function inputOf(feature: FittedFeature, features: readonly FittedFeature[], index: number): SignatureInput[] {
  const required = !feature.missingAllowed;
  if (feature.type !== 'number') return [{ name: feature.name, type: feature.type, required, categories: [...feature.categories] }];
  const { of } = feature;
  if (!of) return [{ name: feature.name, type: 'number', required, min: feature.min, max: feature.max }];
  const sourceOf = (one: FittedFeature | undefined): string | undefined => (one?.type === 'number' ? one.of?.column : undefined);
  if (sourceOf(features[index - 1]) === of.column) return [];
  const siblings = features.flatMap((one) => (one.type === 'number' && one.of?.column === of.column ? [{ ...one, part: one.of.part }] : []));
  const day = siblings.find(({ part }) => part === 'day')!;
  return [{ name: of.column, type: 'date', required, parts: siblings.map(({ part }) => part), min: dateOfDay(day.min), max: dateOfDay(day.max) }];
}

/** How many of the graph's numbers an input is; 0 for text. */
export function numbersOf(input: SignatureInput): number {
  return input.type === 'number' ? 1 : (input.parts?.length ?? 0);
}

/** The share of cases in which the truth is to lie within the interval of an answer; null where answers have none. */
export function intervalCoverageOf({ forecast, output }: Signature): number | null {
  if (forecast) return forecast.intervalCoverage;
  return output.type === 'number' ? (output.interval?.coverage ?? null) : null;
}

/** The tensors of the signature: one input for each feature, so that clients may send columns by name. */
export function tensorMetadata(signature: Signature): { inputs: TensorMetadata[]; outputs: TensorMetadata[] } {
  const inputs = signature.inputs.map(
    ({ name, type }): TensorMetadata => ({ name, datatype: type === 'number' ? 'FP64' : 'BYTES', shape: [-1] }),
  );
  const outputs: TensorMetadata[] =
    signature.output.type === 'number'
      ? [
          { name: 'prediction', datatype: 'FP64', shape: [-1] },
          ...(intervalCoverageOf(signature) !== null ? (['lower', 'upper'] as const).map((name): TensorMetadata => ({ name, datatype: 'FP64', shape: [-1] })) : []),
        ]
      : [
          { name: 'prediction', datatype: 'BYTES', shape: [-1] },
          { name: 'probabilities', datatype: 'FP32', shape: [-1, signature.output.classes.length] },
        ];
  return { inputs, outputs };
}

/** The empty text, lengthened until it is no category of the model. */
function missingCategory({ features }: FittedPipeline): string {
  const taken = new Set(features.flatMap((feature) => (feature.type === 'number' ? [] : feature.categories)));
  let marker = '';
  while (taken.has(marker)) marker += '?';
  return marker;
}

const MAX_ROWS_PER_CALL = 4096;
/** about what a core's own cache holds: larger calls measured slower per row */
const MAX_CALL_BYTES = 512 * 1024;
/** multiplications in one call; some tens of milliseconds on one core */
const MAX_CALL_WORK = 50_000_000;

/** Intermediate tensors stay small whatever the request, and other work gets its turn between calls. */
function rowsPerCall(pipeline: FittedPipeline): number {
  const { cells, work } = effortOf(pipeline);
  const rows = Math.min(MAX_ROWS_PER_CALL, MAX_CALL_BYTES / (8 * cells), MAX_CALL_WORK / work);
  return Math.max(1, Math.floor(rows));
}

/** Of one row: numbers in the widest tensor, and multiplications. */
function effortOf({ features, estimator }: FittedPipeline): { cells: number; work: number } {
  if (estimator.family === 'ensemble') {
    const efforts = estimator.members.map(effortOf);
    return { cells: Math.max(...efforts.map(({ cells }) => cells)), work: efforts.reduce((sum, { work }) => sum + work, 0) };
  }
  const width = encodedWidth(features);
  if (estimator.family === 'knn') {
    return { cells: Math.max(width, estimator.targets.length), work: estimator.targets.length * width };
  }
  if (estimator.family === 'boosted_trees' || estimator.family === 'random_forest') {
    return {
      cells: Math.max(features.length, estimator.outputs),
      // A step down a tree waits for memory: some ten multiplications. Trees are deeper than they would be in balance.
      work: estimator.trees.reduce((sum, tree) => sum + 10 * (2 + 2 * Math.log2(leavesOf(tree))), 0),
    };
  }
  if (estimator.family === 'baseline') return { cells: width, work: width };
  if (estimator.family === 'linear') return { cells: Math.max(width, estimator.bias.length), work: estimator.kernel.length };
  return {
    cells: Math.max(width, ...estimator.layers.map((layer) => layer.units)),
    work: estimator.layers.reduce((sum, layer) => sum + layer.inputs * layer.units, 0),
  };
}
