import { Badge, type Tone } from '../../design/badge.tsx';
import type { RunFieldsFragment, RunStatus } from '../../gql/graphql.ts';

const states: Record<RunStatus, { label: string; tone: Tone }> = {
  QUEUED: { label: 'Queued', tone: 'neutral' },
  RUNNING: { label: 'Running', tone: 'accent' },
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
  const within = progress.epochs ? progress.epoch / progress.epochs : 0;
  return Math.min(1, (progress.trial + within) / progress.trials);
}

const families: Record<string, string> = { knn: 'k-nearest neighbours', dense: 'Dense network', exponential_smoothing: 'Exponential smoothing', lag_linear: 'Lag regression', drift: 'Drift', combination: 'Combination', seasonal_naive: 'Seasonal naive', naive: 'Naive' };

export function familyName(family: string): string {
  return families[family] ?? family;
}

/** Where a run is, in words: "Dense network, epoch 12 of 100 (model 2 of 3)". */
export function whereabouts(run: Pick<RunFieldsFragment, 'status' | 'progress' | 'queuePosition'>): string {
  if (run.status === 'QUEUED') {
    return run.queuePosition ? `Waiting: ${run.queuePosition} of your runs go first` : 'Waiting for a worker';
  }
  if (isFinal(run.status)) return '';
  const { progress } = run;
  if (!progress?.family) return 'Preparing the data';
  const epochs = progress.epochs > 0 ? `, epoch ${progress.epoch} of ${progress.epochs}` : '';
  const trials = progress.trials > 1 ? ` (model ${progress.trial + 1} of ${progress.trials})` : '';
  return `${familyName(progress.family)}${epochs}${trials}`;
}
