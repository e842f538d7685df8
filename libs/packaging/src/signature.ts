import { dateOfDay, type DatePart, dateParts } from '@millrace/kernel';
import { z } from 'zod';
import { encodedWidth, type FittedFeature, type FittedImage } from './fitted-columns.ts';
import type { FittedPipeline } from './fitted-pipeline.ts';
import { leavesOf } from './fitted-trees.ts';

/** What a model takes and gives: all that is needed to check a row, build a form or describe a route. */
export interface Signature {
  formatVersion: 1;
  task: 'classification' | 'regression' | 'forecasting' | 'survival' | 'anomaly_detection' | 'recommendation';
  /** `baseline`, `linear`, `dense`, `knn`, `boosted_trees`, `random_forest`, `ensemble`, a family of forecasts such as `exponential_smoothing`, of survival such as `accelerated_failure`, or of recommendations such as `popularity` */
  family: string;
  /** in the order of a positional row */
  inputs: SignatureInput[];
  output: SignatureOutput;
  /** of a forecast: what its answers are about, so that they can be dated */
  forecast?: ForecastFacts | undefined;
  /** of a survival model: what is answered where a row asks for no horizon, and how sure the interval is */
  survival?: SurvivalFacts | undefined;
  /** of a model with heads: the input that names a row's group, which may be missing or unknown */
  personalisation?: { column: string; heads: number } | undefined;
  /** of an anomaly detection, whose output is the score: from where on a row is reported */
  anomaly?: AnomalyFacts | undefined;
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

export interface SurvivalFacts {
  /** the time to which survival is given; the input `horizon` of a row overrides it */
  horizon: number;
  /** the share of ends that are to lie between `lower` and `upper` */
  intervalCoverage: number;
}

export interface AnomalyFacts {
  /** a row whose score is above this is an anomaly */
  threshold: number;
  /** the share of normal rows that are expected above it */
  falseAlarmRate: number;
  /** whether an answer tells what each input adds to the score */
  hasContributions: boolean;
}

/**
 * `closed`: there is no answer to other values than these; a number is then a whole one. A date is ISO 8601 text; the graph
 * gets its `parts`, in their order, among the numbers; `min` and `max` are the first and last day of training.
 */
export type SignatureInput =
  | { name: string; type: 'number'; required: boolean; min: number; max: number; categories?: never; parts?: never; closed?: true | undefined }
  | { name: string; type: 'date'; required: boolean; parts: DatePart[]; min: string; max: string; categories?: never; closed?: never }
  | { name: string; type: 'category' | 'binary'; required: boolean; categories: string[]; min?: never; max?: never; parts?: never; closed?: true | undefined }
  /** several of the choices at once; the last input, if there is one */
  | { name: string; type: 'list'; required: boolean; choices: string[]; categories?: never; min?: never; max?: never; parts?: never; closed?: never }
  | ImageInput;

/**
 * A picture: PNG or JPEG of any size, or its pixels; brought to this size and these channels (1: grey) before the graph, as
 * `fitImage` does: stretched, or in its own shape with the shorter side of `shortSide` pixels and the middle cut out.
 */
export type ImageInput = FittedImage & { type: 'image'; shortSide?: number | undefined; required: true; categories?: never; parts?: never; min?: never; max?: never; closed?: never };

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
    }
  /** of a recommendation: at most `count` items, best first, with scores */
  | { name: string; type: 'items'; classes?: never; count: number; /** whether what a user had is left out */ excludesSeen: boolean };

/** A tensor of the Open Inference Protocol v2; -1 stands for the number of rows. */
export interface TensorMetadata {
  name: string;
  datatype: 'FP64' | 'FP32' | 'BYTES' | 'BOOL' | 'UINT8';
  shape: number[];
}

