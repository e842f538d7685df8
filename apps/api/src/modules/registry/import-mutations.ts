import { invalidInput, invalidInputError, notFound, notFoundError } from '../../error-types.ts';
import { payloadUnion } from '../../payload-union.ts';
import { builder } from '../../schema-builder.ts';

const importModelSuccess = builder.objectRef<{ __typename: 'ImportModelSuccess'; importId: string }>('ImportModelSuccess').implement({
  description: 'A worker looks at the file within seconds; ask for the import until it has ended.',
  fields: (t) => ({
    modelImport: t.prismaField({
      type: 'ModelImport',
      description: 'The import.',
      resolve: (query, { importId: id }, _args, { db, tenantId }) => db.modelImport.findUniqueOrThrow({ ...query, where: { tenantId_id: { tenantId, id } } }),
    }),
  }),
});

const importModelPayload = payloadUnion('importModel', [importModelSuccess, invalidInputError, notFoundError]);

const importModelInput = builder.inputType('ImportModelInput', {
  description: 'An uploaded file that shall become a version.',
  fields: (t) => ({
    uploadId: t.id({ required: true, description: 'upl_… of a package that Millrace gave out, or of an ONNX file.' }),
    modelName: t.string({ required: true, description: 'The model that it shall be a version of; made if it is new.' }),
    acceptUntrusted: t.boolean({ description: 'Take a package that is signed by a key that nobody here trusts.' }),
    signature: t.field({
      type: 'JSON',
      description: 'Of an ONNX file: {inputs: [{name, type, …}], output: {type, classes, scores}}. What is left out is inferred. Of a picture: {name, type: "image", range, mean, std, order, layout, width, height, channels, shortSide}.',
    }),
    sampleRows: t.field({ type: 'JSON', description: 'Rows with what the model is known to answer: [{inputs: {name: value}, prediction}], a picture as {b64}. It is refused if it answers otherwise.' }),
  }),
});

const trustPackageKeySuccess = builder.objectRef<{ __typename: 'TrustPackageKeySuccess'; keyId: string }>('TrustPackageKeySuccess').implement({
  description: 'Packages that this key has signed are taken from now on.',
  fields: (t) => ({
    key: t.prismaField({
      type: 'TrustedKey',
      description: 'The key.',
      resolve: (query, { keyId }, _args, { db, tenantId }) => db.trustedKey.findUniqueOrThrow({ ...query, where: { tenantId_keyId: { tenantId, keyId } } }),
    }),
  }),
});

const trustPackageKeyPayload = payloadUnion('trustPackageKey', [trustPackageKeySuccess, invalidInputError]);

const trustPackageKeyInput = builder.inputType('TrustPackageKeyInput', {
  description: 'A key of another installation.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'Whose it is.' }),
    publicKey: t.string({ required: true, description: 'Ed25519, 32 bytes as base64url, as that installation shows it.' }),
  }),
});

const distrustPackageKeySuccess = builder.objectRef<{ __typename: 'DistrustPackageKeySuccess'; keyId: string }>('DistrustPackageKeySuccess').implement({
  description: 'Its packages are refused from now on; what was imported stays.',
  fields: (t) => ({ keyId: t.exposeString('keyId', { description: 'The key.' }) }),
});

const distrustPackageKeyPayload = payloadUnion('distrustPackageKey', [distrustPackageKeySuccess, notFoundError]);

const distrustPackageKeyInput = builder.inputType('DistrustPackageKeyInput', {
  description: 'A key that is trusted no more.',
  fields: (t) => ({ keyId: t.string({ required: true, description: 'Its id.' }) }),
});

builder.mutationFields((t) => ({
  importModel: t.field({
    type: importModelPayload,
    action: 'model.import',
    authScopes: { permission: 'model:write' },
    description: 'Makes a version of an uploaded package or ONNX file. A worker checks and tries it first, with limits on time and memory.',
    args: { input: t.arg({ type: importModelInput, required: true, description: 'File and model.' }) },
    resolve: async (_root, { input }, { services, signedIn }) => {
      const { uploadId, modelName, acceptUntrusted, signature, sampleRows } = input;
      const outcome = await services.registry.requestImport(signedIn, {
        uploadId, modelName, acceptUntrusted: acceptUntrusted ?? false, signature: (signature ?? undefined) as object | undefined, sampleRows: (sampleRows ?? undefined) as object | undefined,
      });
      switch (outcome.type) {
        case 'requested':
          return { __typename: 'ImportModelSuccess' as const, importId: outcome.modelImport.id };
        case 'invalid':
          return invalidInput(outcome.problems);
        case 'not-found':
          return notFound('upload', outcome.field, outcome.message);
      }
    },
  }),
  trustPackageKey: t.field({
    type: trustPackageKeyPayload,
    action: 'package_key.trust',
    authScopes: { permission: 'model:trust' },
    description: 'Takes the packages of another installation as they come.',
    args: { input: t.arg({ type: trustPackageKeyInput, required: true, description: 'The key.' }) },
    resolve: async (_root, { input }, { services, signedIn }) => {
      const outcome = await services.registry.trustKey(signedIn, input);
      switch (outcome.type) {
        case 'trusted':
          return { __typename: 'TrustPackageKeySuccess' as const, keyId: outcome.key.keyId };
        case 'invalid':
          return invalidInput(outcome.problems);
      }
    },
  }),
  distrustPackageKey: t.field({
    type: distrustPackageKeyPayload,
    action: 'package_key.distrust',
    authScopes: { permission: 'model:trust' },
    description: 'Refuses the packages of another installation from now on.',
    args: { input: t.arg({ type: distrustPackageKeyInput, required: true, description: 'The key.' }) },
    resolve: async (_root, { input }, { services, signedIn }) => {
      const outcome = await services.registry.distrustKey(signedIn, input.keyId);
      switch (outcome.type) {
        case 'distrusted':
          return { __typename: 'DistrustPackageKeySuccess' as const, keyId: outcome.keyId };
        case 'not-found':
          return notFound('trusted key', outcome.field, outcome.message);
      }
    },
  }),
}));
