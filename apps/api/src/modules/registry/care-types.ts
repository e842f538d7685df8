import { databaseEnums } from '@millrace/database';
import { DomainError, isId } from '@millrace/kernel';
import { compareVersions, type Lineage, lineageOf, type LineageNode, type VersionComparison, writeModelCard } from '@millrace/registry';
import { builder } from '../../schema-builder.ts';

export const approvalEnum = builder.enumType(databaseEnums.ApprovalStatus, {
  name: 'ApprovalStatus',
  description: 'PENDING_APPROVAL: nobody has said anything yet. APPROVED, REJECTED: the latest verdict.',
});

builder.prismaObject('VersionReview', {
  description: 'What somebody said of a version.',
  fields: (t) => ({
    verdict: t.expose('verdict', { type: approvalEnum, description: 'Approved or rejected.' }),
    comment: t.exposeString('comment', { description: 'Why.' }),
    evidence: t.expose('evidence', { type: 'JSON', description: 'Scores, agreement and package digest of the version at that time.' }),
    reviewedBy: t.exposeString('reviewedBy', { description: 'Who: person or key, with its id.' }),
    reviewedAt: t.expose('reviewedAt', { type: 'DateTime', description: 'When.' }),
  }),
});

builder.prismaObjectFields('ModelVersion', (t) => ({
  approval: t.expose('approval', { type: approvalEnum, description: 'What people have said of it.' }),
  reviews: t.relation('reviews', { description: 'Who said what, latest first.', query: { orderBy: { id: 'desc' }, take: 50 } }),
  tags: t.exposeStringList('tags', { description: 'Words to find it by.' }),
  card: t.string({
    description: 'The model card as Markdown: as somebody has written it, or made from what is known.',
    select: { card: true, model: true, datasetVersion: { include: { dataset: true } } },
    resolve: (version) => {
      const { model, datasetVersion, provenance } = version;
      return (
        version.card ??
        writeModelCard({
          ...version,
          modelName: model.name, description: model.description, filename: (provenance as { filename?: string }).filename ?? null,
          dataset: datasetVersion && { name: datasetVersion.dataset.name, number: datasetVersion.number, rows: datasetVersion.rowCount },
        })
      );
    },
  }),
  isCardWritten: t.boolean({ description: 'Whether somebody has written the card.', select: { card: true }, resolve: ({ card }) => card !== null }),
}));

const gateType = builder.objectRef<{ metric: string; atMostWorse: number }>('ModelGate').implement({
  description: 'How much worse than the champion a new one may be.',
  fields: (t) => ({
    metric: t.exposeString('metric', { description: 'The score.' }),
    atMostWorse: t.exposeFloat('atMostWorse', { description: 'In the unit of the score.' }),
  }),
});

builder.prismaObjectFields('Model', (t) => ({
  tags: t.exposeStringList('tags', { description: 'Words to find it by.' }),
  approvalRequired: t.exposeBoolean('approvalRequired', { description: 'Whether the alias champion moves only to approved versions.' }),
  gate: t.field({ type: gateType, nullable: true, description: 'What a new champion is held to; null for nothing.', resolve: ({ gate }) => gate as { metric: string; atMostWorse: number } | null }),
  optimisedAtMostWorse: t.exposeFloat('optimisedAtMostWorse', { nullable: true, description: 'Points that an optimised version may be worse than the trained one that it comes from; null for any.' }),
  keepVersions: t.exposeInt('keepVersions', { nullable: true, description: 'So many versions without an alias are kept; null for all.' }),
}));

const nodeKind = builder.enumType('LineageKind', {
  description: 'What stands in a lineage.',
  values: ['DATASET_VERSION', 'RUN', 'FILE', 'MODEL_VERSION', 'ENDPOINT'] as const,
});

const lineageNode = builder.objectRef<LineageNode>('LineageNode').implement({
  description: 'A thing in a lineage.',
  fields: (t) => ({
    id: t.exposeString('id', { description: 'Its id, or of a file file: and its SHA-256.' }),
    kind: t.field({ type: nodeKind, description: 'What it is.', resolve: ({ kind }) => kind }),
    label: t.exposeString('label', { description: 'Its name for people.' }),
  }),
});

const lineageEdge = builder.objectRef<Lineage['edges'][number]>('LineageEdge').implement({
  description: 'One thing came from another.',
  fields: (t) => ({
    from: t.exposeString('from', { description: 'Id of where it came from.' }),
    to: t.exposeString('to', { description: 'Id of what came of it.' }),
    label: t.exposeString('label', { description: 'By what, such as the alias that an endpoint follows; may be empty.' }),
  }),
});

const lineageType = builder.objectRef<Lineage>('ModelLineage').implement({
  description: 'Data set version → run → version → endpoint.',
  fields: (t) => ({
    nodes: t.expose('nodes', { type: [lineageNode], description: 'All things, each once.' }),
    edges: t.expose('edges', { type: [lineageEdge], description: 'What came from what.' }),
  }),
});

