import type { DeriveVersionOutcome } from '@millrace/datasets';
import { isId } from '@millrace/kernel';
import {
  conflict,
  conflictError,
  invalidInput,
  invalidInputError,
   notFound,
  notFoundError,
  quotaExceeded,
  quotaExceededError,
  rejectedFile,
  rejectedFileError } from '../../error-types.ts';
import { payloadUnion } from '../../payload-union.ts';
import { builder } from '../../schema-builder.ts';
import { columnTypeEnum } from './dataset-types.ts';
import { dialectOf, fileDialectInput } from './dialect-types.ts';

const beginUploadSuccess = builder
  .objectRef<{ __typename: 'BeginUploadSuccess'; uploadId: string; maxBytes: number | null }>('BeginUploadSuccess')
  .implement({
    description: 'The upload waits for its bytes.',
    fields: (t) => ({
      upload: t.prismaField({
        type: 'Upload',
        description: 'The upload.',
        resolve: (query, { uploadId: id }, _args, { db, tenantId }) =>
          db.upload.findUniqueOrThrow({ ...query, where: { tenantId_id: { tenantId, id } } }),
      }),
      url: t.string({
        description: 'PUT the bytes there, raw, with the credential of this request; a relative address of this server.',
        resolve: ({ uploadId }) => `/uploads/${uploadId}`,
      }),
      maxBytes: t.field({
        type: 'BigInt',
        description: 'The most that is accepted: what the server takes, or what the tenant may send if that is less.',
        resolve: ({ maxBytes }, _args, { services }) => BigInt(Math.min(services.maxUploadBytes, maxBytes ?? Infinity)),
      }),
    }),
  });

const beginUploadPayload = payloadUnion('beginUpload', [beginUploadSuccess, invalidInputError]);

const beginUploadInput = builder.inputType('BeginUploadInput', {
  description: 'A file to be sent.',
  fields: (t) => ({
    filename: t.string({ required: true, description: 'Its name: shown, never used as a path.' }),
    mediaType: t.string({ description: 'Its media type, such as text/csv; never trusted.' }),
    dialect: t.field({ type: fileDialectInput, description: 'How it is to be read, where it says too little of that itself.' }),
  }),
});

interface VersionMade<Name extends string> {
  __typename: Name;
  datasetId: string;
  versionId: string;
}

const createDatasetPayload = payloadUnion('createDataset', [versionSuccess('CreateDatasetSuccess', 'The data set was made, with its first version.', 'Its first version.'), invalidInputError, rejectedFileError, notFoundError, conflictError, quotaExceededError]);

const createDatasetInput = builder.inputType('CreateDatasetInput', {
  description: 'A data set to be made of an upload.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'Unique in the tenant.' }),
    uploadId: t.id({ required: true, description: 'upl_… of a complete upload.' }),
    description: t.string({ description: 'What the data is about.' }),
  }),
});

const addDatasetVersionPayload = payloadUnion('addDatasetVersion', [versionSuccess('AddDatasetVersionSuccess', 'The version was made.'), invalidInputError, rejectedFileError, notFoundError, conflictError, quotaExceededError]);

const addDatasetVersionInput = builder.inputType('AddDatasetVersionInput', {
  description: 'A further version of a data set.',
  fields: (t) => ({
    datasetId: t.id({ required: true, description: 'dst_…' }),
    uploadId: t.id({ required: true, description: 'upl_… of a complete upload.' }),
  }),
});

function versionSuccess<Name extends string>(name: Name, description: string, ofVersion = 'The new version.') {
  return builder.objectRef<VersionMade<Name>>(name).implement({
    description,
    fields: (t) => ({
      dataset: t.prismaField({
        type: 'Dataset',
        description: 'The data set.',
        resolve: (query, { datasetId: id }, _args, { db, tenantId }) =>
          db.dataset.findUniqueOrThrow({ ...query, where: { tenantId_id: { tenantId, id } } }),
      }),
      version: t.prismaField({
        type: 'DatasetVersion',
        description: ofVersion,
        resolve: (query, { versionId: id }, _args, { db, tenantId }) =>
          db.datasetVersion.findUniqueOrThrow({ ...query, where: { tenantId_id: { tenantId, id } } }),
      }),
    }),
  });
}

