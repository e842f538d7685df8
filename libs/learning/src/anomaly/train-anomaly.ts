import { type AnomalyFamily, type AnomalyMetric, type AnomalyModelSettings, selectionMetricOf, type TrainingSpec } from '@millrace/configuration';
import { activateBackend, type Backend, currentBackend } from '../backend.ts';
import type { DenseState, EpochResult } from '../dense-network.ts';
import { learnableTable } from '../learnable-table.ts';
import { createPacer, type Pacer } from '../pacer.ts';
import { fitFeatures, type FittedFeature } from '../pipeline.ts';
import { fingerprintOf } from '../progress.ts';
import type { Split } from '../split.ts';
import { decodeState, encodeState } from '../state-codec.ts';
import type { Problem, Table } from '../table.ts';
import type { CheckpointStore } from '../train.ts';
import { type AnomalyMetrics, meritOf } from './anomaly-metrics.ts';
import type { AnomalyReport } from './anomaly-report.ts';
import { fitAutoencoder } from './autoencoder.ts';
import type { FittedDetector, FittedScorer } from './detector.ts';
import { fitIsolationForest } from './isolation-forest.ts';
import { createJudge, type JudgedDetector } from './judge-detector.ts';
import { type AnomalyData, prepareAnomalyData } from './prepare-anomaly.ts';
import { fitRobustZScore } from './robust-z-score.ts';

export interface TrainAnomalyOptions {
  table: Table;
  /** must have `anomaly` */
  spec: TrainingSpec;
  /** Default: the current backend, or the best of this machine. */
  backend?: Backend | undefined;
  checkpoint?: CheckpointStore | undefined;
  signal?: AbortSignal | undefined;
  /** Told of progress; awaited. */
  onEvent?: ((event: TrainAnomalyEvent) => void | Promise<void>) | undefined;
}

export type TrainAnomalyEvent =
  | { type: 'resumed'; trial: number; epoch: number }
  | { type: 'trial-started'; trial: number; trials: number; family: AnomalyFamily | 'baseline' }
  | { type: 'epoch'; trial: number; epoch: number; epochs: number; loss: number };

/** One candidate: how it tells anomalies, and how well. */
export interface AnomalyTrial {
  family: AnomalyFamily | 'baseline';
  parameters: Record<string, unknown>;
  detector: FittedDetector;
  metrics: { validation: AnomalyMetrics; test: AnomalyMetrics; baseline: AnomalyMetrics };
  /** of the test rows */
  report: AnomalyReport;
  fitTimeSeconds: number;
  epochs: number;
}

export type TrainAnomalyOutcome =
  | {
      type: 'trained';
      trials: AnomalyTrial[];
      /** Index in `trials` of the best by the selection metric, on the validation rows. */
      best: number;
      selectionMetric: AnomalyMetric;
      backend: Backend;
      split: Split;
      dropped: number;
      anomalousClass: string | null;
      warnings: string[];
    }
  | { type: 'cancelled' }
  | { type: 'invalid'; problems: Problem[] };

type Candidate = AnomalyModelSettings | { family: 'baseline' };

/** What a checkpoint holds: the models that are learned, and where the network in training stands. */
interface Progress {
  fits: (Fit | { problem: Problem })[];
  current: { seconds: number; state: DenseState } | null;
}

interface Fit {
  scorer: FittedScorer;
  seconds: number;
  epochs: number;
}

/**
 * Learns every candidate of an anomaly detection, and a baseline, from the training rows; sets the threshold of each on the
 * validation rows, which none learns from (on others than those that models are chosen by, where there are enough); and judges them on the test rows. The label, where there is one, judges, and says
 * which rows are normal if only these are to be learned from: no model ever reads it.
 *
 * The same table, configuration and backend give the same models, bit for bit, also when the run was stopped and resumed.
 */
