import { databaseEnums, type RunMetric } from '@millrace/database';
import { isId } from '@millrace/kernel';
import { type TrainingSpec, trainingSpecJsonSchema, writeTrainingYaml } from '@millrace/training';
import { builder, pageComplexity, pageLimit } from '../../schema-builder.ts';
import { listMetrics } from './run-metrics.ts';

const runStatusEnum = builder.enumType(databaseEnums.RunStatus, {
  name: 'RunStatus',
  description: 'QUEUED and RUNNING go on, PAUSED waits to be resumed; SUCCEEDED, FAILED and CANCELLED are final: a run reaches exactly one of them.',
});

export const runMetricType = builder.objectRef<Pick<RunMetric, 'trial' | 'epoch' | 'values' | 'at'>>('RunMetric').implement({
  description: 'The values of one epoch of one trial.',
  fields: (t) => ({
    trial: t.exposeInt('trial', { description: 'Number of the trial; the first is 0.' }),
    epoch: t.exposeInt('epoch', { description: 'Number of the epoch; the first is 1.' }),
    values: t.expose('values', { type: 'JSON', description: '{loss, valLoss, …}: what the family reports.' }),
    at: t.expose('at', { type: 'DateTime', description: 'When it was reported.' }),
  }),
});

builder.prismaObject('RunEvent', {
  description: 'Something that happened to a run.',
  fields: (t) => ({
    sequence: t.exposeInt('sequence', { description: '1, 2, 3, … without gaps.' }),
    type: t.exposeString('type', { description: 'submitted, claimed, cancel-requested, succeeded, …' }),
    data: t.expose('data', { type: 'JSON', nullable: true, description: 'What else is worth knowing.' }),
    at: t.expose('at', { type: 'DateTime', description: 'When it happened.' }),
  }),
});

builder.prismaObject('Trial', {
  description: 'One model tried within a run: a row of the leaderboard.',
  fields: (t) => ({
    number: t.exposeInt('number', { description: 'Number of the trial; the first is 0.' }),
    family: t.exposeString('family', { description: 'Model family, as the training configuration names it; ensemble for the weighted blend that ends a search.' }),
    parameters: t.expose('parameters', { type: 'JSON', description: 'Its hyper-parameters.' }),
    metrics: t.expose('metrics', { type: 'JSON', description: '{validation, test, baseline}: scores on held-back rows.' }),
    scoreVal: t.exposeFloat('scoreVal', { nullable: true, description: 'Selection metric on validation rows, if some were held back; in a search, its mean over the folds.' }),
    scoreTest: t.exposeFloat('scoreTest', { nullable: true, description: 'Selection metric on the test rows; null where it is not defined.' }),
    predTimeMsP50: t.exposeFloat('predTimeMsP50', { nullable: true, description: 'Median time of a single-row prediction, in milliseconds.' }),
    fitTimeSeconds: t.exposeFloat('fitTimeSeconds', { description: 'Time to train, in seconds.' }),
    sizeBytes: t.expose('sizeBytes', { type: 'BigInt', nullable: true, description: 'Size of the package, in bytes.' }),
    sizeGzBytes: t.expose('sizeGzBytes', { type: 'BigInt', nullable: true, description: 'Size of the package after gzip, in bytes.' }),
    best: t.exposeBoolean('best', { description: 'Whether this is the one that became the model version.' }),
  }),
});

interface RunProgressState {
  trial: number;
  trials: number;
  family: string;
  epoch: number;
  epochs: number;
  secondsUsed?: number;
  timeLimitSeconds?: number | null;
  best?: number | null;
}

const progressType = builder.objectRef<RunProgressState>('RunProgressState').implement({
  description: 'How far a run is.',
  fields: (t) => ({
    trial: t.exposeInt('trial', { description: 'Number of the trial at work; the first is 0.' }),
    trials: t.exposeInt('trials', { description: 'Trials in all; of a search, at most.' }),
    family: t.exposeString('family', { description: 'Model family of the trial at work.' }),
    epoch: t.exposeInt('epoch', { description: 'Epochs done in this trial.' }),
    epochs: t.exposeInt('epochs', { description: 'Epochs of this trial at most.' }),
    secondsUsed: t.float({ nullable: true, description: 'Of a search: how long it has gone on.', resolve: ({ secondsUsed }) => secondsUsed ?? null }),
    timeLimitSeconds: t.float({
      nullable: true,
      description: 'Of a search: how long it may go on, if that is limited.',
      resolve: ({ timeLimitSeconds }) => timeLimitSeconds ?? null,
    }),
    bestScore: t.float({ nullable: true, description: 'Of a search: the best score_val so far.', resolve: ({ best }) => best ?? null }),
  }),
});

interface RunFailure {
  code: string;
  field: string | null;
  message: string;
  remedy: string;
}

const failureType = builder.objectRef<RunFailure>('RunFailure').implement({
  description: 'Why a run failed.',
  fields: (t) => ({
    code: t.exposeString('code', { description: 'Stable and made for programs, in SCREAMING_CASE.' }),
    field: t.exposeString('field', { nullable: true, description: 'The input of submitRun, optimizeModel or compressModel to change, such as limits.memoryMb, if one is at fault.' }),
    message: t.exposeString('message', { description: 'What went wrong.' }),
    remedy: t.exposeString('remedy', { description: 'What to do about it.' }),
  }),
});

