import { isSearch, type OptimisationStep, type SelectionMetric, selectionMetricOf, type TrainingSpec } from '@millrace/configuration';
import { activateBackend, type Backend, currentBackend } from '../backend.ts';
import { conformalInterval } from '../conformal-interval.ts';
import { familyOf, scoreRows } from '../families/families.ts';
import { withAnswer } from '../fit-answer.ts';
import { learnableTable } from '../learnable-table.ts';
import type { Metrics } from '../metrics.ts';
import { createPacer, type Pacer } from '../pacer.ts';
import type { FittedPipeline } from '../pipeline.ts';
import type { Scores } from '../predict.ts';
import { prepareData, type PreparedData, scoresToMetrics } from '../prepared-data.ts';
import { createRandom } from '../random.ts';
import type { Problem, Table } from '../table.ts';
import { type Answered, type Answers, boundLoss, joinAnswers } from './loss-bound.ts';
import { madeUpRows } from './made-up-rows.ts';
import type { OptimisedCandidate, OptimiseOptions } from './outcome.ts';
import { figureOf, lossInPoints, lossInterval } from './points.ts';
import { sampleOf } from './quantise.ts';
import type { OptimisationWork, StepOutcome } from './work.ts';

/** Rows without a truth that both models are asked: of those that were learned from so many at most, and so many made-up ones. */
const [mostKnown, madeUp] = [5000, 2000];

/** Steps that do not learn from rows what to answer. */
const keepsAnswers: ReadonlySet<OptimisationStep['method']> = new Set(['quantise', 'cluster', 'merge_trees']);

export interface Parts {
  learning: Int32Array;
  choosing: Int32Array;
  stating: Int32Array;
  chosenOn: 'validation' | 'half of the test rows' | null;
}

/** A model beside its base, both measured on the same rows. */
export interface Comparison {
  parts: Parts;
  metric: SelectionMetric;
  backend: Backend;
  work: OptimisationWork;
  /** the base, measured; its `interval` is null */
  base: OptimisedCandidate;
  /** Measures what came of the base. Null when the pacer said stop. */
  measure(outcome: StepOutcome & { type: 'made' }, steps: OptimisationStep[], fitTimeSeconds: number): Promise<OptimisedCandidate | null>;
}

interface Asked {
  base: FittedPipeline;
  isDerived?: boolean | undefined;
  table: Table;
  spec: TrainingSpec;
  backend?: Backend | undefined;
  signal?: AbortSignal | undefined;
  appraise: OptimiseOptions['appraise'];
  /** whether rows are set apart to choose by */
  chooses: boolean;
}

/** Divides the rows as the base's training did and measures the base. */
export async function compareWith(asked: Asked): Promise<{ type: 'ready'; comparison: Comparison } | { type: 'cancelled' } | { type: 'invalid'; problems: Problem[] }> {
  const { base, appraise } = asked;
  const learnable = learnableTable(asked);
  if (learnable.type === 'invalid') return learnable;
  const { table, spec } = learnable;
  const backend = asked.backend ?? (await currentBackend());
  await activateBackend(backend);
  const data = prepareData(table, spec);
  if (data.type === 'invalid') return data;
  const mismatch = mismatchOf(base, data);
  if (mismatch) return { type: 'invalid', problems: [mismatch] };

  const parts = divide(data, spec, asked);
  const metric = selectionMetricOf(spec);
  const pacer = createPacer(asked.signal);
  const { seed } = spec.split;
  const scored: Scored = {
    data, metric, parts, appraise, pacer, seed,
    known: sampleOf(parts.learning, mostKnown, seed),
    madeUp: base.image ? null : madeUpRows(data.table.columns, parts.learning, madeUp, createRandom(seed, 0xa5c)),
  };
  const measured = await measure(scored, base, [], 0, null);
  if (!measured) return { type: 'cancelled' };
  const work = { data, spec, rows: parts.learning, seed, pacer: createPacer(asked.signal) };
  return {
    type: 'ready',
    comparison: {
      parts, metric, backend, work, base: measured.candidate,
      measure: async ({ pipeline }, steps, fitTimeSeconds) => (await measure(scored, pipeline, steps, fitTimeSeconds, measured))?.candidate ?? null,
    },
  };
}

interface Scored {
  data: PreparedData;
  metric: SelectionMetric;
  parts: Parts;
  /** of the rows that were learned from */
  known: Int32Array;
  /** null where rows are pictures, which cannot be put together of others */
  madeUp: Table | null;
  appraise: OptimiseOptions['appraise'];
  pacer: Pacer;
  seed: number;
}

interface Measured {
  candidate: OptimisedCandidate;
  /** to rows that were learned from */
  known: Scores;
  /** to made-up rows */
  madeUp: Scores | null;
  choosing: Scores | null;
  stating: Scores;
}

/** Rows that were held back count as unseen only where the base's family does not learn from them in the end, nor any that it may have been made from. */
function divide(data: PreparedData, spec: TrainingSpec, { base, isDerived = false, chooses }: Asked): Parts {
  const { train, validation, test } = data.split;
  const { family } = base.estimator;
  const leavesOut = (of: string): boolean => of !== 'ensemble' && familyOf(of as Parameters<typeof familyOf>[0]).learnsFromValidation === false;
  const learnsByItself = spec.models.some((model) => model.family === family) && leavesOut(family) && (!isDerived || spec.models.every((model) => leavesOut(model.family)));
  // Heads learn from all rows but those to test on.
  const isUnseen = validation.length > 0 && !base.heads && !isSearch(spec) && learnsByItself && spec.trainer.earlyStop?.refit !== true;
  if (isUnseen) return { learning: train, choosing: validation, stating: test, chosenOn: 'validation' };
  const learning = joined(train, validation);
  if (!chooses || test.length < 2) return { learning, choosing: new Int32Array(), stating: test, chosenOn: null };
  const [choosing, stating] = halve(data, test, spec.split.seed);
  return { learning, choosing, stating, chosenOn: 'half of the test rows' };
}