/** Pixels along each side of what a model looks at. */
export const largestPicture = 512;
/** Pixels of the shorter side of what the middle is cut out of. */
export const largestShortSide = 2048;

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
  z.strictObject({ name, type: z.literal('list'), required: z.literal(false), choices: z.array(z.string()) }),
  z.strictObject({
    name,
    type: z.literal('image'),
    required: z.literal(true),
    width: z.int().min(1).max(largestPicture),
    height: z.int().min(1).max(largestPicture),
    channels: z.union([z.literal(1), z.literal(3)]),
    shortSide: z.int().max(largestShortSide).exactOptional(),
  }).refine((input) => input.shortSide === undefined || input.shortSide >= Math.max(input.width, input.height), 'shortSide is below the size'),
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
  z.strictObject({ name, type: z.literal('items'), count: z.int().min(1), excludesSeen: z.boolean() }),
]);
const forecastSchema = z.strictObject({
  lastObservation: z.string().min(1),
  frequency: z.string().min(1),
  horizon: z.int().min(1),
  intervalCoverage: z.number().gt(0).lt(1),
});
const anomalySchema = z.strictObject({ threshold: z.number(), falseAlarmRate: z.number().gt(0).max(1), hasContributions: z.boolean() });
const signatureSchema = z
  .strictObject({
    formatVersion: z.literal(1),
    task: z.enum(['classification', 'regression', 'forecasting', 'survival', 'anomaly_detection', 'recommendation']),
    family: z.string().min(1),
    inputs: z.array(inputSchema).min(1),
    output: outputSchema,
    forecast: forecastSchema.optional(),
    survival: z.strictObject({ horizon: z.number().positive(), intervalCoverage: z.number().gt(0).lt(1) }).optional(),
    personalisation: z.strictObject({ column: z.string().min(1), heads: z.int().min(0) }).optional(),
    anomaly: anomalySchema.optional(),
    graph: z.strictObject({ missingCategory: z.string(), rowsPerCall: z.int().min(1).max(65_536) }),
  })
  .refine((it) => (it.task === 'classification') === (it.output.type === 'category' || it.output.type === 'binary'), 'task and output differ')
  .refine((it) => (it.task === 'recommendation') === (it.output.type === 'items'), 'items are recommended, and nothing else is')
  .refine((it) => it.inputs.every(({ type }, at) => type !== 'list' || at === it.inputs.length - 1), 'a list stands before other inputs')
  .refine((it) => (it.task === 'forecasting') === (it.forecast !== undefined), 'a forecast tells when it begins, and nothing else does')
  .refine((it) => (it.task === 'survival') === (it.survival !== undefined), 'a survival model tells its horizon, and nothing else does')
  .refine((it) => (it.task === 'anomaly_detection') === (it.anomaly !== undefined), 'an anomaly detection tells its threshold, and nothing else does')
  .refine((it) => it.inputs.length === 1 || !it.inputs.some((input) => input.type === 'image'), 'a picture is no input beside others')
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
  const { target, heads, image } = pipeline;
  const features = namedFeatures(pipeline);
  return {
    formatVersion: 1,
    task: target.type === 'number' ? 'regression' : 'classification',
    family: pipeline.estimator.family,
    inputs: image ? [{ name: image.name, type: 'image', required: true, width: image.width, height: image.height, channels: image.channels }] : inputsOf(features),
    output:
      target.type === 'number'
        ? { name: target.name, type: 'number', ...(target.interval ? { interval: { ...target.interval } } : {}) }
        : {
            name: target.name,
            type: target.type,
            classes: [...target.classes],
            ...(target.decision ? { decision: { positiveClass: target.classes[target.decision.positive]!, threshold: target.decision.threshold } } : {}),
          },
    ...(heads ? { personalisation: { column: heads.column, heads: heads.kept.reduce((sum, own) => sum + own, 0) } } : {}),
    graph: { missingCategory: missingCategoryOf(features), rowsPerCall: rowsPerCallFor(effortOf(pipeline)) },
  };
}

export const inputsOf = (features: readonly FittedFeature[]): SignatureInput[] => features.flatMap((feature, index) => inputOf(feature, features, index));

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
function intervalCoverageOf({ forecast, survival, output }: Signature): number | null {
  if (forecast ?? survival) return (forecast ?? survival)!.intervalCoverage;
  return output.type === 'number' ? (output.interval?.coverage ?? null) : null;
}

type FurtherOutput = 'lower' | 'upper' | 'survival' | 'personalised';

/** What the graph gives beside its prediction, in order. */
export function graphOutputs({ forecast, survival, personalisation }: Signature): FurtherOutput[] {
  return survival ? ['lower', 'upper', 'survival'] : forecast ? ['lower', 'upper'] : personalisation ? ['personalised'] : [];
}