builder.prismaNode('Run', {
  id: { field: 'id', description: 'run_…' },
  nullable: true,
  findUnique: (id, context) => ({ tenantId_id: { tenantId: context.tenantId, id } }),
  description: 'One training of one configuration on one data set version, or one optimisation of a model version.',
  fields: (t) => ({
    status: t.expose('status', { type: runStatusEnum, description: 'Where it stands.' }),
    modelName: t.exposeString('modelName', { description: 'The registered model that gets a version if it succeeds.' }),
    spec: t.expose('spec', { type: 'JSON', description: 'The training configuration, complete with defaults.' }),
    specYaml: t.string({
      description: 'The same as YAML, to keep and to submit again.',
      resolve: ({ spec }) => writeTrainingYaml(spec as unknown as TrainingSpec),
    }),
    acknowledgedLeaks: t.exposeStringList('acknowledgedLeaks', { description: 'Columns that give the target away and are used all the same, as whoever submitted it said.' }),
    priority: t.exposeInt('priority', { description: 'Within the tenant; higher goes first.' }),
    attempt: t.exposeInt('attempt', { description: 'How often a worker has started it.' }),
    maxAttempts: t.exposeInt('maxAttempts', { description: 'How often a worker may start it.' }),
    cancelRequestedAt: t.expose('cancelRequestedAt', { type: 'DateTime', nullable: true, description: 'When it was asked to stop.' }),
    progress: t.field({
      type: progressType,
      nullable: true,
      description: 'How far it is; null before the first epoch.',
      resolve: ({ progress }) => progress as unknown as RunProgressState | null,
    }),
    backend: t.exposeString('backend', { nullable: true, description: 'Compute backend in use: cuda, wasm or cpu.' }),
    failure: t.field({
      type: failureType,
      nullable: true,
      description: 'Why it failed, if it did.',
      resolve: ({ failureCode, failureField, failureMessage, failureRemedy }) =>
        failureCode === null
          ? null
          : { code: failureCode, field: failureField, message: failureMessage ?? 'The run failed.', remedy: failureRemedy ?? 'Look at its events.' },
    }),
    computeSeconds: t.exposeFloat('computeSeconds', { description: 'Seconds of training so far, over all attempts.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was submitted.' }),
    startedAt: t.expose('startedAt', { type: 'DateTime', nullable: true, description: 'When a worker first started it.' }),
    finishedAt: t.expose('finishedAt', { type: 'DateTime', nullable: true, description: 'When it reached its end.' }),
    datasetVersion: t.relation('datasetVersion', { description: 'What it learns from.' }),
    events: t.relation('events', {
      description: 'What happened to it, in order; the first 500.',
      query: { orderBy: { sequence: 'asc' }, take: 500 },
    }),
    metrics: t.field({
      type: [runMetricType],
      args: { trial: t.arg.int({ description: 'Only those of this trial.' }) },
      complexity: { field: 5, multiplier: 50 },
      description: 'Values by epoch, in order. Beyond 2000 epochs a trial, evenly chosen ones and always the last.',
      resolve: ({ id }, { trial }, { db, tenantId }) => listMetrics(db, { tenantId, runId: id, trial: trial ?? null }),
    }),
    trials: t.relation('trials', {
      description: 'The leaderboard: every model tried, in the order of the configuration; of a search, live, in the order of trying.',
      query: { orderBy: { number: 'asc' }, take: 200 },
    }),
    modelVersion: t.relation('modelVersion', { nullable: true, description: 'What came out of it, if it succeeded.' }),
    queuePosition: t.int({
      nullable: true,
      description: 'How many of your own runs go before it; null when it is not queued.',
      resolve: (run, _args, { services, db }) => services.training.queuePosition(db, run),
    }),
  }),
});

builder.queryFields((t) => ({
  runs: t.prismaConnection(
    {
      type: 'Run',
      cursor: 'id',
      maxSize: pageLimit,
      complexity: pageComplexity,
      args: { status: t.arg({ type: [runStatusEnum], description: 'Only those that stand so; all if left out.' }) },
      authScopes: { permission: 'run:read' },
      description: 'The runs of the tenant, newest first.',
      resolve: (query, _root, { status }, { db, tenantId }) =>
        db.run.findMany({ ...query, where: { tenantId, ...(status ? { status: { in: [...status] } } : {}) }, orderBy: { id: 'desc' } }),
    },
    { name: 'RunConnection' },
    { name: 'RunEdge' },
  ),
  run: t.prismaField({
    type: 'Run',
    nullable: true,
    args: { id: t.arg.id({ required: true, description: 'run_…' }) },
    authScopes: { permission: 'run:read' },
    description: 'The run with this id; null if there is none.',
    resolve: (query, _root, { id }, { db, tenantId }) =>
      isId('run', id) ? db.run.findUnique({ ...query, where: { tenantId_id: { tenantId, id } } }) : null,
  }),
  trainingConfigurationSchema: t.field({
    type: 'JSON',
    authScopes: { signedIn: true },
    description: 'JSON Schema (draft 2020-12) of the spec of a run: for forms, editors and other languages.',
    resolve: () => trainingSpecJsonSchema,
  }),
}));
