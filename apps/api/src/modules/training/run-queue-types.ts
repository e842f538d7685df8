import { databaseEnums } from '@millrace/database';
import type { TrainingLimits } from '@millrace/quota';
import type { QueuePlace } from '@millrace/training';
import { builder } from '../../schema-builder.ts';

export const runDeviceEnum = builder.enumType(databaseEnums.RunDevice, {
  name: 'RunDevice',
  description: 'What a run is computed on: AUTO goes to any worker, CPU uses no GPU, GPU waits for a worker that has one.',
});

const waitReasonEnum = builder.enumType('WaitReason', {
  description: 'Why a queued run does not start at once.',
  values: {
    TURN: { description: 'Others go first, or all workers are busy.' },
    RETRY: { description: 'Its last attempt failed; the next one follows soon.' },
    CONCURRENT_RUNS: { description: 'As many of your runs are at work as your plan allows.' },
    COMPUTE_SECONDS: { description: 'The compute seconds of this month are used up.' },
    NO_WORKER: { description: 'No worker is alive.' },
    NO_GPU_WORKER: { description: 'It asks for a GPU, and no worker with a GPU is alive.' },
  } as const,
});

const queuePlaceType = builder.objectRef<QueuePlace & { position: number }>('QueuePlace').implement({
  description: 'Where a queued run stands.',
  fields: (t) => ({
    position: t.exposeInt('position', { description: 'How many of your own runs go before it. Other tenants’ are not counted here.' }),
    estimatedStart: t.expose('estimatedStart', {
      type: 'DateTime',
      nullable: true,
      description: 'When it may start, all that waits taken into account. An estimate from how long recent runs took, not a promise, rounded up to five minutes or, further away, more; null when too little is known.',
    }),
    waitsFor: t.expose('waitsFor', { type: waitReasonEnum, description: 'Why it does not start at once.' }),
    reason: t.exposeString('reason', { description: 'The same for people.' }),
  }),
});

const runLimitsType = builder.objectRef<{ memoryMb: number; minutes: number }>('RunLimits').implement({
  description: 'The most that a run may have. What goes beyond it ends it as FAILED.',
  fields: (t) => ({
    memoryMb: t.exposeInt('memoryMb', { description: 'Of its training process, in MB: heap, tensors and all else.' }),
    minutes: t.exposeInt('minutes', { description: 'That it may compute, over all attempts.' }),
  }),
});

builder.prismaObjectFields('Run', (t) => ({
  device: t.expose('device', { type: runDeviceEnum, description: 'What it asked to be computed on.' }),
  limits: t.field({ type: runLimitsType, description: 'The most it may have.', resolve: ({ memoryMb, minutes }) => ({ memoryMb, minutes }) }),
  gpuSeconds: t.exposeFloat('gpuSeconds', { description: 'Those of its compute seconds that were on a GPU.' }),
  pauseRequestedAt: t.expose('pauseRequestedAt', { type: 'DateTime', nullable: true, description: 'When it was asked to pause, as long as it has not.' }),
  queue: t.field({
    type: queuePlaceType,
    nullable: true,
    description: 'Where it stands in the queue; null when it is not queued.',
    resolve: async (run, _args, { services, db }) => {
      const [place, position] = [await services.training.queuePlace(run), await services.training.queuePosition(db, run)];
      return place && position !== null ? { ...place, position } : null;
    },
  }),
}));

export const trainingLimitsType = builder.objectRef<TrainingLimits>('TrainingLimits').implement({
  description: 'How a tenant’s training runs share the workers, and what one run may have. Part of its plan.',
  fields: (t) => ({
    weight: t.exposeFloat('weight', { description: 'Its share of the workers while others wait: 2 gets twice what 1 gets.' }),
    runningRuns: t.exposeInt('runningRuns', { description: 'Runs at work at once; further ones wait.' }),
    computeSecondsPerMonth: t.exposeFloat('computeSecondsPerMonth', {
      nullable: true,
      description: 'Compute seconds of the runs that end in a calendar month (UTC), and of those without an end; null for no limit.',
    }),
    runMemoryMb: t.exposeInt('runMemoryMb', { description: 'The most memory of one run, in MB.' }),
    runMinutes: t.exposeInt('runMinutes', { description: 'The most minutes that one run may compute.' }),
  }),
});

builder.queryField('trainingLimits', (t) =>
  t.field({
    type: trainingLimitsType,
    authScopes: { permission: 'run:read' },
    description: 'What the tenant’s training runs may have.',
    resolve: (_root, _args, { services, signedIn }) => services.training.limits(signedIn),
  }),
);