function joined(first: Int32Array, second: Int32Array): Int32Array {
  const all = new Int32Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all.sort();
}

/** At random, every class by itself. */
function halve({ target, truth }: PreparedData, rows: Int32Array, seed: number): [Int32Array, Int32Array] {
  const halves: [number[], number[]] = [[], []];
  const counts = new Map<number, number>();
  for (const place of createRandom(seed, 0x4a1f).permutation(rows.length)) {
    const row = rows[place]!;
    const group = target.task === 'classification' ? truth[row]! : 0;
    const count = counts.get(group) ?? 0;
    counts.set(group, count + 1);
    halves[(count + group) % 2]!.push(row);
  }
  return [Int32Array.from(halves[0]).sort(), Int32Array.from(halves[1]).sort()];
}

/** The rows must be those of the base: a classifier of other classes cannot be compared. */
function mismatchOf({ target, features, image }: FittedPipeline, { target: own, table }: PreparedData): Problem | null {
  const remedy = 'Name the data set version that the base was trained on.';
  const classes = target.type === 'number' ? null : target.classes.join('\0');
  const ownClasses = own.task === 'regression' ? null : own.classes.join('\0');
  if (classes !== ownClasses) return { field: 'base', message: `“${target.name}” has other classes in the data than in the base.`, remedy };
  const lacking = features.find(({ name }) => !table.columns.some((column) => column.name === name));
  if (lacking) return { field: 'base', message: `The data have no column “${lacking.name}”, which the base reads.`, remedy };
  return image && table.pictures?.name !== image.name ? { field: 'base', message: `The data have no pictures “${image.name}”, which the base looks at.`, remedy } : null;
}

/** Scores and appraises a pipeline, beside the base once that is measured. Null when the pacer said stop. */
async function measure(scored: Scored, made: FittedPipeline, steps: OptimisationStep[], fitTimeSeconds: number, base: Measured | null): Promise<Measured | null> {
  const { data, metric, parts: { choosing, stating }, pacer, appraise, seed } = scored;
  const scoresOf = (rows: Int32Array, table = data.table) => scoreRows(made, table, rows, pacer);
  const chosen = choosing.length > 0 ? await scoresOf(choosing) : null;
  const pipeline = base && chosen ? withOwnInterval(made, data, choosing, chosen) : made;
  const [stated, known] = [await scoresOf(stating), await scoresOf(scored.known)];
  const madeUp = scored.madeUp && (await scoresOf(Int32Array.from({ length: scored.madeUp.rows }, (_, row) => row), scored.madeUp));
  if ((choosing.length > 0 && !chosen) || !stated || !known || (scored.madeUp && !madeUp)) return null;
  const halfWidth = pipeline.target.type === 'number' ? pipeline.target.interval?.halfWidth : undefined;
  const metricsOf = (rows: Int32Array, scores: Scores): Metrics => scoresToMetrics(data, rows, scores, halfWidth);
  const value = (scores: Scores) => figureOf(data, choosing, scores, metric, Int32Array.from(choosing.keys()));
  const interval = base && lossInterval(data, stating, base.stating, stated, metric, seed);
  const candidate: OptimisedCandidate = {
    steps, model: pipeline, fitTimeSeconds,
    metrics: { validation: chosen && metricsOf(choosing, chosen), test: metricsOf(stating, stated) },
    validationLoss: chosen && base?.choosing ? lossInPoints(metric, value(base.choosing), value(chosen)) : null,
    interval, validationBound: null, bound: null,
    appraisal: await appraise(pipeline),
  };
  if (base) {
    const held: Answered | null = chosen && base.choosing && { rows: choosing, base: base.choosing, own: chosen };
    const unscored = answersWithoutTruth({ known, madeUp }, base, steps);
    if (held) candidate.validationBound = boundLoss(data, held, unscored, metric, lossInterval(data, choosing, held.base, held.own, metric, seed));
    candidate.bound = boundLoss(data, { rows: stating, base: base.stating, own: stated }, held ? unscored.map((answers) => joinAnswers(held, answers)) : unscored, metric, interval);
  }
  return { candidate, known, madeUp, choosing: chosen, stating: stated };
}

/** Sets of answers by which a model may be shown to be the same as its base, the widest first. */
function answersWithoutTruth(own: Pick<Measured, 'known' | 'madeUp'>, base: Pick<Measured, 'known' | 'madeUp'>, steps: readonly OptimisationStep[]): Answers[] {
  const known: Answers = { base: base.known, own: own.known };
  const all = own.madeUp && base.madeUp ? [joinAnswers(known, { base: base.madeUp, own: own.madeUp })] : [];
  // What learned on from these rows answers them as the base does, which has learned from them too, whatever it answers to others.
  return steps.every(({ method }) => keepsAnswers.has(method)) ? [...all, known] : all;
}

/** How far numbers may be off, measured anew: a smaller model is further off. */
function withOwnInterval(pipeline: FittedPipeline, { truth }: PreparedData, rows: Int32Array, scores: Scores): FittedPipeline {
  const { target } = pipeline;
  if (target.type !== 'number' || !target.interval || scores.type !== 'values') return pipeline;
  return withAnswer(pipeline, { interval: conformalInterval(Float64Array.from(rows, (row) => truth[row]!), scores.predicted, target.interval.coverage) });
}
