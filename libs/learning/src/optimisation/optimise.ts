import {
  checkOptimisation, checkSpecAgainstColumns, defaultMaxLoss, isSearch, type OptimisationStep, type SelectionMetric, selectionMetricOf, type TrainingSpec,
} from '@millrace/configuration';
import { activateBackend, currentBackend } from '../backend.ts';
import { conformalInterval } from '../conformal-interval.ts';
import { expandDates } from '../date-columns.ts';
import { familyOf, scoreRows } from '../families/families.ts';
import { withAnswer } from '../fit-answer.ts';
import type { Metrics } from '../metrics.ts';
import { createPacer, type Pacer } from '../pacer.ts';
import type { FittedPipeline } from '../pipeline.ts';
import type { Scores } from '../predict.ts';
import { findInfinities, prepareData, type PreparedData, scoresToMetrics } from '../prepared-data.ts';
import { createRandom } from '../random.ts';
import { summariseTable } from '../summarise-table.ts';
import type { Problem } from '../table.ts';
import { applySteps } from './apply-steps.ts';
import { combinedSteps, firstSteps } from './candidate-steps.ts';
import type { OptimisedCandidate, OptimiseEvent, OptimiseOptions, OptimiseOutcome } from './outcome.ts';
import { figureOf, lossInPoints, lossInterval } from './points.ts';
import type { OptimisationWork } from './work.ts';

/** A model counts as faster only if it is by so much: two measurements of one model differ. */
const smallestGain = 0.05;

/**
 * Makes a trained model smaller or faster, by given steps or by those that reach a target, and measures what that costs.
 *
 * Steps learn from the rows that the base learned from. A choice is made by rows that neither has seen: those that the base's
 * training held back, or else half of the rows to test on. Test figures are of the others, and so is the interval. On the CPU backend
 * the same arguments give the same weights, bit for bit.
 */
export async function optimise(options: OptimiseOptions): Promise<OptimiseOutcome> {
  const { base, optimisation, signal, appraise } = options;
  const { steps, target, maxLoss } = optimisation;
  const problems = [
    ...checkSpecAgainstColumns(options.spec, summariseTable(options.table)), ...findInfinities(options.table, options.spec),
    ...checkOptimisation(optimisation, { family: base.estimator.family, isPlain: true, hasHeads: base.heads !== undefined }),
  ];
  if (problems.length > 0) return { type: 'invalid', problems };
  const expanded = expandDates(options.table, options.spec);
  if (expanded.type === 'invalid') return expanded;
  const { table, spec } = expanded;
  const backend = options.backend ?? (await currentBackend());
  await activateBackend(backend);
  const data = prepareData(table, spec);
  if (data.type === 'invalid') return data;
  const mismatch = mismatchOf(base, data);
  if (mismatch) return { type: 'invalid', problems: [mismatch] };

  const parts = divide(data, spec, base, target !== undefined || maxLoss !== undefined);
  const metric = selectionMetricOf(spec);
  const limit = maxLoss ?? (target ? defaultMaxLoss : Infinity);
  const run: Run = {
    data, metric, parts, appraise, pacer: createPacer(signal), emit: async (event) => options.onEvent?.(event), base: null,
    work: { data, spec, rows: parts.learning, seed: spec.split.seed, pacer: createPacer(signal) },
  };
  const measured = await measure(run, base, [], 0);
  if (!measured) return { type: 'cancelled' };
  run.base = measured;

  const first = steps ? [steps] : firstSteps(base, target!);
  await run.emit({ type: 'started', backend, candidates: first.length });
  const candidates: OptimisedCandidate[] = [];
  const failures: Problem[] = [];
  const tryAll = async (all: OptimisationStep[][]): Promise<boolean> => {
    const count = candidates.length + failures.length + all.length;
    for (const own of all) {
      const candidate = candidates.length + failures.length;
      await run.emit({ type: 'candidate-started', candidate, candidates: count, steps: own });
      const outcome = await tryCandidate(run, base, own);
      if (outcome.type === 'cancelled') return false;
      if (outcome.type === 'failed') {
        failures.push(outcome.problem);
        await run.emit({ type: 'candidate-failed', candidate, problem: outcome.problem });
        continue;
      }
      candidates.push(outcome.candidate);
      const { validationLoss, interval, appraisal: { sizeBytes, predTimeMsP50 }, fitTimeSeconds } = outcome.candidate;
      await run.emit({ type: 'candidate-finished', candidate, loss: validationLoss ?? interval?.loss ?? null, sizeBytes, predTimeMsP50, fitTimeSeconds });
    }
    return true;
  };
  const judge = (one: OptimisedCandidate) => complaintOf(one, measured.candidate, limit, target ?? null);
  if (!(await tryAll(first))) return { type: 'cancelled' };
  if (target && !(await tryAll(combinedSteps(base, target, candidates.filter((one) => judge(one) === null).map((one) => one.steps))))) return { type: 'cancelled' };
  if (candidates.length === 0 && failures.length > 0) return { type: 'invalid', problems: failures };

  const figure = ({ appraisal }: OptimisedCandidate) => (target === 'LATENCY' ? (appraisal.predTimeMsP50 ?? Infinity) : appraisal.sizeBytes);
  const fit = candidates.flatMap((candidate, index) => (judge(candidate) === null ? [index] : []));
  const best = fit.reduce<number | null>((least, index) => (least === null || figure(candidates[index]!) < figure(candidates[least]!) ? index : least), null);
  candidates.forEach((candidate, index) => {
    const reason = judge(candidate) ?? (index === best ? null : target === 'LATENCY' ? 'Another one within the greatest loss is faster.' : 'Another one within the greatest loss is smaller.');
    if (reason) candidate.reason = reason;
  });
  return { type: 'optimised', base: measured.candidate, candidates, best, chosenOn: parts.chosenOn };
}

