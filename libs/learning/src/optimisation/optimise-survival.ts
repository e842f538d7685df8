import { checkOptimisation, horizonInput, type OptimisationStep, selectionMetricOf, type SurvivalMetric, type TrainingSpec } from '@millrace/configuration';
import { learnableTable } from '../learnable-table.ts';
import { createPacer, type Pacer } from '../pacer.ts';
import type { FittedPipeline } from '../pipeline.ts';
import { createRandom } from '../random.ts';
import type { FittedSurvival } from '../survival/fitted-survival.ts';
import type { SurvivalCurve } from '../survival/kaplan-meier.ts';
import { survivalChart } from '../survival/survival-chart.ts';
import { prepareSurvival, type SurvivalData } from '../survival/survival-data.ts';
import { censoringCurve, scoreSurvival, type SurvivalAnswers, survivalFigure, type SurvivalMetrics } from '../survival/survival-metrics.ts';
import { locationAnswers } from '../survival/train-survival.ts';
import type { Problem, Table } from '../table.ts';
import { applySteps } from './apply-steps.ts';
import { chooseAmong } from './choose.ts';
import { fewestDrawn } from './loss-bound.ts';
import type { LossBound, LossInterval, OptimiseOptions, OptimiseOutcome } from './outcome.ts';
import { drawLoss } from './points.ts';
import { sampleOf } from './quantise.ts';

type Location = Extract<FittedSurvival['answer'], { type: 'location' }>;

/** The base gives a location. */
export type OptimiseSurvivalOptions = OptimiseOptions<FittedSurvival>;

type OptimiseSurvivalOutcome = OptimiseOutcome<FittedSurvival, SurvivalMetrics>;

type Steps = OptimisationStep[];
/** Rows that were learned from, which both are asked as well. */
const mostKnown = 5000;
const merge: OptimisationStep = { method: 'merge_trees' };

/**
 * Takes leaves from the trees of a survival model, or keeps its line in fewer bits; how far times spread around the location stays. It has learned
 * from all rows but those to test on: where something is chosen, half of these choose, and the others state.
 */
export async function optimiseSurvival(options: OptimiseSurvivalOptions): Promise<OptimiseSurvivalOutcome> {
  const { base, optimisation } = options;
  const problems = checkOptimisation(optimisation, { family: base.family, kind: 'survival', hasHeads: false, isKept: storageOf(base) !== undefined });
  if (problems.length > 0) return { type: 'invalid', problems };
  const learnable = learnableTable(options);
  if (learnable.type === 'invalid') return learnable;
  const { spec } = learnable;
  // No estimator reads the time asked for; trees are encoded with it all the same.
  const table: Table = { ...learnable.table, columns: [...learnable.table.columns, { name: horizonInput, type: 'number', values: new Float64Array(learnable.table.rows).fill(base.horizon) }] };
  const data = prepareSurvival(table, spec);
  if (data.type === 'invalid') return data;
  const lacking = base.features.find(({ name }) => !table.columns.some((column) => column.name === name));
  if (lacking) return { type: 'invalid', problems: [mismatch(lacking.name)] };
  const { seed } = spec.split;
  const pacer = createPacer(options.signal);
  const { train, validation, test } = data.data.split;
  const learned = Int32Array.from([...train, ...validation]).sort();
  const chooses = (optimisation.target !== undefined || optimisation.maxLoss !== undefined) && test.length > 1;
  const [choosing, stating] = chooses ? halve(data, test, seed) : [new Int32Array(), test];
  const pick = (values: Float64Array | Uint8Array) => Float64Array.from(learned, (row) => values[row]!);
  const times = pick(data.times);
  const measuring: Measuring = { data, spec, pacer, choosing, stating, known: sampleOf(learned, mostKnown, seed), seed, censoring: censoringCurve(times, pick(data.observed)), metric: selectionMetricOf(spec) as SurvivalMetric, appraise: options.appraise };
  const own = { ...base, spread: deviationOf(times) };
  const measured = await measure(measuring, own, [], 0, null);
  if (!measured) return { type: 'cancelled' };
  const answer = base.answer as Location;
  return chooseAmong({
    base: measured.candidate,
    chosenOn: chooses ? 'half of the test rows' : null,
    async attempt(steps) {
      const begun = performance.now();
      const made = await applySteps(answer.pipeline, steps, { data: data.data, spec, rows: learned, seed, pacer });
      if (made.type !== 'made') return made;
      const candidate = await measure(measuring, { ...own, answer: { ...answer, pipeline: made.pipeline } }, steps, (performance.now() - begun) / 1000, measured);
      return candidate ? { type: 'measured', candidate: candidate.candidate } : { type: 'cancelled' };
    },
  }, {
    optimisation, onEvent: options.onEvent, combined: () => [],
    first: base.family === 'boosted_trees' ? [[merge], ...[0.6, 0.35, 0.15].map((keep): Steps => [{ method: 'prune_trees', keep }, merge])] : [[{ method: 'quantise', to: 'float16' }]],
  });
}

