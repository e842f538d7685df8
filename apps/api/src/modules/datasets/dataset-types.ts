import { databaseEnums } from '@millrace/database';
import type { ColumnProfile, DatasetProfile, FileDialect, FileWarning } from '@millrace/datasets';
import { isId } from '@millrace/kernel';
import { builder, pageComplexity, pageLimit } from '../../schema-builder.ts';
import { fileDialectType } from './dialect-types.ts';
import { contactStripType, imageSummaryType } from './image-types.ts';
import { columnWarningType, targetReportType, targetTypeEnum } from './target-report-types.ts';

const uploadStatusEnum = builder.enumType(databaseEnums.UploadStatus, {
  name: 'UploadStatus',
  description: 'PENDING waits for its bytes, COMPLETE has all of them, FAILED never will.',
});

const versionOriginEnum = builder.enumType(databaseEnums.VersionOrigin, {
  name: 'VersionOrigin',
  description: 'UPLOAD: a file of its own. APPEND: the rows of a file below those of the parent. TYPES: the parent with column types corrected.',
});

export const columnTypeEnum = builder.enumType('ColumnType', {
  description: 'What a column holds.',
  values: {
    NUMBER: { value: 'number', description: 'Quantities.' },
    CATEGORY: { value: 'category', description: 'One of several values.' },
    BINARY: { value: 'binary', description: 'One of two values.' },
    TEXT: { value: 'text', description: 'Free text.' },
    DATE: { value: 'date', description: 'Points in time, in UTC.' },
    IMAGE: { value: 'image', description: 'Pictures: PNG or JPEG files.' },
  } as const,
});

builder.prismaNode('Upload', {
  id: { field: 'id', description: 'upl_…' },
  nullable: true,
  findUnique: (id, context) => ({ tenantId_id: { tenantId: context.tenantId, id } }),
  description: 'A file sent by a user, as it came.',
  fields: (t) => ({
    filename: t.exposeString('filename', { description: 'As the user named it.' }),
    mediaType: t.exposeString('mediaType', { nullable: true, description: 'As the user declared it; never trusted.' }),
    dialect: t.field({ type: fileDialectType, description: 'How it is read, as far as its sender declared it.', resolve: ({ dialect }) => dialect as FileDialect }),
    status: t.expose('status', { type: uploadStatusEnum, description: 'How far it is.' }),
    sizeBytes: t.expose('sizeBytes', { type: 'BigInt', nullable: true, description: 'Bytes; null until complete.' }),
    sha256: t.exposeString('sha256', { nullable: true, description: 'SHA-256 of the bytes; null until complete.' }),
    failure: t.exposeString('failure', { nullable: true, description: 'Why it failed, if it did.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was announced.' }),
  }),
});

interface HistogramBin {
  from: number;
  to: number;
  count: number;
}

const histogramBinType = builder.objectRef<HistogramBin>('HistogramBin').implement({
  description: 'How many values lie from one edge (inclusive) to the next (exclusive, but in the last bin).',
  fields: (t) => ({
    from: t.exposeFloat('from', { description: 'Lower edge.' }),
    to: t.exposeFloat('to', { description: 'Upper edge.' }),
    count: t.exposeInt('count', { description: 'Values in this bin.' }),
  }),
});

const topValueType = builder.objectRef<{ value: string; count: number }>('TopValue').implement({
  description: 'A frequent value of a column.',
  fields: (t) => ({
    value: t.exposeString('value', { description: 'The value.' }),
    count: t.exposeInt('count', { description: 'Rows that have it.' }),
  }),
});

interface ColumnShape extends ColumnProfile {
  warnings: FileWarning[];
}

const numbersOf = (column: ColumnProfile) => (column.summary.kind === 'numbers' ? column.summary : null);

