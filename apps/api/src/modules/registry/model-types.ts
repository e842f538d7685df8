import { databaseEnums } from '@millrace/database';
import { DomainError, isId } from '@millrace/kernel';
import { builder, pageComplexity, pageLimit } from '../../schema-builder.ts';
import { approvalEnum, searchedText } from './care-types.ts';

const modelTaskEnum = builder.enumType(databaseEnums.ModelTask, {
  name: 'ModelTask',
  description: 'What a model answers with: a class, a number, or a number at a time to come with its interval.',
});

const modelVersionStatusEnum = builder.enumType(databaseEnums.ModelVersionStatus, {
  name: 'ModelVersionStatus',
  description: 'PENDING is being made, READY may be served, FAILED never will be.',
});

const modelVersionSourceEnum = builder.enumType(databaseEnums.ModelVersionSource, {
  name: 'ModelVersionSource',
  description: 'RUN: trained here. PACKAGE: the package of another installation. ONNX: a plain ONNX file.',
});

builder.prismaNode('ModelVersion', {
  id: { field: 'id', description: 'ver_…' },
  nullable: true,
  findUnique: (id, context) => ({ tenantId_id: { tenantId: context.tenantId, id } }),
  description: 'One immutable package of a model, with what it was made from and how it scored.',
  fields: (t) => ({
    number: t.exposeInt('number', { description: '1, 2, 3, …' }),
    status: t.expose('status', { type: modelVersionStatusEnum, description: 'Whether it may be served.' }),
    family: t.exposeString('family', { description: 'Model family, as the training configuration names it, such as dense, boosted_trees or exponential_smoothing.' }),
    metrics: t.expose('metrics', { type: 'JSON', description: 'Scores on the test rows.' }),
    signature: t.expose('signature', { type: 'JSON', description: 'Its inputs and outputs: names, types, ranges, categories.' }),
    agreement: t.expose('agreement', { type: 'JSON', description: 'How closely the serving engine agrees with the training engine.' }),
    sizeBytes: t.expose('sizeBytes', { type: 'BigInt', description: 'Size of the package, in bytes.' }),
    sizeGzBytes: t.expose('sizeGzBytes', { type: 'BigInt', description: 'Size of the package after gzip, in bytes.' }),
    packageSha256: t.exposeString('packageSha256', { description: 'SHA-256 of the manifest, which holds that of every file.' }),
    signingKeyId: t.exposeString('signingKeyId', { nullable: true, description: 'The key that has signed the package; null for one from before packages were signed.' }),
    source: t.expose('source', { type: modelVersionSourceEnum, description: 'Where it came from.' }),
    provenance: t.expose('provenance', { type: 'JSON', description: 'Of an imported version: the file and its SHA-256, whose signature it had, who imported it, and what it says of its origin.' }),
    failure: t.exposeString('failure', { nullable: true, description: 'Why it is FAILED, if it is.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    model: t.relation('model', { description: 'The model that it is a version of.' }),
    run: t.relation('run', { nullable: true, description: 'The run that it came from; null if it was imported.' }),
    datasetVersion: t.relation('datasetVersion', { nullable: true, description: 'What it learned from; null if it was imported.' }),
    aliases: t.stringList({
      description: 'Names that point to it now, such as champion.',
      select: { aliases: { select: { name: true }, orderBy: { name: 'asc' } } },
      resolve: ({ aliases }) => aliases.map(({ name }) => name),
    }),
  }),
});

builder.prismaObject('ModelAlias', {
  description: 'A movable name for one version of a model.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'champion, challenger, previous, or a name of your own.' }),
    version: t.relation('version', { description: 'The version that it points to.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last moved.' }),
  }),
});

builder.prismaNode('Model', {
  id: { field: 'id', description: 'mdl_…' },
  nullable: true,
  findUnique: (id, context) => ({ tenantId_id: { tenantId: context.tenantId, id } }),
  description: 'A registered model: a name under which versions are kept.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Unique in the tenant.' }),
    task: t.expose('task', { type: modelTaskEnum, description: 'What it answers with.' }),
    description: t.exposeString('description', { description: 'What it is for; may be empty.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was registered.' }),
    latestVersion: t.prismaField({
      type: 'ModelVersion',
      nullable: true,
      description: 'The version with the highest number.',
      resolve: (query, { id }, _args, { db, tenantId }) =>
        db.modelVersion.findFirst({ ...query, where: { tenantId, modelId: id }, orderBy: { number: 'desc' } }),
    }),
    versions: t.relatedConnection(
      'versions',
      {
        cursor: 'id',
        maxSize: pageLimit,
        complexity: pageComplexity,
        description: 'All versions, newest first.',
        args: {
          tag: t.arg.string({ description: 'Only those with this tag.' }),
          approval: t.arg({ type: approvalEnum, description: 'Only those of which this was said.' }),
        },
        query: ({ tag, approval }) => ({
          where: { ...(tag ? { tags: { has: tag } } : {}), ...(approval ? { approval } : {}) },
          orderBy: { id: 'desc' as const },
        }),
      },
      { name: 'ModelVersionConnection' },
      { name: 'ModelVersionEdge' },
    ),
    aliases: t.relation('aliases', { description: 'Its aliases, by name.', query: { orderBy: { name: 'asc' }, take: 200 } }),
    endpoints: t.relation('endpoints', { description: 'Endpoints that serve it, by name.', query: { orderBy: { name: 'asc' }, take: 200 } }),
  }),
});