const comparedScore = builder.objectRef<VersionComparison['scores'][number]>('ComparedScore').implement({
  description: 'A score of two versions.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'As the metrics name it.' }),
    left: t.exposeFloat('left', { nullable: true, description: 'Of the first.' }),
    right: t.exposeFloat('right', { nullable: true, description: 'Of the second.' }),
    better: t.exposeString('better', { nullable: true, description: 'LEFT or RIGHT; null when neither is.' }),
  }),
});

const comparedValue = builder.objectRef<VersionComparison['signature'][number]>('ComparedValue').implement({
  description: 'Something in which two versions differ.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'What.' }),
    left: t.exposeString('left', { nullable: true, description: 'Of the first; null where it has none.' }),
    right: t.exposeString('right', { nullable: true, description: 'Of the second; null where it has none.' }),
  }),
});

const comparisonType = builder.objectRef<VersionComparison & { leftId: string; rightId: string }>('VersionComparison').implement({
  description: 'Two versions side by side.',
  fields: (t) => ({
    scores: t.expose('scores', { type: [comparedScore], description: 'All scores of either.' }),
    signature: t.expose('signature', { type: [comparedValue], description: 'Inputs and outputs that differ.' }),
    parameters: t.expose('parameters', { type: [comparedValue], description: 'Settings that differ.' }),
    sameData: t.exposeBoolean('sameData', { description: 'Whether both learned from the same data set version.' }),
    left: t.prismaField({
      type: 'ModelVersion', description: 'The first.',
      resolve: (query, { leftId: id }, _args, { db, tenantId }) => db.modelVersion.findUniqueOrThrow({ ...query, where: { tenantId_id: { tenantId, id } } }),
    }),
    right: t.prismaField({
      type: 'ModelVersion', description: 'The second.',
      resolve: (query, { rightId: id }, _args, { db, tenantId }) => db.modelVersion.findUniqueOrThrow({ ...query, where: { tenantId_id: { tenantId, id } } }),
    }),
  }),
});

builder.queryFields((t) => ({
  versionComparison: t.field({
    type: comparisonType,
    nullable: true,
    args: {
      leftId: t.arg.id({ required: true, description: 'ver_… of the first.' }),
      rightId: t.arg.id({ required: true, description: 'ver_… of the second.' }),
    },
    authScopes: { permission: 'model:read' },
    description: 'Two versions side by side; null if one of them is not there.',
    resolve: async (_root, { leftId, rightId }, { db, tenantId }) => {
      if (!isId('modelVersion', leftId) || !isId('modelVersion', rightId)) return null;
      const find = async (id: string) => {
        const version = await db.modelVersion.findUnique({ where: { tenantId_id: { tenantId, id } } });
        const trial = version?.runId ? await db.trial.findFirst({ where: { tenantId, runId: version.runId, best: true } }) : null;
        return version && { ...version, parameters: trial?.parameters ?? {} };
      };
      const [left, right] = [await find(leftId), await find(rightId)];
      return left && right && { ...compareVersions(left, right), leftId, rightId };
    },
  }),
  modelLineage: t.field({
    type: lineageType,
    nullable: true,
    args: { modelId: t.arg.id({ required: true, description: 'mdl_…' }) },
    authScopes: { permission: 'model:read' },
    description: 'Where the versions of a model came from and where they went, the latest hundred; null if there is no such model.',
    resolve: async (_root, { modelId }, { db, tenantId }) => {
      if (!isId('model', modelId)) return null;
      const model = await db.model.findUnique({ where: { tenantId_id: { tenantId, id: modelId } }, select: { id: true } });
      if (!model) return null;
      const versions = await db.modelVersion.findMany({
        where: { tenantId, modelId }, orderBy: { number: 'desc' }, take: 100,
        select: {
          id: true, number: true, source: true, provenance: true, optimisation: true, run: { select: { id: true, status: true } },
          datasetVersion: { select: { id: true, number: true, dataset: { select: { id: true, name: true } } } },
        },
      });
      const aliases = await db.modelAlias.findMany({ where: { tenantId, modelId }, take: 200, select: { name: true, versionId: true } });
      const endpoints = await db.endpoint.findMany({ where: { tenantId, modelId }, take: 200, orderBy: { name: 'asc' }, select: { id: true, name: true, aliasName: true } });
      return lineageOf({ versions, aliases, endpoints });
    },
  }),
}));

/** What a search looks for, with nothing in it that the database would take for a pattern. @throws DomainError INVALID */
export function searchedText(search: string | null | undefined): string | null {
  if (search == null || search.trim() === '') return null;
  if (search.length > 100) throw new DomainError('INVALID', 'The search is longer than 100 characters.', { field: 'search', remedy: 'Shorten it.' });
  return search.trim().replace(/[\\%_]/g, '\\$&');
}
