import type { EndRolloutOutcome, SetTrafficOutcome, StartRolloutOutcome } from '@millrace/registry';
import { conflict, conflictError, invalidInput, invalidInputError, notFound, notFoundError } from '../../error-types.ts';
import { payloadUnion } from '../../payload-union.ts';
import { builder } from '../../schema-builder.ts';
import { changedEndpoint } from './changed-endpoint.ts';
import { rollbackMetricEnum, thresholdOperatorEnum } from './rollout-types.ts';

type Refused = Exclude<SetTrafficOutcome | StartRolloutOutcome | EndRolloutOutcome, { type: 'set' | 'started' | 'ended' }>;

function refused(outcome: Refused) {
  switch (outcome.type) {
    case 'invalid':
      return invalidInput(outcome.problems);
    case 'not-found':
      return notFound(outcome.field === 'endpointName' ? 'endpoint' : 'version', outcome.field, outcome.message);
    case 'conflict':
      return conflict(outcome.code, outcome.field, outcome.message, outcome.remedy);
  }
}

const startRolloutSuccess = builder.objectRef<{ __typename: 'StartRolloutSuccess'; rolloutId: string }>('StartRolloutSuccess').implement({
  description: 'The version has its first share within a second, once it is loaded.',
  fields: (t) => ({
    rollout: t.prismaField({
      type: 'Rollout',
      description: 'The rollout.',
      resolve: (query, { rolloutId: id }, _args, { db, tenantId }) => db.rollout.findUniqueOrThrow({ ...query, where: { tenantId_id: { tenantId, id } } }),
    }),
  }),
});

const refusals = [invalidInputError, notFoundError, conflictError];
const setEndpointTrafficPayload = changedEndpoint('SetEndpointTraffic', 'setEndpointTraffic', refusals);
const promoteRolloutPayload = changedEndpoint('PromoteRollout', 'promoteRollout', refusals);
const rollBackEndpointPayload = changedEndpoint('RollBackEndpoint', 'rollBackEndpoint', refusals);

const startRolloutPayload = payloadUnion('startRollout', [startRolloutSuccess, invalidInputError, notFoundError, conflictError]);

const shareInput = builder.inputType('TrafficShareInput', {
  description: 'A version and its share.',
  fields: (t) => ({
    versionNumber: t.int({ required: true, description: 'The version.' }),
    percent: t.int({ required: true, description: 'Share of the requests, in percent.' }),
  }),
});

const setTrafficInput = builder.inputType('SetEndpointTrafficInput', {
  description: 'How an endpoint’s requests are divided.',
  fields: (t) => ({
    endpointName: t.string({ required: true, description: 'The endpoint.' }),
    traffic: t.field({ type: [shareInput], required: true, description: 'Who answers; the shares add up to 100.' }),
    mirror: t.field({ type: [shareInput], required: false, description: 'Who is shown requests beside, without answering. Costs compute, and no units.' }),
  }),
});

const rollbackRuleInput = builder.inputType('RollbackRuleInput', {
  description: 'What rolls a rollout back.',
  fields: (t) => ({
    metric: t.field({ type: rollbackMetricEnum, required: true, description: 'What is looked at.' }),
    op: t.field({ type: thresholdOperatorEnum, required: false, description: 'How it is compared. Default: BELOW for what is better when higher, else ABOVE.' }),
    threshold: t.float({ required: true, description: 'With what.' }),
  }),
});

const startRolloutInput = builder.inputType('StartRolloutInput', {
  description: 'A version that is to take over an endpoint.',
  fields: (t) => ({
    endpointName: t.string({ required: true, description: 'The endpoint.' }),
    versionNumber: t.int({ required: true, description: 'The version, READY.' }),
    steps: t.intList({ required: false, description: 'Percent of the requests, ascending to 100. Default: 5, 25, 50, 100.' }),
    bakeSeconds: t.int({ required: false, description: 'How long each step lasts at least. Default: 300.' }),
    minRequests: t.int({ required: false, description: 'How many requests whose rows fitted it must have had in a step before it goes on, or is judged by them but for errors that are more than chance. Default: 20.' }),
    minLabels: t.int({ required: false, description: 'Where a rule asks for a live score: how many of its rows must have a known truth before it is judged by them, or goes on. Default: 30.' }),
    allowOtherInputs: t.boolean({ required: false, description: 'Whether it may take other inputs than the version that it replaces, so that it may refuse what callers send today. Default: only with a rule on REFUSED_RATE.' }),
    rollbackOn: t.field({ type: [rollbackRuleInput], required: false, description: 'What rolls it back. Default: errors above 2 %, a p95 of three times the old one’s. Whoever may predict can send rows that are refused: a rule on REFUSED_RATE is for endpoints whose callers mean well.' }),
  }),
});