builder.prismaNode('Endpoint', {
  id: { field: 'id', description: 'end_…' },
  nullable: true,
  findUnique: (id, context) => ({ tenantId_id: { tenantId: context.tenantId, id } }),
  description: 'A name on the data plane that serves the version to which an alias of a model points.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Unique in the tenant: the {m} of /v1/models/{m}:predict.' }),
    aliasName: t.exposeString('aliasName', { description: 'The alias that it follows.' }),
    model: t.relation('model', { description: 'The model that it serves.' }),
    servedVersion: t.prismaField({
      type: 'ModelVersion',
      nullable: true,
      description: 'The version that answers now; null if the alias is gone or its version is not READY.',
      resolve: (query, { modelId, aliasName }, _args, { db, tenantId }) =>
        db.modelVersion.findFirst({ ...query, where: { tenantId, modelId, status: 'READY', aliases: { some: { name: aliasName } } } }),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
  }),
});

builder.queryFields((t) => ({
  models: t.prismaConnection(
    {
      type: 'Model',
      cursor: 'id',
      maxSize: pageLimit,
      complexity: pageComplexity,
      authScopes: { permission: 'model:read' },
      description: 'The registered models of the tenant, newest first.',
      args: {
        search: t.arg.string({ description: 'Only those whose name or description holds this text.' }),
        tag: t.arg.string({ description: 'Only those with this tag.' }),
      },
      resolve: (query, _root, { search, tag }, { db, tenantId }) => {
        const text = searchedText(search);
        const contains = { contains: text ?? '', mode: 'insensitive' as const };
        const where = { tenantId, ...(text === null ? {} : { OR: [{ name: contains }, { description: contains }] }), ...(tag ? { tags: { has: tag } } : {}) };
        return db.model.findMany({ ...query, where, orderBy: { id: 'desc' } });
      },
    },
    { name: 'ModelConnection' },
    { name: 'ModelEdge' },
  ),
  model: t.prismaField({
    type: 'Model',
    nullable: true,
    args: {
      id: t.arg.id({ description: 'mdl_…' }),
      name: t.arg.string({ description: 'Its name.' }),
    },
    authScopes: { permission: 'model:read' },
    description: 'The model with this id, or of this name; null if there is none. Give one of the two.',
    resolve: (query, _root, { id, name }, { db, tenantId }) => {
      if ((id == null) === (name == null)) {
        throw new DomainError('INVALID', 'Either id or name names a model.', { field: 'id', remedy: 'Give one of the two.' });
      }
      if (id != null && !isId('model', id)) return null;
      const where = id == null ? { tenantId_name: { tenantId, name: name! } } : { tenantId_id: { tenantId, id } };
      return db.model.findUnique({ ...query, where });
    },
  }),
  endpoints: t.prismaConnection(
    {
      type: 'Endpoint',
      cursor: 'id',
      maxSize: pageLimit,
      complexity: pageComplexity,
      authScopes: { permission: 'model:read' },
      description: 'The endpoints of the tenant, newest first.',
      resolve: (query, _root, _args, { db, tenantId }) =>
        db.endpoint.findMany({ ...query, where: { tenantId }, orderBy: { id: 'desc' } }),
    },
    { name: 'EndpointConnection' },
    { name: 'EndpointEdge' },
  ),
  endpoint: t.prismaField({
    type: 'Endpoint',
    nullable: true,
    args: { name: t.arg.string({ required: true, description: 'Its name.' }) },
    authScopes: { permission: 'model:read' },
    description: 'The endpoint of this name; null if there is none.',
    resolve: (query, _root, { name }, { db, tenantId }) =>
      db.endpoint.findUnique({ ...query, where: { tenantId_name: { tenantId, name } } }),
  }),
}));
