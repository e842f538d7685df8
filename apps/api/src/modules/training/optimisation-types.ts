import { findingsOf, type OptimisationFinding, optimisationOf, type VersionOptimisation } from '@millrace/registry';
import { optimisationOfRun, type RunOptimisation, suitingMethods, suitingPrecisions } from '@millrace/training';
import { builder } from '../../schema-builder.ts';

export const targetEnum = builder.enumType('OptimisationTarget', {
  description: 'What an optimisation is to be best at: the size of the package, or the time that a prediction takes.',
  values: ['SIZE', 'LATENCY'] as const,
});

export const methodEnum = builder.enumType('OptimisationMethod', {
  description: 'What can be done to a model.',
  values: {
    PRUNE: { value: 'prune', description: 'Small weights of a network become 0 while the others learn on: it packs smaller. A linear model stops looking at what moves its answers least.' },
    PRUNE_UNITS: { value: 'prune_units', description: 'Whole units or filters of a network go: smaller and faster.' },
    QUANTISE: { value: 'quantise', description: 'Weights in fewer bits; int8 of networks is computed in whole numbers.' },
    CLUSTER: { value: 'cluster', description: 'The weights of a layer share few values.' },
    DISTIL: { value: 'distil', description: 'A small dense network learns the answers of the model.' },
    CONDENSE: { value: 'condense', description: 'Of nearest neighbours: few prototypes stand for all rows.' },
    PRUNE_TREES: { value: 'prune_trees', description: 'Of trees: questions that change little go; of an isolation forest, whole trees.' },
    MERGE_TREES: { value: 'merge_trees', description: 'Of trees: equal ones become one.' },
  },
});

export const precisionEnum = builder.enumType('WeightPrecision', { description: 'What weights are kept as.', values: { FLOAT16: { value: 'float16' }, INT8: { value: 'int8' } } });

export const calibrationEnum = builder.enumType('Int8Calibration', {
  description: 'How the range of what enters a layer is known: from training rows beforehand, or from each row as it comes.',
  values: { STATIC: { value: 'static' }, DYNAMIC: { value: 'dynamic' } },
});

const runOptimisation = builder.objectRef<RunOptimisation>('RunOptimisation').implement({
  description: 'What a run that makes a version from another is to do.',
  fields: (t) => ({
    base: t.prismaField({
      type: 'ModelVersion',
      nullable: true,
      description: 'The version that it starts from; null where that is deleted.',
      resolve: (query, { base }, _args, { db, tenantId }) => db.modelVersion.findUnique({ ...query, where: { tenantId_id: { tenantId, id: base } } }),
    }),
    target: t.field({ type: targetEnum, nullable: true, description: 'What to be best at; null where steps were chosen.', resolve: ({ target }) => target ?? null }),
    maxLoss: t.float({ nullable: true, description: 'How much worse the new version may be, in points; null for any.', resolve: ({ maxLoss }) => maxLoss ?? null }),
    steps: t.field({ type: 'JSON', nullable: true, description: 'What is done, in this order; null where a target was given.', resolve: ({ steps }) => steps ?? null }),
  }),
});

builder.prismaObjectFields('Run', (t) => ({
  optimisation: t.field({
    type: runOptimisation,
    nullable: true,
    description: 'Of a run that makes a version from another: what it is to do. Its configuration is that of the base.',
    select: { optimisation: true },
    resolve: (run) => optimisationOfRun(run) ?? null,
  }),
}));

const ratio = (before: number | null, now: number | null): number | null => (before === null || now === null || now === 0 ? null : before / now);

const findingCodeEnum = builder.enumType('OptimisationFindingCode', {
  description: 'What kind of finding.',
  values: { LARGER_THAN_PARENT: { description: 'The package is larger than that of the version that it was made from.' } },
});

