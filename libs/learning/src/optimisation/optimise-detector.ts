import { type AnomalyMetric, checkOptimisation, type OptimisationStep, selectionMetricOf, type TrainingSpec } from '@millrace/configuration';
import type { AnomalyMetrics } from '../anomaly/anomaly-metrics.ts';
import type { FittedDetector, FittedScorer } from '../anomaly/detector.ts';
import { createJudge, type JudgedDetector } from '../anomaly/judge-detector.ts';
import { massVolume } from '../anomaly/mass-volume.ts';
import { type AnomalyData, prepareAnomalyData } from '../anomaly/prepare-anomaly.ts';
import { scoreTable } from '../anomaly/score-anomalies.ts';
import { activateBackend, currentBackend } from '../backend.ts';
import { learnableTable } from '../learnable-table.ts';
import { createPacer, type Pacer } from '../pacer.ts';
import { encodeRows } from '../pipeline.ts';
import type { Scores } from '../predict.ts';
import type { PreparedData } from '../prepared-data.ts';
import { createRandom } from '../random.ts';
import type { Problem, Table } from '../table.ts';
import { chooseAmong } from './choose.ts';
import { boundLoss, fewestDrawn } from './loss-bound.ts';
import { madeUpRows } from './made-up-rows.ts';
import type { LossBound, LossInterval, OptimiseOptions, OptimiseOutcome } from './outcome.ts';
import { drawLoss, lossInterval } from './points.ts';
import { calibrationRows, layersToFloat16, layersToInt8, sampleOf } from './quantise.ts';

export type OptimiseDetectorOptions = OptimiseOptions<FittedDetector>;

type OptimiseDetectorOutcome = OptimiseOutcome<FittedDetector, AnomalyMetrics>;

type Steps = OptimisationStep[];

/** Rows without a truth that both are asked, besides those that are judged: learned from, and made up. */
const [mostKnown, madeUp] = [5000, 2000];

const trees = (keep: number): Steps => [{ method: 'prune_trees', keep }];
const int8 = (calibration: 'static' | 'dynamic'): Steps => [{ method: 'quantise', to: 'int8', calibration }];

/**
 * Makes a detector of anomalies smaller or faster: an isolation forest keeps its first trees, an autoencoder its weights in fewer
 * bits. The threshold of what comes of it is set anew, for the same rate of false alarms (or the same costs), on the validation
 * rows that the base's was set on; the choice is made by the validation rows that models are chosen by, which none learned from, and stated by the test rows.
 */
export async function optimiseDetector(options: OptimiseDetectorOptions): Promise<OptimiseDetectorOutcome> {
  const { base, optimisation } = options;
  const isKept = base.scorer.family === 'autoencoder' && base.scorer.layers.some(({ storage }) => storage !== undefined);
  const problems = checkOptimisation(optimisation, { family: base.scorer.family, kind: 'anomaly', hasHeads: false, isKept });
  if (problems.length > 0) return { type: 'invalid', problems };
  const learnable = learnableTable(options);
  if (learnable.type === 'invalid') return learnable;
  const { table, spec } = learnable;
  await activateBackend(options.backend ?? (await currentBackend()));
  const data = prepareAnomalyData(table, spec);
  if (data.type === 'invalid') return data;
  const mismatch = mismatchOf(base, table);
  if (mismatch) return { type: 'invalid', problems: [mismatch] };

  const pacer = createPacer(options.signal);
  const { seed } = spec.split;
  const measuring: Measuring = {
    data, table, pacer, seed, features: base.features, appraise: options.appraise,
    metric: selectionMetricOf(spec) as AnomalyMetric,
    judge: await createJudge(table, spec, base.features, data, pacer),
    known: sampleOf(data.split.train, mostKnown, seed),
    madeUp: madeUpRows(table.columns, data.split.train, madeUp, createRandom(seed, 0xa5c)),
    costs: spec.selection.costs ?? null,
  };
  const measured = await measure(measuring, base.scorer, [], 0, null);
  if (!measured) return { type: 'cancelled' };
  return chooseAmong({
    base: measured.candidate,
    chosenOn: 'validation',
    async attempt(steps) {
      const begun = performance.now();
      const scorer = steps.reduce((one, step) => withStep(one, step, measuring), base.scorer);
      const made = await measure(measuring, scorer, steps, (performance.now() - begun) / 1000, measured);
      return made ? { type: 'measured', candidate: made.candidate } : { type: 'cancelled' };
    },
  }, {
    optimisation, onEvent: options.onEvent, combined: () => [],
    first: base.scorer.family === 'isolation_forest' ? [0.5, 0.25, 0.1].map(trees) : [int8('static'), int8('dynamic'), ...(optimisation.target === 'SIZE' ? [[{ method: 'quantise', to: 'float16' } as const]] : [])],
  });
}

/** The configuration has been checked: the step suits the family. */
function withStep(scorer: FittedScorer, step: OptimisationStep, { features, table, data, seed }: Pick<Measuring, 'features' | 'table' | 'data' | 'seed'>): FittedScorer {
  if (scorer.family === 'isolation_forest' && step.method === 'prune_trees') {
    return { ...scorer, trees: scorer.trees.slice(0, Math.max(1, Math.round(step.keep * scorer.trees.length))) };
  }
  if (scorer.family !== 'autoencoder' || step.method !== 'quantise') return scorer;
  if (step.to === 'float16') return { ...scorer, layers: layersToFloat16(scorer.layers) };
  const rows = sampleOf(data.split.train, calibrationRows, seed);
  return { ...scorer, layers: layersToInt8(scorer.layers, step.calibration ?? 'static', new Float32Array(encodeRows(features, table, rows)), rows.length) };
}

