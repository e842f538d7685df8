import { isId } from '@millrace/kernel';
import { conflict, conflictError, invalidInput, invalidInputError, notFound, notFoundError } from '../../error-types.ts';
import { payloadUnion } from '../../payload-union.ts';
import { builder } from '../../schema-builder.ts';

const versionNotReady = (field: string, message: string) =>
  conflict('version_not_ready', field, message, 'Choose a version whose status is READY.');

const keptFromChampion = ({ type, message }: { type: 'not-approved' | 'gate-closed'; message: string }, field: string) =>
  type === 'not-approved'
    ? conflict('not_approved', field, message, 'Have it approved, or change the model’s policy.')
    : conflict('gate_closed', field, message, 'Publish a better version, or change the model’s policy.');

const setModelAliasSuccess = builder
  .objectRef<{ __typename: 'SetModelAliasSuccess'; modelId: string; alias: string }>('SetModelAliasSuccess')
  .implement({
    description: 'The alias points to the version; endpoints that follow it serve it within a second.',
    fields: (t) => ({
      alias: t.prismaField({
        type: 'ModelAlias',
        description: 'The alias.',
        resolve: (query, { modelId, alias: name }, _args, { db, tenantId }) =>
          db.modelAlias.findUniqueOrThrow({ ...query, where: { tenantId_modelId_name: { tenantId, modelId, name } } }),
      }),
      model: t.prismaField({
        type: 'Model',
        description: 'The model.',
        resolve: (query, { modelId: id }, _args, { db, tenantId }) =>
          db.model.findUniqueOrThrow({ ...query, where: { tenantId_id: { tenantId, id } } }),
      }),
    }),
  });

const setModelAliasPayload = payloadUnion('setModelAlias', [setModelAliasSuccess, invalidInputError, notFoundError, conflictError]);

const setModelAliasInput = builder.inputType('SetModelAliasInput', {
  description: 'An alias to be set or moved.',
  fields: (t) => ({
    modelId: t.id({ required: true, description: 'mdl_…' }),
    alias: t.string({ required: true, description: 'champion, challenger, previous, or a name of your own.' }),
    versionNumber: t.int({ required: true, description: 'The version that it shall point to.' }),
  }),
});

const deleteModelAliasSuccess = builder
  .objectRef<{ __typename: 'DeleteModelAliasSuccess'; modelId: string }>('DeleteModelAliasSuccess')
  .implement({
    description: 'The alias is gone.',
    fields: (t) => ({
      model: t.prismaField({
        type: 'Model',
        description: 'The model.',
        resolve: (query, { modelId: id }, _args, { db, tenantId }) =>
          db.model.findUniqueOrThrow({ ...query, where: { tenantId_id: { tenantId, id } } }),
      }),
    }),
  });

const deleteModelAliasPayload = payloadUnion('deleteModelAlias', [deleteModelAliasSuccess, notFoundError, conflictError]);

const deleteModelAliasInput = builder.inputType('DeleteModelAliasInput', {
  description: 'An alias to be removed.',
  fields: (t) => ({
    modelId: t.id({ required: true, description: 'mdl_…' }),
    alias: t.string({ required: true, description: 'Its name.' }),
  }),
});

const createEndpointSuccess = builder
  .objectRef<{ __typename: 'CreateEndpointSuccess'; endpointId: string }>('CreateEndpointSuccess')
  .implement({
    description: 'The endpoint answers within a second.',
    fields: (t) => ({
      endpoint: t.prismaField({
        type: 'Endpoint',
        description: 'The endpoint.',
        resolve: (query, { endpointId: id }, _args, { db, tenantId }) =>
          db.endpoint.findUniqueOrThrow({ ...query, where: { tenantId_id: { tenantId, id } } }),
      }),
    }),
  });

const createEndpointPayload = payloadUnion('createEndpoint', [createEndpointSuccess, invalidInputError, notFoundError, conflictError]);

const createEndpointInput = builder.inputType('CreateEndpointInput', {
  description: 'An endpoint to be made.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'Unique in the tenant; stands in addresses.' }),
    modelId: t.id({ required: true, description: 'mdl_… of what it serves.' }),
    alias: t.string({ required: true, description: 'The alias that it follows.' }),
  }),
});

const deleteEndpointSuccess = builder
  .objectRef<{ __typename: 'DeleteEndpointSuccess'; name: string }>('DeleteEndpointSuccess')
  .implement({
    description: 'The endpoint is gone; its address answers 404 within a second.',
    fields: (t) => ({ name: t.exposeString('name', { description: 'The name, free to be used again.' }) }),
  });

const deleteEndpointPayload = payloadUnion('deleteEndpoint', [deleteEndpointSuccess, notFoundError]);

const deleteEndpointInput = builder.inputType('DeleteEndpointInput', {
  description: 'An endpoint to be removed.',
  fields: (t) => ({ name: t.string({ required: true, description: 'Its name.' }) }),
});

const publishModelVersionSuccess = builder
  .objectRef<{ __typename: 'PublishModelVersionSuccess'; versionId: string; endpointId: string }>('PublishModelVersionSuccess')
  .implement({
    description: 'The version is champion; the endpoint serves it within a second.',
    fields: (t) => ({
      version: t.prismaField({
        type: 'ModelVersion',
        description: 'The version.',
        resolve: (query, { versionId: id }, _args, { db, tenantId }) =>
          db.modelVersion.findUniqueOrThrow({ ...query, where: { tenantId_id: { tenantId, id } } }),
      }),
      endpoint: t.prismaField({
        type: 'Endpoint',
        description: 'The endpoint, made if there was none of this name.',
        resolve: (query, { endpointId: id }, _args, { db, tenantId }) =>
          db.endpoint.findUniqueOrThrow({ ...query, where: { tenantId_id: { tenantId, id } } }),
      }),
    }),
  });