const columnProfileType = builder.objectRef<ColumnShape>('ColumnProfile').implement({
  description: 'What one column of a data set version looks like.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'As the header has it.' }),
    type: t.expose('type', { type: columnTypeEnum, description: 'What it holds.' }),
    missing: t.exposeInt('missing', { description: 'Rows without a value.' }),
    distinct: t.exposeInt('distinct', { description: 'Different values.' }),
    flags: t.exposeStringList('flags', {
      description: 'constant, empty, identifier (names the row instead of describing it) or two_valued.',
    }),
    min: t.float({ nullable: true, description: 'Least number.', resolve: (column) => numbersOf(column)?.min ?? null }),
    max: t.float({ nullable: true, description: 'Greatest number.', resolve: (column) => numbersOf(column)?.max ?? null }),
    mean: t.float({ nullable: true, description: 'Mean of the numbers.', resolve: (column) => numbersOf(column)?.mean ?? null }),
    std: t.float({ nullable: true, description: 'Sample standard deviation.', resolve: (column) => numbersOf(column)?.std ?? null }),
    whole: t.boolean({
      nullable: true,
      description: 'Whether every number is whole.',
      resolve: (column) => numbersOf(column)?.whole ?? null,
    }),
    quantiles: t.field({
      type: 'JSON',
      nullable: true,
      description: 'Of the numbers: {p1, p5, p25, p50, p75, p95, p99}.',
      resolve: (column) => numbersOf(column)?.quantiles ?? null,
    }),
    histogram: t.field({
      type: [histogramBinType],
      complexity: { field: 1, multiplier: 20 },
      description: 'Of the numbers, in bins of equal width; empty for other columns.',
      resolve: (column) => {
        const histogram = numbersOf(column)?.histogram;
        return histogram ? histogram.counts.map((count, i) => ({ from: histogram.edges[i]!, to: histogram.edges[i + 1]!, count })) : [];
      },
    }),
    topValues: t.field({
      type: [topValueType],
      complexity: { field: 1, multiplier: 20 },
      description: 'The most frequent values first; empty for numbers and dates.',
      resolve: ({ summary }) => (summary.kind === 'values' ? summary.top : []),
    }),
    earliest: t.string({
      nullable: true,
      description: 'First point in time.',
      resolve: ({ summary }) => (summary.kind === 'dates' ? summary.min : null),
    }),
    latest: t.string({
      nullable: true,
      description: 'Last point in time.',
      resolve: ({ summary }) => (summary.kind === 'dates' ? summary.max : null),
    }),
    images: t.field({
      type: imageSummaryType,
      nullable: true,
      description: 'What its pictures are like; null for other columns.',
      resolve: ({ summary }) => (summary.kind === 'images' ? summary : null),
    }),
    warnings: t.expose('warnings', { type: [columnWarningType], description: 'What a good engineer would look at first.' }),
  }),
});

const hasImages = ({ columns }: DatasetProfile): boolean => columns.some(({ type }) => type === 'image');

function suggestedType({ columns }: DatasetProfile, target: string): 'number' | 'category' {
  const column = columns.find(({ name }) => name === target);
  return column?.type === 'number' && !column.flags.includes('two_valued') ? 'number' : 'category';
}