const optimisationFinding = builder.objectRef<OptimisationFinding>('OptimisationFinding').implement({
  description: 'What is to be known of a version that was made from another, though it was made as asked.',
  fields: (t) => ({
    code: t.expose('code', { type: findingCodeEnum, description: 'Which.' }),
    message: t.exposeString('message', { description: 'What it is.' }),
    remedy: t.exposeString('remedy', { description: 'What can be done about it.' }),
  }),
});

const versionOptimisation = builder.objectRef<VersionOptimisation>('VersionOptimisation').implement({
  description: 'What was done to a version to make this one of it, and how the two compare on the same rows, which took no part in training or choosing.',
  fields: (t) => ({
    parentId: t.id({ description: 'ver_… of the version that it was made from, which may be deleted by now.', resolve: ({ parent }) => parent.id }),
    parentNumber: t.int({ description: 'The number of that version.', resolve: ({ parent }) => parent.number }),
    originNumber: t.int({ description: 'The number of the trained version at the beginning of the line.', resolve: ({ origin }) => origin.number }),
    steps: t.field({ type: 'JSON', description: 'What was done, in this order.', resolve: ({ steps }) => steps }),
    metric: t.exposeString('metric', { description: 'The score that is compared.' }),
    score: t.exposeFloat('score', { nullable: true, description: 'Of this version.' }),
    parentScore: t.exposeFloat('parentScore', { nullable: true, description: 'Of its parent.' }),
    loss: t.float({ nullable: true, description: 'How much worse than its parent, in points; below 0 is better.', resolve: ({ loss }) => loss?.loss ?? null }),
    lossLower: t.float({ nullable: true, description: 'Lower end of the confidence interval of the loss (95 %, paired bootstrap).', resolve: ({ loss }) => loss?.lower ?? null }),
    lossUpper: t.float({ nullable: true, description: 'Its upper end.', resolve: ({ loss }) => loss?.upper ?? null }),
    comparedRows: t.int({ nullable: true, description: 'Rows on which the two were compared.', resolve: ({ loss }) => loss?.rows ?? null }),
    lossFromOrigin: t.exposeFloat('lossFromOrigin', { nullable: true, description: 'The losses from the trained version on, added up: what the gate of the model looks at.' }),
    sizeRatio: t.float({ nullable: true, description: 'So many times smaller than its parent.', resolve: ({ cost, parentCost }) => ratio(parentCost.sizeBytes, cost.sizeBytes) }),
    sizeGzRatio: t.float({ nullable: true, description: 'So many times smaller, both compressed.', resolve: ({ cost, parentCost }) => ratio(parentCost.sizeGzBytes, cost.sizeGzBytes) }),
    findings: t.field({ type: [optimisationFinding], description: 'What is to be known of it, such as that it became larger; none where all is as one would expect.', resolve: findingsOf }),
    latencyRatio: t.float({ nullable: true, description: 'So many times faster for one row, median to median.', resolve: ({ cost, parentCost }) => ratio(parentCost.predTimeMsP50, cost.predTimeMsP50) }),
  }),
});

builder.prismaObjectFields('ModelVersion', (t) => ({
  optimisationMethods: t.field({
    type: [methodEnum],
    description: 'What can be done to it by compressModel, if it is READY; none where it cannot be optimised, also not by optimizeModel.',
    select: { family: true, source: true, optimisation: true, model: { select: { task: true } }, run: { select: { spec: true } } },
    resolve: (version) => [...suitingMethods(version)],
  }),
  optimisationPrecisions: t.field({
    type: [precisionEnum],
    description: 'What QUANTISE can keep it in, the smallest first; none where that does not suit.',
    select: { family: true, source: true, optimisation: true, model: { select: { task: true } }, run: { select: { spec: true } } },
    resolve: (version) => suitingPrecisions(version),
  }),
  optimisation: t.field({
    type: versionOptimisation,
    nullable: true,
    description: 'Of a version that was made from another: from which, how, and how they compare.',
    select: { optimisation: true },
    resolve: optimisationOf,
  }),
}));
