import { isId } from '@millrace/kernel';
import { conflict, conflictError, invalidInput, invalidInputError, notFound, notFoundError } from '../../error-types.ts';
import { payloadUnion } from '../../payload-union.ts';
import { builder } from '../../schema-builder.ts';

type OfVersion<Name extends string> = { __typename: Name; versionId: string };
type OfModel<Name extends string> = { __typename: Name; modelId: string };

const reviewModelVersionSuccess = builder.objectRef<OfVersion<'ReviewModelVersionSuccess'>>('ReviewModelVersionSuccess').implement({
  description: 'The verdict stands, with the scores of the version as evidence.',
  fields: (t) => ({
    version: t.prismaField({
      type: 'ModelVersion',
      description: 'The version.',
      resolve: (query, { versionId: id }, _args, { db, tenantId }) => db.modelVersion.findUniqueOrThrow({ ...query, where: { tenantId_id: { tenantId, id } } }),
    }),
  }),
});

const reviewModelVersionPayload = payloadUnion('reviewModelVersion', [reviewModelVersionSuccess, invalidInputError, notFoundError, conflictError]);

const verdictEnum = builder.enumType('ReviewVerdict', { description: 'What is said of a version.', values: ['APPROVED', 'REJECTED'] as const });

const reviewModelVersionInput = builder.inputType('ReviewModelVersionInput', {
  description: 'What is said of a version.',
  fields: (t) => ({
    versionId: t.id({ required: true, description: 'ver_… with the status READY.' }),
    verdict: t.field({ type: verdictEnum, required: true, description: 'Approved or rejected; the latest verdict counts.' }),
    comment: t.string({ required: true, description: 'Why.' }),
  }),
});

const saveModelPolicySuccess = builder.objectRef<OfModel<'SaveModelPolicySuccess'> & { removedVersions: number }>('SaveModelPolicySuccess').implement({
  description: 'The policy holds from now on.',
  fields: (t) => ({
    model: t.prismaField({
      type: 'Model',
      description: 'The model.',
      resolve: (query, { modelId: id }, _args, { db, tenantId }) => db.model.findUniqueOrThrow({ ...query, where: { tenantId_id: { tenantId, id } } }),
    }),
    removedVersions: t.exposeInt('removedVersions', { description: 'Versions that were too many and are gone.' }),
  }),
});

const saveModelPolicyPayload = payloadUnion('saveModelPolicy', [saveModelPolicySuccess, invalidInputError, notFoundError]);

const modelGateInput = builder.inputType('ModelGateInput', {
  description: 'How much worse than the champion a new one may be.',
  fields: (t) => ({
    metric: t.string({ required: true, description: 'A score as the metrics of a version name it, such as f1 or rmse. Of errors less is better, of all others more.' }),
    atMostWorse: t.float({ required: true, description: 'In the unit of the score; 0 for at least as good, below 0 for better by so much.' }),
  }),
});

const saveModelPolicyInput = builder.inputType('SaveModelPolicyInput', {
  description: 'What a champion must be, and which versions are kept. It takes the place of the policy before.',
  fields: (t) => ({
    modelId: t.id({ required: true, description: 'mdl_…' }),
    approvalRequired: t.boolean({ required: true, description: 'Whether the alias champion moves only to approved versions.' }),
    gate: t.field({ type: modelGateInput, description: 'What the alias champion is held to; nothing if left out.' }),
    optimisedAtMostWorse: t.float({ description: 'Points that an optimised version may be worse than the trained one that it comes from, such as 0.5; any if left out.' }),
    keepVersions: t.int({ description: 'So many of the latest versions without an alias are kept; all if left out.' }),
  }),
});

const describeModelSuccess = builder.objectRef<OfModel<'DescribeModelSuccess'>>('DescribeModelSuccess').implement({
  description: 'The words are kept.',
  fields: (t) => ({
    model: t.prismaField({
      type: 'Model',
      description: 'The model.',
      resolve: (query, { modelId: id }, _args, { db, tenantId }) => db.model.findUniqueOrThrow({ ...query, where: { tenantId_id: { tenantId, id } } }),
    }),
  }),
});

const describeModelPayload = payloadUnion('describeModel', [describeModelSuccess, invalidInputError, notFoundError]);

const describeModelInput = builder.inputType('DescribeModelInput', {
  description: 'Words for a model. What is left out stays as it is.',
  fields: (t) => ({
    modelId: t.id({ required: true, description: 'mdl_…' }),
    description: t.string({ description: 'What it is for.' }),
    tags: t.stringList({ description: 'All its tags, such as line=press-2.' }),
  }),
});

const describeModelVersionSuccess = builder.objectRef<OfVersion<'DescribeModelVersionSuccess'>>('DescribeModelVersionSuccess').implement({
  description: 'The words are kept.',
  fields: (t) => ({
    version: t.prismaField({
      type: 'ModelVersion',
      description: 'The version.',
      resolve: (query, { versionId: id }, _args, { db, tenantId }) => db.modelVersion.findUniqueOrThrow({ ...query, where: { tenantId_id: { tenantId, id } } }),
    }),
  }),
});

const describeModelVersionPayload = payloadUnion('describeModelVersion', [describeModelVersionSuccess, invalidInputError, notFoundError]);

const describeModelVersionInput = builder.inputType('DescribeModelVersionInput', {
  description: 'Words for a version. What is left out stays as it is.',
  fields: (t) => ({
    versionId: t.id({ required: true, description: 'ver_…' }),
    tags: t.stringList({ description: 'All its tags.' }),
    card: t.string({ description: 'The model card as Markdown; empty to have it generated again.' }),
  }),
});