export async function trainAnomaly(options: TrainAnomalyOptions): Promise<TrainAnomalyOutcome> {
  const { signal } = options;
  const learnable = learnableTable(options);
  if (learnable.type === 'invalid') return learnable;
  const { table, spec } = learnable;
  const settings = spec.anomaly!;
  const backend = options.backend ?? (await currentBackend());
  await activateBackend(backend);
  const data = prepareAnomalyData(table, spec);
  if (data.type === 'invalid') return data;
  const fitted = fitFeatures(table, spec.inputFeatures, data.split.train);
  if (fitted.type === 'invalid') return fitted;
  const { features } = fitted;
  const pacer = createPacer(signal);
  const emit = async (event: TrainAnomalyEvent) => options.onEvent?.(event);

  const candidates: Candidate[] = [...settings.models, { family: 'baseline' }];
  const fingerprint = fingerprintOf(table, spec, spec.split.seed);
  const progress = await restore(options.checkpoint, fingerprint);
  if (progress.fits.length > 0 || progress.current) await emit({ type: 'resumed', trial: progress.fits.length, epoch: progress.current?.state.epoch ?? 0 });
  const save = async (epoch: number | null) => {
    if (options.checkpoint?.isDue(epoch)) await options.checkpoint.save(encodeState({ fingerprint, ...progress }));
  };

  const judge = await createJudge(table, spec, features, data, pacer);
  const found: { family: AnomalyTrial['family']; parameters: Record<string, unknown>; fit: Fit; judged: JudgedDetector }[] = [];
  const failures: Problem[] = [];
  for (const [trial, candidate] of candidates.entries()) {
    if (signal?.aborted) return { type: 'cancelled' };
    const { family, ...parameters } = candidate;
    await emit({ type: 'trial-started', trial, trials: candidates.length, family });
    if (trial === progress.fits.length) {
      const outcome = await fit(candidate, trial, { table, features, data, spec, pacer }, progress.current, async (current, { epoch, loss }) => {
        progress.current = current;
        await emit({ type: 'epoch', trial, epoch, epochs: spec.trainer.epochs, loss });
        await save(epoch);
      });
      if (!outcome) return { type: 'cancelled' };
      progress.current = null;
      progress.fits.push(outcome);
      await save(null);
    }
    const done = progress.fits[trial]!;
    if ('problem' in done) {
      failures.push(done.problem);
      continue;
    }
    const judged = await judge(done.scorer);
    if (!judged) return { type: 'cancelled' };
    found.push({ family, parameters: family === 'autoencoder' ? { ...parameters, ...spec.trainer } : parameters, fit: done, judged });
  }

  const baseline = found.find(({ family }) => family === 'baseline')!.judged;
  const trials = found.map(({ family, parameters, fit: { seconds, epochs }, judged: { detector, validation, test, report } }): AnomalyTrial => ({
    family, parameters, detector, report, epochs, fitTimeSeconds: seconds, metrics: { validation, test, baseline: baseline.test },
  }));
  const contenders = trials.filter(({ family }) => family !== 'baseline');
  if (contenders.length === 0) return { type: 'invalid', problems: failures };
  const selectionMetric = selectionMetricOf(spec) as AnomalyMetric;
  const isBlind = contenders.every(({ metrics }) => metrics.validation[selectionMetric] === null);
  const merit = ({ metrics }: AnomalyTrial) => meritOf(metrics.validation, isBlind ? 'massVolume' : selectionMetric);
  const best = contenders.reduce((chosen, trial, index) => (merit(trial) > merit(contenders[chosen]!) ? index : chosen), 0);
  const stated = trials[best]!.detector.falseAlarmRate;
  const warnings = [
    ...failures.map(({ message }) => message),
    ...(contenders.length > 1 && !data.isApart ? [`There are too few validation rows for some to choose the model and others to set its threshold: the same ones do both, so that the stated rate of false alarms is a little too good. The test rows tell.`] : []),
    ...(isBlind ? [`The validation rows hold no anomaly that is known, so the models were compared by mass volume instead of ${selectionMetric}.`] : []),
    ...(!spec.selection.costs && stated > settings.falseAlarmRate + 1e-9 ? [`${data.calibration.length} validation rows are too few for the rate asked for: ${stated.toPrecision(2)} is what the highest of their scores stands for.`] : []),
  ];
  return { type: 'trained', trials, best, selectionMetric, backend, split: data.split, dropped: data.dropped, anomalousClass: data.anomalousClass, warnings };
}

interface FitJob {
  table: Table;
  features: FittedFeature[];
  data: AnomalyData;
  spec: TrainingSpec;
  pacer: Pacer;
}

/** Null when the pacer said stop. */
async function fit(
  candidate: Candidate, model: number, { table, features, data, spec, pacer }: FitJob, current: Progress['current'],
  onEpoch: (current: NonNullable<Progress['current']>, result: EpochResult) => Promise<void>,
): Promise<Fit | { problem: Problem } | null> {
  const begun = performance.now() - (current?.seconds ?? 0) * 1000;
  const elapsed = () => (performance.now() - begun) / 1000;
  const { train: rows } = data.split;
  const common = { table, features, rows, seed: spec.split.seed, model, pacer };
  const done = (scorer: FittedScorer, epochs = 0): Fit => ({ scorer, seconds: elapsed(), epochs });
  switch (candidate.family) {
    case 'baseline':
      return done({ family: 'baseline' });
    case 'robust_z_score':
      return done(fitRobustZScore(table, features, rows, candidate.combine));
    case 'isolation_forest': {
      const scorer = await fitIsolationForest({ ...common, settings: candidate });
      return scorer && done(scorer);
    }
    case 'autoencoder': {
      const outcome = await fitAutoencoder({
        ...common, settings: candidate, trainer: spec.trainer, resume: current?.state ?? null,
        onEpoch: (state, result) => onEpoch({ seconds: elapsed(), state }, result),
      });
      if (outcome.type === 'cancelled') return null;
      if (outcome.type === 'fitted') return done(outcome.scorer, outcome.epochs);
      const { learningRate } = spec.trainer;
      return {
        problem: {
          field: 'trainer.learningRate',
          message: `The loss of the autoencoder grew beyond all numbers in epoch ${outcome.epoch}.`,
          remedy: `Lower the learning rate (now ${learningRate}), for example to ${learningRate / 10}.`,
        },
      };
    }
  }
}

async function restore(checkpoint: CheckpointStore | undefined, fingerprint: string): Promise<Progress> {
  const bytes = await checkpoint?.load();
  const stored = bytes ? (decodeState(bytes) as (Progress & { fingerprint: string }) | null) : null;
  return stored?.fingerprint === fingerprint ? { fits: stored.fits, current: stored.current } : { fits: [], current: null };
}