const mismatch = (name: string): Problem => ({ field: 'base', message: `The data have no column “${name}”, which the base reads.`, remedy: 'Name the data set version that the base was trained on.' });

function storageOf({ answer }: FittedSurvival): string | undefined {
  const estimator: FittedPipeline['estimator'] | null = answer.type === 'location' ? answer.pipeline.estimator : null;
  return estimator?.family === 'linear' ? estimator.storage : undefined;
}

function deviationOf(unsorted: Float64Array): number {
  const times = unsorted.slice().sort();
  const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
  return Math.sqrt(times.reduce((sum, time) => sum + (time - mean) ** 2, 0) / times.length);
}

/** At random, rows that saw an end and others by themselves. */
function halve({ observed }: SurvivalData, rows: Int32Array, seed: number): [Int32Array, Int32Array] {
  const halves: [number[], number[]] = [[], []];
  const counts = [0, 0];
  for (const place of createRandom(seed, 0x4a1f).permutation(rows.length)) {
    const group = observed[rows[place]!]!;
    halves[(counts[group]!++ + group) % 2]!.push(rows[place]!);
  }
  return [Int32Array.from(halves[0]).sort(), Int32Array.from(halves[1]).sort()];
}

interface Measuring {
  data: SurvivalData;
  spec: TrainingSpec;
  pacer: Pacer;
  choosing: Int32Array;
  stating: Int32Array;
  known: Int32Array;
  censoring: SurvivalCurve;
  metric: SurvivalMetric;
  seed: number;
  appraise: OptimiseSurvivalOptions['appraise'];
}

interface Measured {
  candidate: Extract<OptimiseSurvivalOutcome, { type: 'optimised' }>['base'];
  choosing: SurvivalAnswers | null;
  stating: SurvivalAnswers;
  /** of rows that were learned from */
  known: Float64Array;
}

/** Null when the pacer said stop. */
async function measure({ data, spec, pacer, choosing, stating, known, censoring, metric, seed, appraise }: Measuring, survival: FittedSurvival, steps: Steps, fitTimeSeconds: number, base: Measured | null): Promise<Measured | null> {
  const answers = (rows: Int32Array) => locationAnswers(data, rows, survival.answer as Location, spec, pacer);
  const [chosen, stated, learned] = [choosing.length > 0 ? await answers(choosing) : null, await answers(stating), await answers(known)];
  if ((choosing.length > 0 && !chosen) || !stated || !learned) return null;
  const figure = (of: SurvivalAnswers) => survivalFigure(of, censoring, metric);
  const countDiffering = (before: Float64Array, now: Float64Array) => now.filter((value, row) => !(Math.abs(value - before[row]!) <= sameWithin * before[row]!)).length;
  const keepsAnswers = steps.every(({ method }) => method !== 'prune_trees');
  const compare = (before: SurvivalAnswers, now: SurvivalAnswers): { interval: LossInterval | null; bound: LossBound } => {
    const rows = now.times.length;
    const interval = drawLoss(metric, rows, seed, figure(before), figure(now));
    const differing = countDiffering(before.median, now.median) + countDiffering(base!.known, learned.median);
    // Merged trees and rounded weights learn nothing: what answers all rows alike has lost nothing.
    if (interval && keepsAnswers && differing === 0) return { interval, bound: { atMost: Math.max(0, interval.loss), by: 'answers', rows: rows + known.length, differing } };
    return { interval, bound: { atMost: interval && rows >= fewestDrawn ? interval.upper : null, by: 'score', rows, differing } };
  };
  const held = base?.choosing && chosen ? compare(base.choosing, chosen) : null;
  const own = base && compare(base.stating, stated);
  return {
    choosing: chosen, stating: stated, known: learned.median,
    candidate: {
      steps, model: survival, fitTimeSeconds, metrics: { validation: chosen && scoreSurvival(chosen, censoring), test: scoreSurvival(stated, censoring) },
      validationLoss: held?.interval?.loss ?? null, validationBound: held?.bound ?? null, interval: own?.interval ?? null, bound: own?.bound ?? null, details: survivalChart(stated), appraisal: await appraise(survival),
    },
  };
}

/** Medians that lie nearer to each other than this share of them are the same answer. */
const sameWithin = 1e-3;