const deleteModelVersionSuccess = builder.objectRef<OfModel<'DeleteModelVersionSuccess'> & { number: number }>('DeleteModelVersionSuccess').implement({
  description: 'The version and its package are gone. Its number is not given again.',
  fields: (t) => ({ number: t.exposeInt('number', { description: 'The number that it had.' }) }),
});

const deleteModelVersionPayload = payloadUnion('deleteModelVersion', [deleteModelVersionSuccess, notFoundError, conflictError]);

const deleteModelVersionInput = builder.inputType('DeleteModelVersionInput', {
  description: 'A version to be deleted.',
  fields: (t) => ({ versionId: t.id({ required: true, description: 'ver_… to which no alias points.' }) }),
});

builder.mutationFields((t) => ({
  reviewModelVersion: t.field({
    type: reviewModelVersionPayload,
    action: 'version.review',
    authScopes: { permission: 'model:approve' },
    description: 'Approves or rejects a version.',
    args: { input: t.arg({ type: reviewModelVersionInput, required: true, description: 'Version, verdict and comment.' }) },
    resolve: async (_root, { input }, { services, signedIn }) => {
      if (!isId('modelVersion', input.versionId)) return notFound('version', 'versionId');
      const outcome = await services.registry.review(signedIn, input);
      switch (outcome.type) {
        case 'reviewed':
          return { __typename: 'ReviewModelVersionSuccess' as const, versionId: outcome.version.id };
        case 'invalid':
          return invalidInput(outcome.problems);
        case 'not-found':
          return notFound('version', outcome.field, outcome.message);
        case 'not-ready':
          return conflict('version_not_ready', 'versionId', outcome.message, 'Choose a version whose status is READY.');
      }
    },
  }),
  saveModelPolicy: t.field({
    type: saveModelPolicyPayload,
    action: 'model.save_policy',
    authScopes: { permission: 'model:approve' },
    description: 'Says what the champion of a model must be, and how many versions are kept.',
    args: { input: t.arg({ type: saveModelPolicyInput, required: true, description: 'Model and policy.' }) },
    resolve: async (_root, { input }, { services, signedIn }) => {
      const { modelId, approvalRequired, gate, optimisedAtMostWorse, keepVersions } = input;
      if (!isId('model', modelId)) return notFound('model', 'modelId');
      const outcome = await services.registry.savePolicy(signedIn, { modelId, approvalRequired, gate: gate ?? null, optimisedAtMostWorse: optimisedAtMostWorse ?? null, keepVersions: keepVersions ?? null });
      switch (outcome.type) {
        case 'saved':
          return { __typename: 'SaveModelPolicySuccess' as const, modelId: outcome.model.id, removedVersions: outcome.removed };
        case 'invalid':
          return invalidInput(outcome.problems);
        case 'not-found':
          return notFound('model', outcome.field, outcome.message);
      }
    },
  }),
  describeModel: t.field({
    type: describeModelPayload,
    action: 'model.describe',
    authScopes: { permission: 'model:write' },
    description: 'Changes the description and tags of a model.',
    args: { input: t.arg({ type: describeModelInput, required: true, description: 'Model and words.' }) },
    resolve: async (_root, { input }, { services, signedIn }) => {
      if (!isId('model', input.modelId)) return notFound('model', 'modelId');
      const outcome = await services.registry.describeModel(signedIn, input);
      switch (outcome.type) {
        case 'described':
          return { __typename: 'DescribeModelSuccess' as const, modelId: outcome.subject.id };
        case 'invalid':
          return invalidInput(outcome.problems);
        case 'not-found':
          return notFound('model', outcome.field, outcome.message);
      }
    },
  }),
  describeModelVersion: t.field({
    type: describeModelVersionPayload,
    action: 'version.describe',
    authScopes: { permission: 'model:write' },
    description: 'Changes the tags and the model card of a version.',
    args: { input: t.arg({ type: describeModelVersionInput, required: true, description: 'Version and words.' }) },
    resolve: async (_root, { input }, { services, signedIn }) => {
      if (!isId('modelVersion', input.versionId)) return notFound('version', 'versionId');
      const outcome = await services.registry.describeVersion(signedIn, input);
      switch (outcome.type) {
        case 'described':
          return { __typename: 'DescribeModelVersionSuccess' as const, versionId: outcome.subject.id };
        case 'invalid':
          return invalidInput(outcome.problems);
        case 'not-found':
          return notFound('version', outcome.field, outcome.message);
      }
    },
  }),
  deleteModelVersion: t.field({
    type: deleteModelVersionPayload,
    action: 'version.delete',
    authScopes: { permission: 'model:write' },
    description: 'Deletes a version and its package. One that an alias points to stays.',
    args: { input: t.arg({ type: deleteModelVersionInput, required: true, description: 'The version.' }) },
    resolve: async (_root, { input: { versionId } }, { services, signedIn }) => {
      if (!isId('modelVersion', versionId)) return notFound('version', 'versionId');
      const outcome = await services.registry.deleteVersion(signedIn, versionId);
      switch (outcome.type) {
        case 'deleted':
          return { __typename: 'DeleteModelVersionSuccess' as const, modelId: outcome.modelId, number: outcome.number };
        case 'not-found':
          return notFound('version', outcome.field, outcome.message);
        case 'in-use':
          return outcome.aliases.length
            ? conflict('version_in_use', 'versionId', `The version is ${outcome.aliases.join(', ')}.`, 'Move or delete the alias first.')
            : conflict('version_in_use', 'versionId', `The version has a share of the traffic of ${outcome.endpoints.join(', ')}, or a rollout there is about it.`, 'Take its share away, or end the rollout, first.');
      }
    },
  }),
}));