const appendDatasetRowsPayload = payloadUnion('appendDatasetRows', [
  versionSuccess('AppendDatasetRowsSuccess', 'The version was made: the rows of the newest one, and those of the file below them.'),
  rejectedFileError, notFoundError, conflictError, quotaExceededError,
]);

const appendDatasetRowsInput = builder.inputType('AppendDatasetRowsInput', {
  description: 'Rows to follow those of the newest version.',
  fields: (t) => ({
    datasetId: t.id({ required: true, description: 'dst_…' }),
    uploadId: t.id({ required: true, description: 'upl_… of a complete upload with the same columns, in any order.' }),
  }),
});

const correctColumnTypesPayload = payloadUnion('correctColumnTypes', [
  versionSuccess('CorrectColumnTypesSuccess', 'The version was made: the newest one with the types corrected.'),
  rejectedFileError, notFoundError, conflictError, quotaExceededError,
]);

const columnTypeInput = builder.inputType('ColumnTypeInput', {
  description: 'What a column is to hold.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'The column, as the header has it.' }),
    type: t.field({ type: columnTypeEnum, required: true, description: 'What it holds.' }),
  }),
});

const correctColumnTypesInput = builder.inputType('CorrectColumnTypesInput', {
  description: 'Types to be corrected in the newest version of a data set.',
  fields: (t) => ({
    datasetId: t.id({ required: true, description: 'dst_…' }),
    columnTypes: t.field({ type: [columnTypeInput], required: true, description: 'The columns to be corrected; the others stay as they are.' }),
  }),
});

const deleteDatasetSuccess = builder.objectRef<{ __typename: 'DeleteDatasetSuccess'; datasetId: string; freedBytes: bigint }>('DeleteDatasetSuccess').implement({
  description: 'The files of the data set are gone. What was learned from it still names it.',
  fields: (t) => ({
    datasetId: t.exposeID('datasetId', { description: 'dst_… of what was deleted.' }),
    freedBytes: t.expose('freedBytes', { type: 'BigInt', description: 'What the tenant’s storage got back.' }),
  }),
});

const deleteDatasetPayload = payloadUnion('deleteDataset', [deleteDatasetSuccess, notFoundError, conflictError]);

const deleteDatasetInput = builder.inputType('DeleteDatasetInput', {
  description: 'A data set to be deleted, with all its versions.',
  fields: (t) => ({ id: t.id({ required: true, description: 'dst_…' }) }),
});

function derivedVersion<Name extends string>(name: Name, datasetId: string, outcome: DeriveVersionOutcome) {
  switch (outcome.type) {
    case 'added':
      return { __typename: name, datasetId, versionId: outcome.version.id };
    case 'rejected-file':
      return rejectedFile(outcome.problems);
    case 'dataset-not-found':
      return notFound('data set', 'datasetId');
    case 'upload-not-found':
      return notFound('upload', 'uploadId');
    case 'upload-not-complete':
      return uploadNotComplete();
    case 'superseded':
      return conflict('version_superseded', 'datasetId', 'Another version was added meanwhile.', 'Look at the newest version, then try again.');
    case 'quota-exceeded':
      return quotaExceeded(outcome);
  }
}

const uploadNotComplete = () =>
  conflict(
    'upload_not_complete',
    'uploadId',
    'The bytes of this upload have not all arrived.',
    'PUT the whole file to the upload’s address, then try again.',
  );

