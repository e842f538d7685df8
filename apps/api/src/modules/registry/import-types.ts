import { databaseEnums } from '@millrace/database';
import { isId } from '@millrace/kernel';
import { problemType } from '../../error-types.ts';
import { builder, pageComplexity, pageLimit } from '../../schema-builder.ts';

const importStatusEnum = builder.enumType(databaseEnums.ImportStatus, {
  name: 'ImportStatus',
  description: 'QUEUED waits for a worker, RUNNING is being looked at, SUCCEEDED has become a version, FAILED was refused.',
});

builder.prismaObject('SigningKey', {
  description: 'The key that signs this tenant’s model packages. Its public half is for everybody to know.',
  fields: (t) => ({
    keyId: t.exposeString('keyId', { description: 'The first 16 digits of the SHA-256 over the public key.' }),
    publicKey: t.exposeString('publicKey', { description: 'Ed25519, 32 bytes as base64url: give it to whoever shall trust your packages.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
  }),
});

builder.prismaObject('TrustedKey', {
  description: 'A key of another installation whose model packages are taken.',
  fields: (t) => ({
    keyId: t.exposeString('keyId', { description: 'The first 16 digits of the SHA-256 over the public key.' }),
    publicKey: t.exposeString('publicKey', { description: 'Ed25519, 32 bytes as base64url.' }),
    name: t.exposeString('name', { description: 'Whose it is.' }),
    addedBy: t.exposeString('addedBy', { description: 'Who trusts it: person or key, with its id.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'Since when.' }),
  }),
});

builder.prismaNode('ModelImport', {
  id: { field: 'id', description: 'imp_…' },
  nullable: true,
  findUnique: (id, context) => ({ tenantId_id: { tenantId: context.tenantId, id } }),
  description: 'An uploaded file that shall become a version: a package of another installation, or a plain ONNX model.',
  fields: (t) => ({
    status: t.expose('status', { type: importStatusEnum, description: 'How far it is.' }),
    modelName: t.exposeString('modelName', { description: 'The model that it shall be a version of.' }),
    filename: t.string({ description: 'Name of the file.', select: { upload: { select: { filename: true } } }, resolve: ({ upload }) => upload.filename }),
    problems: t.field({
      type: [problemType],
      description: 'Why it was refused; empty otherwise.',
      resolve: ({ problems }) => problems as unknown as { code: string; field: string; message: string; remedy: string }[],
    }),
    version: t.prismaField({
      type: 'ModelVersion',
      nullable: true,
      description: 'What became of it; null until it succeeded.',
      resolve: (query, { versionId }, _args, { db, tenantId }) =>
        versionId === null ? null : db.modelVersion.findUnique({ ...query, where: { tenantId_id: { tenantId, id: versionId } } }),
    }),
    createdBy: t.exposeString('createdBy', { description: 'Who asked for it: person or key, with its id.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was asked for.' }),
    finishedAt: t.expose('finishedAt', { type: 'DateTime', nullable: true, description: 'When it ended.' }),
  }),
});

builder.queryFields((t) => ({
  signingKeys: t.prismaField({
    type: ['SigningKey'],
    authScopes: { permission: 'model:read' },
    description: 'The keys that sign this tenant’s model packages, newest first; none before the first package.',
    resolve: (query, _root, _args, { db, tenantId }) => db.signingKey.findMany({ ...query, where: { tenantId }, orderBy: { createdAt: 'desc' }, take: 100 }),
  }),
  trustedKeys: t.prismaField({
    type: ['TrustedKey'],
    authScopes: { permission: 'model:read' },
    description: 'Keys of others whose model packages are taken, by name.',
    resolve: (query, _root, _args, { db, tenantId }) => db.trustedKey.findMany({ ...query, where: { tenantId }, orderBy: { name: 'asc' }, take: 200 }),
  }),
  modelImports: t.prismaConnection(
    {
      type: 'ModelImport',
      cursor: 'id',
      maxSize: pageLimit,
      complexity: pageComplexity,
      authScopes: { permission: 'model:read' },
      description: 'Files that became versions or were refused, newest first.',
      resolve: (query, _root, _args, { db, tenantId }) => db.modelImport.findMany({ ...query, where: { tenantId }, orderBy: { id: 'desc' } }),
    },
    { name: 'ModelImportConnection' },
    { name: 'ModelImportEdge' },
  ),
  modelImport: t.prismaField({
    type: 'ModelImport',
    nullable: true,
    args: { id: t.arg.id({ required: true, description: 'imp_…' }) },
    authScopes: { permission: 'model:read' },
    description: 'The import with this id; null if there is none.',
    resolve: (query, _root, { id }, { db, tenantId }) => (isId('modelImport', id) ? db.modelImport.findUnique({ ...query, where: { tenantId_id: { tenantId, id } } }) : null),
  }),
}));