interface Parts {
  learning: Int32Array;
  choosing: Int32Array;
  stating: Int32Array;
  chosenOn: 'validation' | 'half of the test rows' | null;
}

interface Measured {
  candidate: OptimisedCandidate;
  choosing: Scores | null;
  stating: Scores;
}

interface Run {
  data: PreparedData;
  metric: SelectionMetric;
  parts: Parts;
  work: OptimisationWork;
  pacer: Pacer;
  appraise: OptimiseOptions['appraise'];
  emit(event: OptimiseEvent): Promise<void>;
  base: Measured | null;
}

/** Rows that were held back count as unseen only where the base's family does not learn from them in the end. */
function divide(data: PreparedData, spec: TrainingSpec, base: FittedPipeline, chooses: boolean): Parts {
  const { train, validation, test } = data.split;
  const { family } = base.estimator;
  const learnsByItself = family !== 'ensemble' && spec.models.some((model) => model.family === family) && familyOf(family).learnsFromValidation === false;
  const isUnseen = validation.length > 0 && !isSearch(spec) && learnsByItself && spec.trainer.earlyStop?.refit !== true;
  if (isUnseen) return { learning: train, choosing: validation, stating: test, chosenOn: 'validation' };
  const learning = Int32Array.of(...train, ...validation).sort();
  if (!chooses || test.length < 2) return { learning, choosing: new Int32Array(), stating: test, chosenOn: null };
  const [choosing, stating] = halve(data, test, spec.split.seed);
  return { learning, choosing, stating, chosenOn: 'half of the test rows' };
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

async function tryCandidate(run: Run, base: FittedPipeline, steps: OptimisationStep[]): Promise<{ type: 'made'; candidate: OptimisedCandidate } | { type: 'failed'; problem: Problem } | { type: 'cancelled' }> {
  const begun = performance.now();
  const outcome = await applySteps(base, steps, run.work);
  if (outcome.type !== 'made') return outcome;
  const measured = await measure(run, outcome.pipeline, steps, (performance.now() - begun) / 1000);
  return measured ? { type: 'made', candidate: measured.candidate } : { type: 'cancelled' };
}

/** Scores and appraises a pipeline, beside the base once that is measured. Null when the pacer said stop. */
async function measure({ data, metric, parts: { choosing, stating }, work, pacer, appraise, base }: Run, made: FittedPipeline, steps: OptimisationStep[], fitTimeSeconds: number): Promise<Measured | null> {
  const scoresOf = (rows: Int32Array) => scoreRows(made, data.table, rows, pacer);
  const chosen = choosing.length > 0 ? await scoresOf(choosing) : null;
  const pipeline = base && chosen ? withOwnInterval(made, data, choosing, chosen) : made;
  const stated = await scoresOf(stating);
  if ((choosing.length > 0 && !chosen) || !stated) return null;
  const halfWidth = pipeline.target.type === 'number' ? pipeline.target.interval?.halfWidth : undefined;
  const metricsOf = (rows: Int32Array, scores: Scores): Metrics => scoresToMetrics(data, rows, scores, halfWidth);
  const value = (scores: Scores) => figureOf(data, choosing, scores, metric, Int32Array.from(choosing.keys()));
  const candidate: OptimisedCandidate = {
    steps, pipeline, fitTimeSeconds,
    metrics: { validation: chosen && metricsOf(choosing, chosen), test: metricsOf(stating, stated) },
    validationLoss: chosen && base?.choosing ? lossInPoints(metric, value(base.choosing), value(chosen)) : null,
    interval: base && lossInterval(data, stating, base.stating, stated, metric, work.seed),
    appraisal: await appraise(pipeline),
  };
  return { candidate, choosing: chosen, stating: stated };
}

/** How far numbers may be off, measured anew: a smaller model is further off. */
function withOwnInterval(pipeline: FittedPipeline, { truth }: PreparedData, rows: Int32Array, scores: Scores): FittedPipeline {
  const { target } = pipeline;
  if (target.type !== 'number' || !target.interval || scores.type !== 'values') return pipeline;
  return withAnswer(pipeline, { interval: conformalInterval(Float64Array.from(rows, (row) => truth[row]!), scores.predicted, target.interval.coverage) });
}

/** Why a candidate is no choice; null where it is one. */
function complaintOf({ validationLoss, interval, appraisal }: OptimisedCandidate, base: OptimisedCandidate, limit: number, target: 'SIZE' | 'LATENCY' | null): string | null {
  const loss = validationLoss ?? interval?.loss ?? null;
  if (limit !== Infinity && (loss === null || loss > limit)) {
    return loss === null ? 'Its loss is undefined on the rows that it is chosen by.' : `It is ${loss.toFixed(2)} points worse; at most ${limit} are allowed.`;
  }
  if (target === 'SIZE' && appraisal.sizeBytes >= base.appraisal.sizeBytes) return 'It is not smaller than the base.';
  if (target === 'LATENCY' && !((appraisal.predTimeMsP50 ?? Infinity) <= (base.appraisal.predTimeMsP50 ?? 0) * (1 - smallestGain))) return 'It is not faster than the base.';
  return null;
}