function mismatchOf({ features }: FittedDetector, table: Table): Problem | null {
  const lacking = features.find(({ name }) => !table.columns.some((column) => column.name === name));
  return lacking ? { field: 'base', message: `The data have no column “${lacking.name}”, which the base reads.`, remedy: 'Name the data set version that the base was trained on.' } : null;
}

interface Measuring {
  data: AnomalyData;
  table: Table;
  features: FittedDetector['features'];
  metric: AnomalyMetric;
  costs: TrainingSpec['selection']['costs'] | null;
  seed: number;
  pacer: Pacer;
  judge: Awaited<ReturnType<typeof createJudge>>;
  known: Int32Array;
  madeUp: Table;
  appraise: OptimiseDetectorOptions['appraise'];
}

interface Measured {
  candidate: Extract<OptimiseDetectorOutcome, { type: 'optimised' }>['base'];
  judged: JudgedDetector;
  /** of rows that were learned from, and of made-up ones after them */
  unjudged: Float64Array;
}

/** Null when the pacer said stop. */
async function measure(measuring: Measuring, scorer: FittedScorer, steps: Steps, fitTimeSeconds: number, base: Measured | null): Promise<Measured | null> {
  const { data, table, features, pacer, judge, known, appraise } = measuring;
  const judged = await judge(scorer);
  const learned = await scoreTable(scorer, features, table, known, pacer);
  const invented = await scoreTable(scorer, features, measuring.madeUp, Int32Array.from({ length: measuring.madeUp.rows }, (_, row) => row), pacer);
  if (!judged || !learned || !invented) return null;
  const unjudged = Float64Array.of(...learned.scores, ...invented.scores);
  const { detector } = judged;
  const own: Measured = { judged, unjudged, candidate: { steps, model: detector, fitTimeSeconds, metrics: { validation: judged.validation, test: judged.test }, validationLoss: null, validationBound: null, interval: null, bound: null, details: judged.report, appraisal: await appraise(detector) } };
  if (!base) return own;
  const chosen = lossOf(measuring, base, own, 'choosing', data.choosing);
  const stated = lossOf(measuring, base, own, 'test', data.split.test);
  Object.assign(own.candidate, { validationLoss: chosen.interval?.loss ?? null, validationBound: chosen.bound, interval: stated.interval, bound: stated.bound });
  return own;
}

function lossOf(measuring: Measuring, base: Measured, own: Measured, part: 'choosing' | 'test', rows: Int32Array): { interval: LossInterval | null; bound: LossBound } {
  return measuring.metric === 'massVolume' ? volumeLoss(measuring, base, own, part) : labelledLoss(measuring, base, own, part, rows);
}

/** By the rows whose label is known, which are two classes: normal ones and anomalies. Scores order them as probabilities would. */
function labelledLoss({ data: { labels }, metric, costs, seed }: Measuring, base: Measured, own: Measured, part: 'choosing' | 'test', rows: Int32Array): { interval: LossInterval | null; bound: LossBound } {
  const kept = Int32Array.from(rows.keys()).filter((place) => labels !== null && labels[rows[place]!]! >= 0);
  const data = {
    target: { task: 'classification', name: 'anomaly', type: 'binary', classes: ['0', '1'], positiveClass: '1', costs },
    truth: Float64Array.from(kept, (place) => labels![rows[place]!]!),
  } as Pick<PreparedData, 'target' | 'truth'> as PreparedData;
  const answers = (scores: Float64Array, { judged }: Measured): Scores => ({
    type: 'classes', predicted: Int32Array.from(scores, (score) => Number(score > judged.detector.threshold)), probabilities: Float64Array.from({ length: 2 * scores.length }, (_, at) => (at % 2 ? scores[at >> 1]! : -scores[at >> 1]!)),
  });
  const judgedBy = (one: Measured) => answers(Float64Array.from(kept, (place) => one.judged.scores[part][place]!), one);
  const places = Int32Array.from(kept.keys());
  const [before, now] = [judgedBy(base), judgedBy(own)];
  const interval = kept.length > 0 ? lossInterval(data, places, before, now, metric as Exclude<AnomalyMetric, 'massVolume'>, seed) : null;
  const alike = [{ base: answers(base.unjudged, base), own: answers(own.unjudged, own) }];
  return { interval, bound: boundLoss(data, { rows: places, base: before, own: now }, alike, metric as Exclude<AnomalyMetric, 'massVolume'>, interval) };
}

/** Scores that lie nearer to each other than this share of their size are the same. */
const sameWithin = 1e-3;

/** Without a label: by the volume of what is usual, of rows drawn anew, the rows that it is measured by being the same. */
function volumeLoss({ seed }: Measuring, base: Measured, own: Measured, part: 'choosing' | 'test'): { interval: LossInterval | null; bound: LossBound } {
  const rows = own.judged.scores[part].length;
  const figure = ({ judged: { scores } }: Measured) => {
    const reference = scores.reference.slice().sort();
    return (places: Int32Array) => massVolume(Float64Array.from(places, (place) => scores[part][place]!), reference);
  };
  const interval = drawLoss('massVolume', rows, seed, figure(base), figure(own));
  const all = ({ judged: { scores }, unjudged }: Measured) => [...scores[part], ...scores.reference, ...unjudged];
  const before = all(base);
  const differing = all(own).filter((score, at) => !(Math.abs(score - before[at]!) <= sameWithin * Math.max(1, Math.abs(before[at]!)))).length;
  if (interval && differing === 0) return { interval, bound: { atMost: Math.max(0, interval.loss), by: 'answers', rows: before.length, differing } };
  return { interval, bound: { atMost: interval && rows >= fewestDrawn ? interval.upper : null, by: 'score', rows, differing } };
}
