import type { Leak } from '@millrace/datasets';
import { isId } from '@millrace/kernel';
import {
  conflict,
  computeSecondsUsedUp,
  conflictError,
  errorInterface,
  invalidInput,
  invalidInputError,
   notFound,
  notFoundError,
  quotaExceeded,
  quotaExceededError } from '../../error-types.ts';
import { payloadUnion } from '../../payload-union.ts';
import { builder } from '../../schema-builder.ts';
import { leakType } from '../datasets/target-report-types.ts';
import { runDeviceEnum } from './run-queue-types.ts';
import { runSuccess } from './run-success.ts';

const submitRunSuccess = runSuccess('SubmitRunSuccess', 'The run is accepted and will reach exactly one end.');

interface LeakingShape {
  __typename: 'LeakingInputsError';
  code: string;
  message: string;
  remedy: string;
  columns: string[];
  leaks: Leak[];
}

const leakingInputsError = builder.objectRef<LeakingShape>('LeakingInputsError').implement({
  interfaces: [errorInterface],
  description: 'Input features give the target away. Nothing was queued.',
  fields: (t) => ({
    columns: t.exposeStringList('columns', { description: 'The input features concerned: acknowledge them, or leave them out.' }),
    leaks: t.expose('leaks', { type: [leakType], description: 'How they do it.' }),
  }),
});

const submitRunPayload = payloadUnion('submitRun', [submitRunSuccess, invalidInputError, notFoundError, conflictError, leakingInputsError, quotaExceededError]);

export const runLimitsInput = builder.inputType('RunLimitsInput', {
  description: 'The most that a run may have: no more than the plan allows (see trainingLimits).',
  fields: (t) => ({
    memoryMb: t.int({ description: 'Of its training process, in MB, from 512 on.' }),
    minutes: t.int({ description: 'That it may compute, over all attempts.' }),
  }),
});

const submitRunInput = builder.inputType('SubmitRunInput', {
  description: 'A training to be run.',
  fields: (t) => ({
    datasetVersionId: t.id({ required: true, description: 'dsv_… of what to learn from.' }),
    modelName: t.string({ required: true, description: 'The registered model that gets a version; made if it is new.' }),
    spec: t.field({ type: 'JSON', required: true, description: 'The training configuration, as an object or as YAML text; see trainingConfigurationSchema.' }),
    acknowledgedLeaks: t.stringList({
      description: 'Columns that give the target away and are to be used all the same, since their values are known when predictions are made. Recorded with the run.',
    }),
    priority: t.int({ description: 'From -100 to 100 within the tenant, higher first; 0 if left out.' }),
    device: t.field({ type: runDeviceEnum, description: 'What to compute on; AUTO if left out.' }),
    limits: t.field({ type: runLimitsInput, description: 'The most the run may have; as the plan has it if left out.' }),
  }),
});

const cancelRunSuccess = runSuccess('CancelRunSuccess', 'A queued run has ended; a running one is stopped by its worker within two seconds.');

const cancelRunPayload = payloadUnion('cancelRun', [cancelRunSuccess, notFoundError, conflictError]);

const cancelRunInput = builder.inputType('CancelRunInput', {
  description: 'A run to be stopped.',
  fields: (t) => ({ id: t.id({ required: true, description: 'run_…' }) }),
});

function leakingInputs(leaks: Leak[], columns: string[]): LeakingShape {
  const named = columns.map((name) => `“${name}”`).join(', ');
  return {
    __typename: 'LeakingInputsError',
    code: 'leak_unacknowledged',
    message: leaks.length === 1 ? leaks[0]!.message : `The input features ${named} give the target away: they are probably known only once the target is.`,
    remedy: `Leave ${columns.length === 1 ? 'the column' : 'these columns'} out, or acknowledge ${columns.length === 1 ? 'it' : 'them'} (acknowledgedLeaks: ${JSON.stringify(columns)}) if the values are known when predictions are made.`,
    columns,
    leaks,
  };
}

builder.mutationFields((t) => ({
  submitRun: t.field({
    type: submitRunPayload,
    action: 'run.submit',
    authScopes: { permission: 'run:submit' },
    description: 'Submits a training run. Everything that can be known to be wrong with it is said now.',
    args: { input: t.arg({ type: submitRunInput, required: true, description: 'The run.' }) },
    resolve: async (_root, { input: { datasetVersionId, modelName, spec, priority, acknowledgedLeaks, device, limits } }, { services, signedIn }) => {
      if (!isId('datasetVersion', datasetVersionId)) return notFound('data set version', 'datasetVersionId');
      const outcome = await services.training.submit(signedIn, {
        datasetVersionId, modelName, spec, priority: priority ?? 0, acknowledgedLeaks: acknowledgedLeaks ?? [], device: device ?? 'AUTO', limits: limits ?? {},
      });
      switch (outcome.type) {
        case 'submitted':
          return { __typename: 'SubmitRunSuccess' as const, runId: outcome.run.id };
        case 'invalid':
          return invalidInput(outcome.problems);
        case 'dataset-version-not-found':
          return notFound('data set version', 'datasetVersionId');
        case 'leaking':
          return leakingInputs(outcome.leaks, outcome.columns);
        case 'model-conflict':
          return conflict('model_conflict', 'modelName', outcome.message, 'Choose another model name.');
        case 'compute-seconds-used-up':
          return computeSecondsUsedUp(outcome);
        case 'quota-exceeded':
          return quotaExceeded(outcome);
      }
    },
  }),
  cancelRun: t.field({
    type: cancelRunPayload,
    action: 'run.cancel',
    authScopes: { permission: 'run:cancel' },
    description: 'Stops a run. Asking twice is no error as long as it goes on.',
    args: { input: t.arg({ type: cancelRunInput, required: true, description: 'The run.' }) },
    resolve: async (_root, { input: { id } }, { services, signedIn }) => {
      if (!isId('run', id)) return notFound('run', 'id');
      const outcome = await services.training.cancel(signedIn, id);
      switch (outcome.type) {
        case 'cancelled':
        case 'cancel-requested':
          return { __typename: 'CancelRunSuccess' as const, runId: id };
        case 'not-found':
          return notFound('run', 'id');
        case 'already-final':
          return conflict('run_already_final', 'id', `The run is ${outcome.run.status} already.`, 'There is nothing left to stop.');
      }
    },
  }),
}));
