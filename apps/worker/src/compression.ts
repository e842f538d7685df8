import { defaultMaxLoss, type OptimisationStep, type SelectionMetric } from '@millrace/configuration';
import { type Appraisal, type Backend, compress, type FittedPipeline, type LossBound, type LossInterval, type Metrics, metricValue, type Table } from '@millrace/learning';
import { appraisePipeline } from './pipeline-package.ts';
import type { TrainerJob } from './trainer-protocol.ts';

/** How a compressed model compares with the uncompressed one, as the leaderboard and the version keep it. */
export interface CompressionReport {
  /** number of the uncompressed model in the leaderboard */
  of: number;
  steps: OptimisationStep[];
  /** points that it may lose */
  maxLoss: number;
  loss: LossInterval | null;
  bound: LossBound | null;
  score: number | null;
  uncompressedScore: number | null;
  cost: Appraisal | null;
  uncompressedCost: Appraisal | null;
  /** whether it became the version */
  kept: boolean;
  /** why it did not */
  warning: { message: string; remedy: string } | null;
}

export interface CompressedModel {
  steps: OptimisationStep[];
  pipeline: FittedPipeline;
  metrics: { validation: Metrics | null; test: Metrics };
  fitTimeSeconds: number;
  cost: Appraisal;
}

interface Chosen {
  number: number;
  pipeline: FittedPipeline;
  metric: SelectionMetric;
}

export type CompressionOutcome = { type: 'done'; report: CompressionReport; model: CompressedModel | null } | { type: 'cancelled' };

/** Compresses what a run has chosen, and says whether it may become the version: within the declared loss and the gate of its model. */
export async function compressChosen({ spec, gate }: TrainerJob, chosen: Chosen, table: Table, { backend, signal }: { backend: Backend; signal: AbortSignal }): Promise<CompressionOutcome> {
  const maxLoss = Math.min(spec.compress?.maxLoss ?? gate?.optimisedAtMostWorse ?? defaultMaxLoss, gate?.optimisedAtMostWorse ?? Infinity);
  const outcome = await compress({ base: chosen.pipeline, table, spec, maxLoss, backend, signal, appraise: (pipeline) => appraisePipeline(pipeline, table) });
  if (outcome.type === 'cancelled') return outcome;
  if (outcome.type === 'unfit') {
    const { message, remedy } = outcome.problem;
    const nothing = { steps: [], loss: null, bound: null, score: null, uncompressedScore: null, cost: null, uncompressedCost: null };
    return { type: 'done', model: null, report: { of: chosen.number, maxLoss, ...nothing, kept: false, warning: warningOf(message, remedy) } };
  }
  const { base, compressed, complaint } = outcome;
  const refusal = complaint ?? belowChampion(compressed.metrics.test, gate?.champion ?? null);
  const { steps, model: pipeline, metrics, fitTimeSeconds, appraisal: cost, interval, bound } = compressed;
  return {
    type: 'done',
    model: { steps, pipeline, metrics, fitTimeSeconds, cost },
    report: {
      of: chosen.number, steps, maxLoss, loss: interval, bound,
      score: metricValue(metrics.test, chosen.metric), uncompressedScore: metricValue(base.metrics.test, chosen.metric),
      cost, uncompressedCost: base.appraisal,
      kept: refusal === null,
      warning: refusal === null ? null : warningOf(refusal, 'Compress less, allow a greater maxLoss, or train with more rows to test on.'),
    },
  };
}

const warningOf = (message: string, remedy: string) => ({ message: `The version is the uncompressed model. ${message}`, remedy });

/** The gate that holds for every version of a model. */
function belowChampion(metrics: Metrics, champion: NonNullable<TrainerJob['gate']>['champion']): string | null {
  if (!champion) return null;
  const { metric, score, atMostWorse, isError } = champion;
  const value = (metrics as unknown as Record<string, unknown>)[metric];
  if (typeof value !== 'number') return `It has no ${metric}, which the gate of its model asks for.`;
  const worse = isError ? value - score : score - value;
  return worse <= atMostWorse + 1e-12 ? null : `Its ${metric} is ${value}, that of the champion ${score}; at most ${atMostWorse} worse is allowed.`;
}

/** For the events of the run. */
export function noteOf({ kept, warning, steps, loss, maxLoss }: CompressionReport): { type: string; data: { message: string; remedy?: string } } {
  if (warning) return { type: 'not-compressed', data: { ...warning } };
  const points = loss && Number(Math.abs(loss.loss).toPrecision(3));
  const lost = loss === null ? '' : `, ${points} points ${loss.loss < 0 ? 'better' : 'worse'} where ${maxLoss} may be lost`;
  return { type: kept ? 'compressed' : 'not-compressed', data: { message: `The version is the compressed model: ${steps.map(({ method }) => method).join(', ')}${lost}.` } };
}
