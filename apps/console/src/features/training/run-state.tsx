import { Badge, type Tone } from '../../design/badge.tsx';
import { formatCount, formatNumber, formatSeconds } from '../../design/format.ts';
import type { RunDevice, RunFieldsFragment, RunStatus } from '../../gql/graphql.ts';

const states: Record<RunStatus, { label: string; tone: Tone }> = {
  QUEUED: { label: 'Queued', tone: 'neutral' },
  RUNNING: { label: 'Running', tone: 'accent' },
  PAUSED: { label: 'Paused', tone: 'warn' },
  SUCCEEDED: { label: 'Succeeded', tone: 'good' },
  FAILED: { label: 'Failed', tone: 'bad' },
  CANCELLED: { label: 'Cancelled', tone: 'warn' },
};

export function isFinal(status: RunStatus): boolean {
  return status === 'SUCCEEDED' || status === 'FAILED' || status === 'CANCELLED';
}

export function RunState({ status }: { status: RunStatus }) {
  const { label, tone } = states[status];
  return (
    <Badge tone={tone} isLive={status === 'RUNNING'}>
      {label}
    </Badge>
  );
}

/** How far a run is, 0 to 1: whole trials, and the epochs of the one under way; null before anything is known. */
export function shareDone(run: Pick<RunFieldsFragment, 'status' | 'progress'>): number | null {
  if (run.status === 'SUCCEEDED') return 1;
  const { progress } = run;
  if (!progress?.trials) return run.status === 'RUNNING' ? null : 0;
  if (progress.secondsUsed !== null && progress.timeLimitSeconds) return Math.min(1, progress.secondsUsed / progress.timeLimitSeconds);
  const within = progress.epochs ? progress.epoch / progress.epochs : 0;
  return Math.min(1, (progress.trial + within) / progress.trials);
}

const families: Record<string, string> = {
  baseline: 'Baseline',
  linear: 'Linear model',
  knn: 'k-nearest neighbours',
  dense: 'Dense network',
  boosted_trees: 'Boosted trees',
  random_forest: 'Random forest',
  ensemble: 'Ensemble',
  robust_z_score: 'Robust z-score',
  isolation_forest: 'Isolation forest',
  autoencoder: 'Autoencoder',
  exponential_smoothing: 'Exponential smoothing',
  lag_linear: 'Lag regression',
  lag_trees: 'Lag trees',
  gru: 'Recurrent network',
  tcn: 'Convolutional network',
  drift: 'Drift',
  combination: 'Combination',
  seasonal_naive: 'Seasonal naive',
  naive: 'Naive',
  popularity: 'Popularity',
  item_neighbours: 'Item neighbours',
  matrix_factorisation: 'Matrix factorisation',
  two_tower: 'Two-tower network',
  accelerated_failure: 'Accelerated failure time',
  kaplan_meier: 'Kaplan-Meier curve',
  convolutional: 'Network for pictures',
  onnx: 'Imported (ONNX)',
};

export function familyName(family: string): string {
  return families[family] ?? family;
}

/** `12.3 s of 1 min 0 s` of a search; nothing for other runs. */
export function timeUsed({ progress }: Pick<RunFieldsFragment, 'progress'>): string | undefined {
  if (progress?.secondsUsed == null) return undefined;
  return formatSeconds(progress.secondsUsed) + (progress.timeLimitSeconds === null ? '' : ` of ${formatSeconds(progress.timeLimitSeconds)}`);
}

/** Why a run waits, how many of one's own go first, and when it may start. */
function waitInWords({ position, estimatedStart, waitsFor, reason }: NonNullable<RunFieldsFragment['queue']>): string {
  const cause = waitsFor === 'TURN' ? (position ? `Waiting: ${formatCount(position)} of your runs ${position === 1 ? 'goes' : 'go'} first.` : 'Waiting for a worker.') : reason;
  return estimatedStart === null ? `${cause} No estimate of its start.` : `${cause} May start ${formatSoon(estimatedStart)}.`;
}

/** An estimate is no clock: "within a minute", "in about 12 minutes". */
export function formatSoon(moment: string, now = Date.now()): string {
  const minutes = Math.round((new Date(moment).getTime() - now) / 60_000);
  if (minutes < 1) return 'within a minute';
  if (minutes < 90) return `in about ${minutes} ${minutes === 1 ? 'minute' : 'minutes'}`;
  return `in about ${Math.round(minutes / 60)} hours`;
}

export const deviceNames: Record<RunDevice, string> = { AUTO: 'Any', CPU: 'CPU', GPU: 'GPU' };

/** Where a run is, in words: "Dense network, epoch 12 of 100 (model 2 of 3)". */
export function whereabouts(run: Pick<RunFieldsFragment, 'status' | 'progress' | 'queue'>): string {
  if (run.status === 'QUEUED') return run.queue ? waitInWords(run.queue) : 'Waiting for a worker';
  if (run.status === 'PAUSED') return 'Paused: it keeps what it has learnt';
  if (isFinal(run.status)) return '';
  const { progress } = run;
  if (!progress?.family) return 'Preparing the data';
  if (progress.secondsUsed !== null) {
    const best = progress.bestScore === null ? '' : `, best score so far ${formatNumber(progress.bestScore)}`;
    return `Searching: trial ${progress.trial + 1}, ${familyName(progress.family)}${best}`;
  }
  const epochs = progress.epochs > 0 ? `, epoch ${progress.epoch} of ${progress.epochs}` : '';
  const trials = progress.trials > 1 ? ` (model ${progress.trial + 1} of ${progress.trials})` : '';
  return `${familyName(progress.family)}${epochs}${trials}`;
}
