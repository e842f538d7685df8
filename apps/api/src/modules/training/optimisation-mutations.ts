import type { InputFieldMap } from '@pothos/core';
import { isId } from '@millrace/kernel';
import type { OptimiseModelInput, OptimiseModelOutcome } from '@millrace/training';
import { computeSecondsUsedUp, conflict, conflictError, invalidInput, invalidInputError, notFound, notFoundError, quotaExceeded, quotaExceededError } from '../../error-types.ts';
import type { RequestContext } from '../../request-context.ts';
import { payloadUnion } from '../../payload-union.ts';
import { builder } from '../../schema-builder.ts';
import { calibrationEnum, methodEnum, precisionEnum, targetEnum } from './optimisation-types.ts';
import { runLimitsInput } from './run-mutations.ts';
import { runDeviceEnum } from './run-queue-types.ts';
import { runSuccess } from './run-success.ts';

const optimizeModelSuccess = runSuccess('OptimizeModelSuccess', 'The run is accepted. It tries what suits the version and makes a new version of the best, or fails with LOSS_TOO_GREAT or NOTHING_GAINED; its leaderboard shows every candidate.');
const compressModelSuccess = runSuccess('CompressModelSuccess', 'The run is accepted. It does the steps, measures what came out, and makes a new version of it.');

/** Both are refused alike. */
const refusals = [invalidInputError, notFoundError, conflictError, quotaExceededError] as const;

const optimizeModelPayload = payloadUnion('optimizeModel', [optimizeModelSuccess, ...refusals]);
const compressModelPayload = payloadUnion('compressModel', [compressModelSuccess, ...refusals]);

const versionId = 'ver_… of the base: READY, trained here, of which the data set is still there. It stays as it is.';
const maxLoss = 'How much worse the new version may be, in points of the score that the base was chosen by: percentage points of a share such as f1, percent of an error such as RMSE.';

type InputFields = Parameters<Parameters<typeof builder.inputType<'OptimizeModelInput', InputFieldMap>>[1]['fields']>[0];

/** What every run may be given. */
const termFields = (t: InputFields) => ({
  priority: t.int({ description: 'From -100 to 100 within the tenant, higher first; 0 if left out.' }),
  device: t.field({ type: runDeviceEnum, description: 'What to compute on; AUTO if left out.' }),
  limits: t.field({ type: runLimitsInput, description: 'The most the run may have; as the plan has it if left out.' }),
});

const optimizeModelInput = builder.inputType('OptimizeModelInput', {
  description: 'A version to be made smaller or faster.',
  fields: (t) => ({
    modelVersionId: t.id({ required: true, description: versionId }),
    target: t.field({ type: targetEnum, required: true, description: 'What to be best at.' }),
    maxLoss: t.float({ description: `${maxLoss} 0.5 if left out.` }),
    ...termFields(t),
  }),
});

const compressionStepInput = builder.inputType('CompressionStepInput', {
  description: 'One thing that is done to a model. Each method has its own settings.',
  fields: (t) => ({
    method: t.field({ type: methodEnum, required: true, description: 'What is done.' }),
    sparsity: t.float({ description: 'Of PRUNE: share of the weights that become 0.' }),
    keep: t.float({ description: 'Of PRUNE_UNITS, CONDENSE and PRUNE_TREES: share of units, rows or leaves that stay.' }),
    to: t.field({ type: precisionEnum, description: 'Of QUANTISE: what weights are kept as.' }),
    calibration: t.field({ type: calibrationEnum, description: 'Of QUANTISE to INT8; STATIC if left out.' }),
    clusters: t.int({ description: 'Of CLUSTER: different values that the weights of a layer may have.' }),
    units: t.intList({ description: 'Of DISTIL: units of each hidden layer of the network that learns.' }),
    temperature: t.float({ description: 'Of DISTIL: how much the answers of the teacher are softened.' }),
    teacherShare: t.float({ description: 'Of DISTIL: how much the teacher counts beside the truth.' }),
  }),
});

const compressModelInput = builder.inputType('CompressModelInput', {
  description: 'A version, and what is to be done to it.',
  fields: (t) => ({
    modelVersionId: t.id({ required: true, description: versionId }),
    steps: t.field({ type: [compressionStepInput], required: true, description: 'What is done, in this order; methods that suit the family of the version.' }),
    maxLoss: t.float({ description: `${maxLoss} Beyond it no version is made. Any, if left out.` }),
    ...termFields(t),
  }),
});

function refusal(outcome: Exclude<OptimiseModelOutcome, { type: 'submitted' }>) {
  switch (outcome.type) {
    case 'version-not-found':
      return notFound('version', 'modelVersionId');
    case 'invalid':
      return invalidInput(outcome.problems);
    case 'not-optimisable':
      return conflict(outcome.code, 'modelVersionId', outcome.message, outcome.remedy);
    case 'compute-seconds-used-up':
      return computeSecondsUsedUp(outcome);
    case 'quota-exceeded':
      return quotaExceeded(outcome);
  }
}

/** What was given, without what was left out: settings of other methods are refused, and null is no setting. */
const given = (step: object): object => Object.fromEntries(Object.entries(step).filter(([, value]) => value != null));

type Asked = Pick<typeof optimizeModelInput.$inferInput, 'modelVersionId' | 'maxLoss' | 'priority' | 'device' | 'limits'>;

/** Both ask for the same kind of run, one by steps and one by a target. */
async function submit<Name extends string>(typename: Name, { services, signedIn }: Pick<RequestContext, 'services' | 'signedIn'>, asked: Asked, work: Pick<OptimiseModelInput, 'steps' | 'target'>) {
  const { modelVersionId, maxLoss: most, priority, device, limits } = asked;
  if (!isId('modelVersion', modelVersionId)) return notFound('version', 'modelVersionId');
  const outcome = await services.training.optimiseModel(signedIn, {
    modelVersionId, ...work, maxLoss: most ?? undefined, priority: priority ?? undefined, device: device ?? undefined, limits: limits ?? undefined,
  });
  return outcome.type === 'submitted' ? { __typename: typename, runId: outcome.run.id } : refusal(outcome);
}

builder.mutationFields((t) => ({
  optimizeModel: t.field({
    type: optimizeModelPayload,
    action: 'model.optimise',
    authScopes: { permission: 'run:submit' },
    description: 'Finds the smallest or fastest version that can be made of one, within a greatest loss. Everything that can be known to be wrong is said now.',
    args: { input: t.arg({ type: optimizeModelInput, required: true, description: 'Version, target and greatest loss.' }) },
    resolve: (_root, { input: { target, ...asked } }, context) => submit('OptimizeModelSuccess', context, asked, { target }),
  }),
  compressModel: t.field({
    type: compressModelPayload,
    action: 'model.compress',
    authScopes: { permission: 'run:submit' },
    description: 'Makes a version from one by chosen steps. Everything that can be known to be wrong is said now.',
    args: { input: t.arg({ type: compressModelInput, required: true, description: 'Version and steps.' }) },
    resolve: (_root, { input: { steps, ...asked } }, context) => submit('CompressModelSuccess', context, asked, { steps: steps.map(given) }),
  }),
}));
