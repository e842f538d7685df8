import type { Backend, CheckpointStore } from '@millrace/learning';
import type { TrainerMessage } from './trainer-protocol.ts';

/** What a run is made in. */
export interface Surroundings {
  backend: Backend;
  checkpoint: CheckpointStore;
  /** when it is to be broken off */
  signal: AbortSignal;
  /** Resolves when the message has left. */
  send(message: TrainerMessage): Promise<void>;
  /** From now on a pause breaks it off at once, without a checkpoint: what is lost is quickly made anew. */
  stopWhenPaused(): void;
}

/** Tells of a training that gave no model. */
export function tellUntrained(outcome: { type: 'cancelled' } | { type: 'invalid'; problems: readonly { message: string; remedy: string }[] }, send: Surroundings['send']): Promise<void> {
  if (outcome.type === 'cancelled') return send({ type: 'cancelled' });
  const { message, remedy } = outcome.problems[0]!;
  return send({ type: 'failed', failure: { code: 'INVALID_DATA', message, remedy, fault: 'USER' } });
}