const endpointNameInput = builder.inputType('EndpointNameInput', {
  description: 'An endpoint.',
  fields: (t) => ({ endpointName: t.string({ required: true, description: 'Its name.' }) }),
});

builder.mutationFields((t) => ({
  setEndpointTraffic: t.field({
    type: setEndpointTrafficPayload,
    action: 'endpoint.traffic',
    authScopes: { permission: 'endpoint:write' },
    description: 'Divides an endpoint’s requests among versions of its model.',
    args: { input: t.arg({ type: setTrafficInput, required: true, description: 'Endpoint and shares.' }) },
    resolve: async (_root, { input: { endpointName, traffic, mirror } }, { services, signedIn }) => {
      const outcome = await services.rollouts.setTraffic(signedIn, { endpointName, traffic, mirror: mirror ?? [] });
      return outcome.type === 'set' ? { __typename: 'SetEndpointTrafficSuccess' as const, endpointId: outcome.endpoint.id } : refused(outcome);
    },
  }),
  startRollout: t.field({
    type: startRolloutPayload,
    action: 'rollout.start',
    authScopes: { permission: 'endpoint:write' },
    description: 'Moves an endpoint to another version step by step, and back by itself if that one fares badly.',
    args: { input: t.arg({ type: startRolloutInput, required: true, description: 'Endpoint, version and pace.' }) },
    resolve: async (_root, { input }, { services, signedIn }) => {
      const { endpointName, versionNumber, steps, bakeSeconds, minRequests, minLabels, allowOtherInputs, rollbackOn } = input;
      const outcome = await services.rollouts.start(signedIn, {
        endpointName,
        versionNumber,
        ...(steps ? { steps } : {}),
        ...(bakeSeconds == null ? {} : { bakeSeconds }),
        ...(minRequests == null ? {} : { minRequests }),
        ...(minLabels == null ? {} : { minLabels }),
        ...(allowOtherInputs == null ? {} : { allowOtherInputs }),
        ...(rollbackOn ? { rollbackOn: rollbackOn.map(({ metric, op, threshold }) => ({ metric, threshold, ...(op ? { op } : {}) })) } : {}),
      });
      return outcome.type === 'started' ? { __typename: 'StartRolloutSuccess' as const, rolloutId: outcome.rollout.id } : refused(outcome);
    },
  }),
  promoteRollout: t.field({
    type: promoteRolloutPayload,
    action: 'rollout.promote',
    authScopes: { permission: 'endpoint:write' },
    description: 'Gives the version of a rollout all requests at once.',
    args: { input: t.arg({ type: endpointNameInput, required: true, description: 'The endpoint.' }) },
    resolve: async (_root, { input }, { services, signedIn }) => {
      const outcome = await services.rollouts.promote(signedIn, input.endpointName);
      return outcome.type === 'ended' ? { __typename: 'PromoteRolloutSuccess' as const, endpointId: outcome.endpoint.id } : refused(outcome);
    },
  }),
  rollBackEndpoint: t.field({
    type: rollBackEndpointPayload,
    action: 'endpoint.rollback',
    authScopes: { permission: 'endpoint:write' },
    description: 'Back to what was served before: ends a rollout or divided traffic; without either, the alias moves to the version that `previous` names.',
    args: { input: t.arg({ type: endpointNameInput, required: true, description: 'The endpoint.' }) },
    resolve: async (_root, { input }, { services, signedIn }) => {
      const outcome = await services.rollouts.rollBack(signedIn, input.endpointName);
      return outcome.type === 'ended' ? { __typename: 'RollBackEndpointSuccess' as const, endpointId: outcome.endpoint.id } : refused(outcome);
    },
  }),
}));