builder.prismaNode('DatasetVersion', {
  id: { field: 'id', description: 'dsv_…' },
  nullable: true,
  findUnique: (id, context) => ({ tenantId_id: { tenantId: context.tenantId, id } }),
  description: 'One immutable state of a data set: parsed once, typed and profiled.',
  fields: (t) => ({
    number: t.exposeInt('number', { description: '1, 2, 3, …' }),
    origin: t.expose('origin', { type: versionOriginEnum, description: 'How it was made.' }),
    parent: t.relation('parent', { nullable: true, description: 'The version that it was made of; null if it is a file of its own.' }),
    rowCount: t.exposeInt('rowCount', { description: 'Rows, without the header.' }),
    columnCount: t.exposeInt('columnCount', { description: 'Columns.' }),
    columns: t.field({
      type: [columnProfileType],
      complexity: { field: 1, multiplier: 20 },
      description: 'Every column with its profile, in the order of the file.',
      resolve: ({ profile }) => {
        const { columns, warnings } = profile as unknown as DatasetProfile;
        return columns.map((column) => ({ ...column, warnings: warnings.filter(({ field }) => field === column.name) }));
      },
    }),
    warnings: t.field({
      type: [columnWarningType],
      description: 'What is to be said of the whole table, such as rows that occur twice.',
      resolve: ({ profile }) => (profile as unknown as DatasetProfile).warnings.filter(({ field }) => field === 'file'),
    }),
    targetReport: t.field({
      type: targetReportType,
      args: {
        target: t.arg.string({ required: true, description: 'The column to be predicted.' }),
        type: t.arg({ type: targetTypeEnum, description: 'How it is to be predicted; as its values suggest if left out.' }),
      },
      complexity: 500, // reads a file
      description: 'How the other columns go with a target, and which give it away.',
      resolve: (version, { target, type }, { services, signedIn }) => 
        services.reportOnTarget(signedIn, version.id, { name: target, type: type ?? suggestedType(version.profile as unknown as DatasetProfile, target) }),
    }),
    sizeBytes: t.expose('sizeBytes', { type: 'BigInt', description: 'Bytes as it is stored.' }),
    sha256: t.exposeString('sha256', { description: 'SHA-256 of the stored file.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    dataset: t.relation('dataset', { description: 'The data set that it is a version of.' }),
    upload: t.relation('upload', { description: 'The file that it was made from.' }),
    contactSheet: t.field({
      type: [contactStripType],
      args: { perClass: t.arg.int({ defaultValue: 8, description: 'So many pictures of each class at most: 1 to 20.' }) },
      complexity: 500, // reads a file
      description: 'Small pictures of each class, the 50 largest classes; empty where the data are no pictures.',
      resolve: (version, { perClass }, { services, signedIn }) =>
        hasImages(version.profile as unknown as DatasetProfile) ? services.contactSheet(signedIn, version.id, Math.min(20, Math.max(1, perClass ?? 8))) : [],
    }),
    sampleRows: t.field({
      type: ['JSON'],
      args: { first: t.arg.int({ defaultValue: 20, description: 'So many rows at most: 1 to 100.' }) },
      complexity: 500, // reads a file
      description: 'Rows spread evenly over the data, the same ones every time: {column: value}.',
      resolve: (version, { first }, { services, signedIn }) =>
        services.sampleRows(signedIn, version.id, Math.min(pageLimit({ first }), first ?? 20)),
    }),
  }),
});

builder.prismaNode('Dataset', {
  id: { field: 'id', description: 'dst_…' },
  nullable: true,
  findUnique: (id, context) => ({ tenantId_id: { tenantId: context.tenantId, id } }),
  description: 'Data under a name, in versions.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Unique in the tenant.' }),
    description: t.exposeString('description', { description: 'What the data is about; may be empty.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    deletedAt: t.expose('deletedAt', { type: 'DateTime', nullable: true, description: 'When its files were deleted; what was learned from it still names it.' }),
    latestVersion: t.prismaField({
      type: 'DatasetVersion',
      nullable: true,
      description: 'The version with the highest number.',
      resolve: (query, { id }, _args, { db, tenantId }) =>
        db.datasetVersion.findFirst({ ...query, where: { tenantId, datasetId: id }, orderBy: { number: 'desc' } }),
    }),
    versions: t.relatedConnection(
      'versions',
      {
        cursor: 'id',
        maxSize: pageLimit,
        complexity: pageComplexity,
        description: 'All versions, newest first.',
        query: { orderBy: { id: 'desc' } },
      },
      { name: 'DatasetVersionConnection' },
      { name: 'DatasetVersionEdge' },
    ),
  }),
});

builder.queryFields((t) => ({
  datasets: t.prismaConnection(
    {
      type: 'Dataset',
      cursor: 'id',
      maxSize: pageLimit,
      complexity: pageComplexity,
      authScopes: { permission: 'dataset:read' },
      description: 'The data sets of the tenant, newest first.',
      resolve: (query, _root, _args, { db, tenantId }) =>
        db.dataset.findMany({ ...query, where: { tenantId, deletedAt: null }, orderBy: { id: 'desc' } }),
    },
    { name: 'DatasetConnection' },
    { name: 'DatasetEdge' },
  ),
  dataset: t.prismaField({
    type: 'Dataset',
    nullable: true,
    args: { id: t.arg.id({ required: true, description: 'dst_…' }) },
    authScopes: { permission: 'dataset:read' },
    description: 'The data set with this id; null if there is none.',
    resolve: (query, _root, { id }, { db, tenantId }) =>
      isId('dataset', id) ? db.dataset.findFirst({ ...query, where: { tenantId, id, deletedAt: null } }) : null,
  }),
}));