/** What an answer has beside its prediction and probabilities, in order: numbers all of them. */
export function furtherOutputs(signature: Signature): FurtherOutput[] {
  const ends: FurtherOutput[] = intervalCoverageOf(signature) === null ? [] : ['lower', 'upper'];
  return [...ends, ...graphOutputs(signature).filter((name) => !ends.includes(name))];
}

/** The tensors of the signature: one input for each feature, so that clients may send columns by name. */
export function tensorMetadata(signature: Signature): { inputs: TensorMetadata[]; outputs: TensorMetadata[] } {
  const inputs = signature.inputs.map(
    (input): TensorMetadata =>
      input.type === 'image'
        ? { name: input.name, datatype: 'UINT8', shape: [-1, input.height, input.width, input.channels] }
        : { name: input.name, datatype: input.type === 'number' ? 'FP64' : 'BYTES', shape: input.type === 'list' ? [-1, -1] : [-1] },
  );
  const { output } = signature;
  const outputs: TensorMetadata[] = signature.anomaly
    ? [
        { name: 'score', datatype: 'FP64', shape: [-1] },
        { name: 'isAnomaly', datatype: 'BOOL', shape: [-1] },
        ...(signature.anomaly.hasContributions ? [{ name: 'contributions', datatype: 'FP64' as const, shape: [-1, inputs.length] }] : []),
      ]
    : output.type === 'items'
    ? [
        { name: 'items', datatype: 'BYTES', shape: [-1, output.count] },
        { name: 'scores', datatype: 'FP32', shape: [-1, output.count] },
      ]
    : output.type === 'number'
      ? [
          { name: 'prediction', datatype: 'FP64', shape: [-1] },
        ]
      : [
          { name: 'prediction', datatype: 'BYTES', shape: [-1] },
          { name: 'probabilities', datatype: 'FP32', shape: [-1, output.classes.length] },
        ];
  return { inputs, outputs: [...outputs, ...furtherOutputs(signature).map((name): TensorMetadata => ({ name, datatype: 'FP64', shape: [-1] }))] };
}

/** The features as callers know them: of heads, all groups that were seen. */
function namedFeatures({ features, heads }: FittedPipeline): FittedFeature[] {
  return features.map((feature) => (heads && feature.name === heads.column && feature.type !== 'number' ? { ...feature, categories: heads.groups } : feature));
}

/** The empty text, lengthened until it is no category of the model. */
export function missingCategoryOf(features: readonly FittedFeature[]): string {
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
export function rowsPerCallFor({ cells, work }: { cells: number; work: number }): number {
  const rows = Math.min(MAX_ROWS_PER_CALL, MAX_CALL_BYTES / (8 * cells), MAX_CALL_WORK / work);
  return Math.max(1, Math.floor(rows));
}

/** Of one row: numbers in the widest tensor, and multiplications. */
function effortOf({ features, image, estimator }: FittedPipeline): { cells: number; work: number } {
  if (estimator.family === 'ensemble') {
    const efforts = estimator.members.map(effortOf);
    return { cells: Math.max(...efforts.map(({ cells }) => cells)), work: efforts.reduce((sum, { work }) => sum + work, 0) };
  }
  if (image) return effortOfPicture(image, estimator);
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
  if (estimator.family === 'convolutional') throw new Error('A convolutional network looks at a picture');
  return {
    cells: Math.max(width, ...estimator.layers.map((layer) => layer.units)),
    work: estimator.layers.reduce((sum, layer) => sum + layer.inputs * layer.units, 0),
  };
}

function effortOfPicture({ width, height, channels }: FittedImage, estimator: FittedPipeline['estimator']): { cells: number; work: number } {
  let [places, cells, work] = [width * height, width * height * channels, 1];
  if (estimator.family !== 'convolutional') return { cells, work };
  for (const { inputs, filters, pooled } of estimator.layers) {
    cells = Math.max(cells, places * filters);
    work += places * 9 * inputs * filters;
    if (pooled) places = Math.max(1, Math.floor(places / 4));
  }
  // Numbers of four bytes, where others have eight.
  return { cells: Math.ceil(cells / 2), work };
}
