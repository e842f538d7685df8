import { isId } from '@millrace/kernel';
import { conflict, conflictError, notFound, notFoundError } from '../../error-types.ts';
import { payloadUnion } from '../../payload-union.ts';
import { builder } from '../../schema-builder.ts';
import { runSuccess } from './run-success.ts';

const pauseRunSuccess = runSuccess('PauseRunSuccess', 'A queued run is paused; a running one saves a checkpoint and pauses within seconds.');

const pauseRunPayload = payloadUnion('pauseRun', [pauseRunSuccess, notFoundError, conflictError]);

const pauseRunInput = builder.inputType('PauseRunInput', {
  description: 'A run to be paused.',
  fields: (t) => ({ id: t.id({ required: true, description: 'run_…' }) }),
});

const resumeRunSuccess = runSuccess('ResumeRunSuccess', 'The run waits in the queue again, at the place of its priority and age.');

const resumeRunPayload = payloadUnion('resumeRun', [resumeRunSuccess, notFoundError, conflictError]);

const resumeRunInput = builder.inputType('ResumeRunInput', {
  description: 'A paused run to be gone on with.',
  fields: (t) => ({ id: t.id({ required: true, description: 'run_…' }) }),
});

builder.mutationFields((t) => ({
  pauseRun: t.field({
    type: pauseRunPayload,
    action: 'run.pause',
    authScopes: { permission: 'run:cancel' },
    description: 'Pauses a run: it keeps what it has learnt and frees its worker. Asking twice is no error as long as it is at work.',
    args: { input: t.arg({ type: pauseRunInput, required: true, description: 'The run.' }) },
    resolve: async (_root, { input: { id } }, { services, signedIn }) => {
      if (!isId('run', id)) return notFound('run', 'id');
      const outcome = await services.training.pause(signedIn, id);
      switch (outcome.type) {
        case 'paused':
        case 'pause-requested':
          return { __typename: 'PauseRunSuccess' as const, runId: id };
        case 'not-found':
          return notFound('run', 'id');
        case 'already-paused':
          return conflict('run_already_paused', 'id', 'The run is paused already.', 'Resume it when it should go on.');
        case 'already-final':
          return conflict('run_already_final', 'id', `The run is ${outcome.run.status} already.`, 'There is nothing left to pause.');
      }
    },
  }),
  resumeRun: t.field({
    type: resumeRunPayload,
    action: 'run.resume',
    authScopes: { permission: 'run:cancel' },
    description: 'Puts a paused run back into the queue. It goes on from its checkpoint, and ends as if it had not been paused.',
    args: { input: t.arg({ type: resumeRunInput, required: true, description: 'The run.' }) },
    resolve: async (_root, { input: { id } }, { services, signedIn }) => {
      if (!isId('run', id)) return notFound('run', 'id');
      const outcome = await services.training.resume(signedIn, id);
      switch (outcome.type) {
        case 'resumed':
          return { __typename: 'ResumeRunSuccess' as const, runId: id };
        case 'not-found':
          return notFound('run', 'id');
        case 'not-paused':
          return outcome.run.pauseRequestedAt
            ? conflict('run_still_pausing', 'id', 'The run is about to pause.', 'Resume it when it is PAUSED, within seconds.')
            : conflict('run_not_paused', 'id', `The run is ${outcome.run.status}.`, 'Only a paused run can be resumed.');
      }
    },
  }),
}));