const publishModelVersionPayload = payloadUnion('publishModelVersion', [publishModelVersionSuccess, invalidInputError, notFoundError, conflictError]);

const publishModelVersionInput = builder.inputType('PublishModelVersionInput', {
  description: 'A version to be served.',
  fields: (t) => ({
    versionId: t.id({ required: true, description: 'ver_… with the status READY.' }),
    endpointName: t.string({ required: true, description: 'The endpoint that shall serve it; made if it is missing.' }),
  }),
});

builder.mutationFields((t) => ({
  setModelAlias: t.field({
    type: setModelAliasPayload,
    action: 'alias.set',
    authScopes: { permission: 'model:write' },
    description: 'Sets or moves an alias.',
    args: { input: t.arg({ type: setModelAliasInput, required: true, description: 'Model, alias and version.' }) },
    resolve: async (_root, { input }, { services, signedIn }) => {
      if (!isId('model', input.modelId)) return notFound('model', 'modelId');
      const outcome = await services.registry.setAlias(signedIn, input);
      switch (outcome.type) {
        case 'set':
          return { __typename: 'SetModelAliasSuccess' as const, modelId: input.modelId, alias: outcome.alias.name };
        case 'invalid':
          return invalidInput(outcome.problems);
        case 'not-found':
          return notFound('version', outcome.field, outcome.message);
        case 'version-not-ready':
          return versionNotReady('versionNumber', outcome.message);
        case 'not-approved':
        case 'gate-closed':
          return keptFromChampion(outcome, 'versionNumber');
      }
    },
  }),
  deleteModelAlias: t.field({
    type: deleteModelAliasPayload,
    action: 'alias.delete',
    authScopes: { permission: 'model:write' },
    description: 'Removes an alias. One that an endpoint follows stays.',
    args: { input: t.arg({ type: deleteModelAliasInput, required: true, description: 'Model and alias.' }) },
    resolve: async (_root, { input }, { services, signedIn }) => {
      if (!isId('model', input.modelId)) return notFound('model', 'modelId');
      const outcome = await services.registry.deleteAlias(signedIn, input);
      switch (outcome.type) {
        case 'deleted':
          return { __typename: 'DeleteModelAliasSuccess' as const, modelId: input.modelId };
        case 'not-found':
          return notFound('alias', outcome.field, outcome.message);
        case 'in-use':
          return conflict('alias_in_use', 'alias', `The endpoint ${outcome.endpoint} follows this alias.`, 'Delete the endpoint first.');
      }
    },
  }),
  createEndpoint: t.field({
    type: createEndpointPayload,
    action: 'endpoint.create',
    authScopes: { permission: 'endpoint:write' },
    description: 'Makes an endpoint that follows an alias of a model.',
    args: { input: t.arg({ type: createEndpointInput, required: true, description: 'The endpoint.' }) },
    resolve: async (_root, { input }, { services, signedIn }) => {
      if (!isId('model', input.modelId)) return notFound('model', 'modelId');
      const outcome = await services.registry.createEndpoint(signedIn, input);
      switch (outcome.type) {
        case 'created':
          return { __typename: 'CreateEndpointSuccess' as const, endpointId: outcome.endpoint.id };
        case 'invalid':
          return invalidInput(outcome.problems);
        case 'not-found':
          return notFound('alias', outcome.field, outcome.message);
        case 'name-taken':
          return conflict('name_taken', 'name', `There is an endpoint called ${outcome.name} already.`, 'Choose another name.');
      }
    },
  }),
  deleteEndpoint: t.field({
    type: deleteEndpointPayload,
    action: 'endpoint.delete',
    authScopes: { permission: 'endpoint:write' },
    description: 'Removes an endpoint. Model and versions stay.',
    args: { input: t.arg({ type: deleteEndpointInput, required: true, description: 'The endpoint.' }) },
    resolve: async (_root, { input: { name } }, { services, signedIn }) => {
      const outcome = await services.registry.deleteEndpoint(signedIn, name);
      switch (outcome.type) {
        case 'deleted':
          return { __typename: 'DeleteEndpointSuccess' as const, name };
        case 'not-found':
          return notFound('endpoint', outcome.field, outcome.message);
      }
    },
  }),
  publishModelVersion: t.field({
    type: publishModelVersionPayload,
    action: 'endpoint.publish',
    authScopes: { permission: 'endpoint:write' },
    description: 'Moves the alias champion to a version (the one before becomes previous) and makes the endpoint if it is missing.',
    args: { input: t.arg({ type: publishModelVersionInput, required: true, description: 'Version and endpoint.' }) },
    resolve: async (_root, { input }, { services, signedIn }) => {
      if (!isId('modelVersion', input.versionId)) return notFound('version', 'versionId');
      const outcome = await services.registry.publish(signedIn, input);
      switch (outcome.type) {
        case 'published':
          return { __typename: 'PublishModelVersionSuccess' as const, versionId: outcome.version.id, endpointId: outcome.endpoint.id };
        case 'invalid':
          return invalidInput(outcome.problems);
        case 'not-found':
          return notFound('version', outcome.field, outcome.message);
        case 'version-not-ready':
          return versionNotReady('versionId', outcome.message);
        case 'not-approved':
        case 'gate-closed':
          return keptFromChampion(outcome, 'versionId');
        case 'endpoint-of-other-model':
          return conflict('endpoint_of_other_model', 'endpointName', `The endpoint ${outcome.name} serves another model.`, 'Choose another endpoint.');
      }
    },
  }),
}));