builder.mutationFields((t) => ({
  beginUpload: t.field({
    type: beginUploadPayload,
    action: 'upload.begin',
    authScopes: { permission: 'dataset:write' },
    description: 'Announces a file. Its bytes go to the address in the answer.',
    args: { input: t.arg({ type: beginUploadInput, required: true, description: 'The file.' }) },
    resolve: async (_root, { input: { filename, mediaType, dialect } }, { services, signedIn }) => {
      const outcome = await services.datasets.beginUpload(signedIn, { filename, ...(mediaType == null ? {} : { mediaType }), ...(dialect && { dialect: dialectOf(dialect) }) });
      if (outcome.type === 'invalid') return invalidInput(outcome.problems);
      return { __typename: 'BeginUploadSuccess' as const, uploadId: outcome.upload.id, maxBytes: outcome.maxBytes };
    },
  }),
  createDataset: t.field({
    type: createDatasetPayload,
    action: 'dataset.create',
    authScopes: { permission: 'dataset:write' },
    description: 'Parses, types and profiles an uploaded file and keeps it as the first version of a new data set.',
    args: { input: t.arg({ type: createDatasetInput, required: true, description: 'The data set.' }) },
    resolve: async (_root, { input: { name, uploadId, description } }, { services, signedIn }) => {
      if (!isId('upload', uploadId)) return notFound('upload', 'uploadId');
      const outcome = await services.datasets.createDataset(signedIn, { name, uploadId, description: description ?? '' });
      switch (outcome.type) {
        case 'created':
          return { __typename: 'CreateDatasetSuccess' as const, datasetId: outcome.dataset.id, versionId: outcome.version.id };
        case 'invalid':
          return invalidInput(outcome.problems);
        case 'rejected-file':
          return rejectedFile(outcome.problems);
        case 'name-taken':
          return conflict('name_taken', 'name', `There is a data set called ${name} already.`, 'Choose another name, or add a version to it.');
        case 'upload-not-found':
          return notFound('upload', 'uploadId');
        case 'upload-not-complete':
          return uploadNotComplete();
        case 'quota-exceeded':
          return quotaExceeded(outcome);
      }
    },
  }),
  addDatasetVersion: t.field({
    type: addDatasetVersionPayload,
    action: 'dataset.add_version',
    authScopes: { permission: 'dataset:write' },
    description: 'Makes a further version of a data set from an uploaded file.',
    args: { input: t.arg({ type: addDatasetVersionInput, required: true, description: 'The version.' }) },
    resolve: async (_root, { input: { datasetId, uploadId } }, { services, signedIn }) => {
      if (!isId('dataset', datasetId)) return notFound('data set', 'datasetId');
      if (!isId('upload', uploadId)) return notFound('upload', 'uploadId');
      return derivedVersion('AddDatasetVersionSuccess', datasetId, await services.datasets.addVersion(signedIn, { datasetId, uploadId }));
    },
  }),
  appendDatasetRows: t.field({
    type: appendDatasetRowsPayload,
    action: 'dataset.append_rows',
    authScopes: { permission: 'dataset:write' },
    description: 'Makes a version of the newest one and the rows of an uploaded file below its own.',
    args: { input: t.arg({ type: appendDatasetRowsInput, required: true, description: 'The rows.' }) },
    resolve: async (_root, { input: { datasetId, uploadId } }, { services, signedIn }) => {
      if (!isId('dataset', datasetId)) return notFound('data set', 'datasetId');
      if (!isId('upload', uploadId)) return notFound('upload', 'uploadId');
      return derivedVersion('AppendDatasetRowsSuccess', datasetId, await services.datasets.appendRows(signedIn, { datasetId, uploadId }));
    },
  }),
  correctColumnTypes: t.field({
    type: correctColumnTypesPayload,
    action: 'dataset.correct_types',
    authScopes: { permission: 'dataset:write' },
    description: 'Makes a version of the newest one with other column types, read from its files anew. Refused if a cell doesn’t fit.',
    args: { input: t.arg({ type: correctColumnTypesInput, required: true, description: 'The types.' }) },
    resolve: async (_root, { input: { datasetId, columnTypes } }, { services, signedIn }) => {
      if (!isId('dataset', datasetId)) return notFound('data set', 'datasetId');
      const types = Object.fromEntries(columnTypes.map(({ name, type }) => [name, type]));
      return derivedVersion('CorrectColumnTypesSuccess', datasetId, await services.datasets.correctColumnTypes(signedIn, { datasetId, columnTypes: types }));
    },
  }),
  deleteDataset: t.field({
    type: deleteDatasetPayload,
    action: 'dataset.delete',
    authScopes: { permission: 'dataset:write' },
    description: 'Deletes the files of a data set. Refused while runs that read it are queued or running.',
    args: { input: t.arg({ type: deleteDatasetInput, required: true, description: 'The data set.' }) },
    resolve: async (_root, { input: { id } }, { services, signedIn }) => {
      const outcome = await services.datasets.deleteDataset(signedIn, id);
      switch (outcome.type) {
        case 'deleted':
          return { __typename: 'DeleteDatasetSuccess' as const, datasetId: outcome.datasetId, freedBytes: outcome.freedBytes };
        case 'dataset-not-found':
          return notFound('data set', 'id');
        case 'in-use':
          return conflict('dataset_in_use', 'id', `Runs read the data set: ${outcome.runIds.join(', ')}.`, 'Cancel these runs, or wait until they have ended.');
      }
    },
  }),
}));
