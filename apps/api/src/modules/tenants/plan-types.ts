import { databaseEnums } from '@millrace/database';
import type { PlanUsageLimit, PlanView, QuotaResource } from '@millrace/quota';
import { invalidInput, invalidInputError } from '../../error-types.ts';
import { payloadUnion } from '../../payload-union.ts';
import { builder } from '../../schema-builder.ts';
import { tableLimitsType } from '../quota/quota-types.ts';
import { measureEnum, periodEnum } from '../quota/usage-limit-types.ts';
import { trainingLimitsType } from '../training/run-queue-types.ts';

const quotaResourceEnum = builder.enumType(databaseEnums.QuotaResource, {
  name: 'QuotaResource',
  description: 'What is limited: ACTIVE_RUNS are runs without an end (queued, running or paused), STORAGE_BYTES is what lies in the artefact store.',
});

const planLimit = builder.objectRef<{ resource: QuotaResource; limit: bigint }>('PlanLimit').implement({
  description: 'How much of a resource a plan allows.',
  fields: (t) => ({
    resource: t.expose('resource', { type: quotaResourceEnum, description: 'What is limited.' }),
    limit: t.expose('limit', { type: 'BigInt', description: 'The most a tenant may have.' }),
  }),
});

const planUsageLimit = builder.objectRef<PlanUsageLimit>('PlanUsageLimit').implement({
  description: 'How much a plan’s tenants may predict in a period.',
  fields: (t) => ({
    measure: t.expose('measure', { type: measureEnum, description: 'What it counts.' }),
    period: t.expose('period', { type: periodEnum, description: 'When it begins anew.' }),
    limit: t.field({ type: 'BigInt', description: 'The most.', resolve: ({ limit }) => BigInt(limit) }),
    softLimit: t.field({ type: 'BigInt', nullable: true, description: 'From here on it is said that the limit comes near.', resolve: ({ softLimit }) => (softLimit === null ? null : BigInt(softLimit)) }),
  }),
});

const planType = builder.objectRef<PlanView>('Plan').implement({
  description: 'Named limits that operators give to tenants. A tenant without a plan has the default ones.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Unique on the platform.' }),
    description: t.exposeString('description', { description: 'What it is for; may be empty.' }),
    limits: t.field({
      type: [planLimit],
      description: 'Its limits, one a resource.',
      resolve: ({ limits }) => (Object.entries(limits) as [QuotaResource, bigint][]).map(([resource, limit]) => ({ resource, limit })),
    }),
    training: t.expose('training', { type: trainingLimitsType, description: 'How its tenants’ runs share the workers, and what one run may have.' }),
    usage: t.expose('usage', { type: [planUsageLimit], description: 'How much each of its tenants may predict.' }),
    tables: t.expose('tables', { type: tableLimitsType, description: 'How large one table of its tenants may be.' }),
    tenantCount: t.exposeInt('tenantCount', { description: 'How many tenants have it.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last changed.' }),
  }),
});

const savePlanSuccess = builder.objectRef<{ __typename: 'SavePlanSuccess'; plan: PlanView }>('SavePlanSuccess').implement({
  description: 'The plan is saved, and the limits of its tenants with it.',
  fields: (t) => ({ plan: t.expose('plan', { type: planType, description: 'The plan.' }) }),
});

const savePlanPayload = payloadUnion('savePlan', [savePlanSuccess, invalidInputError]);

const planLimitInput = builder.inputType('PlanLimitInput', {
  description: 'How much of a resource a plan allows.',
  fields: (t) => ({
    resource: t.field({ type: quotaResourceEnum, required: true, description: 'What is limited.' }),
    limit: t.field({ type: 'BigInt', required: true, description: 'The most a tenant may have; 0 for nothing.' }),
  }),
});

const trainingLimitsInput = builder.inputType('TrainingLimitsInput', {
  description: 'How a plan’s tenants share the workers, and what one run may have; what is left out is as by default.',
  fields: (t) => ({
    weight: t.float({ description: 'Share of the workers while others wait, from 0.01 to 100; 1 if left out.' }),
    runningRuns: t.int({ description: 'Runs at work at once; 2 if left out.' }),
    computeSecondsPerMonth: t.float({ description: 'Compute seconds a calendar month (UTC); no limit if left out.' }),
    runMemoryMb: t.int({ description: 'The most memory of one run, in MB; 4096 if left out.' }),
    runMinutes: t.int({ description: 'The most minutes that one run may compute; 1440 if left out.' }),
  }),
});

const tableLimitsInput = builder.inputType('TableLimitsInput', {
  description: 'How large one table of a plan’s tenants may be; what is left out is as by default.',
  fields: (t) => ({
    rows: t.int({ description: 'The most rows; 5 000 000 if left out.' }),
    columns: t.int({ description: 'The most columns; 1000 if left out.' }),
    fileMb: t.int({ description: 'The most of one uploaded file, in units of 1 000 000 bytes; what the server takes if left out.' }),
  }),
});

const planUsageLimitInput = builder.inputType('PlanUsageLimitInput', {
  description: 'How much a plan’s tenants may predict in a period.',
  fields: (t) => ({
    measure: t.field({ type: measureEnum, required: true, description: 'What it counts.' }),
    period: t.field({ type: periodEnum, required: true, description: 'When it begins anew.' }),
    limit: t.field({ type: 'BigInt', required: true, description: 'The most: 0 to 10^12.' }),
    softLimit: t.field({ type: 'BigInt', description: 'From here on it is said that the limit comes near; null for no such notice.' }),
  }),
});

const savePlanInput = builder.inputType('SavePlanInput', {
  description: 'A plan to be made or changed.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'Of the plan: 1 to 40 letters, digits, spaces, hyphens, dots and underscores.' }),
    description: t.string({ description: 'What it is for: at most 300 characters.' }),
    limits: t.field({ type: [planLimitInput], required: true, description: 'Its limits; a resource that is left out gets its default one.' }),
    training: t.field({ type: trainingLimitsInput, description: 'Limits of training; the default ones if left out.' }),
    usage: t.field({ type: [planUsageLimitInput], description: 'Limits of what may be predicted; those that it has if left out.' }),
    tables: t.field({ type: tableLimitsInput, description: 'Limits of one table; the default ones if left out.' }),
  }),
});

builder.queryField('plans', (t) =>
  t.field({
    type: [planType],
    authScopes: { permission: 'platform:read' },
    description: 'For operators: all plans, by name.',
    resolve: (_root, _args, { services, signedIn }) => services.quota.plans.list(signedIn),
  }),
);

builder.mutationField('savePlan', (t) =>
  t.field({
    type: savePlanPayload,
    action: 'plan.save',
    authScopes: { permission: 'platform:write' },
    description: 'For operators: makes a plan, or changes the one of this name for all tenants that have it. Who has more than a new limit keeps it and gets nothing more.',
    args: { input: t.arg({ type: savePlanInput, required: true, description: 'The plan.' }) },
    resolve: async (_root, { input: { name, description, limits, training, tables, usage } }, { services, signedIn }) => {
      const outcome = await services.quota.plans.save(signedIn, { name, description: description ?? '', limits, training: withoutNulls(training ?? {}), tables: withoutNulls(tables ?? {}), ...(usage && { usage: usage.map(({ limit, softLimit, ...rest }) => ({ ...rest, limit: Number(limit), softLimit: softLimit == null ? null : Number(softLimit) })) }) });
      return outcome.type === 'invalid' ? invalidInput(outcome.problems) : { __typename: 'SavePlanSuccess' as const, plan: outcome.plan };
    },
  }),
);

/** Null says no more than leaving it out. */
const withoutNulls = <Given extends object>(given: Given): { [Name in keyof Given]?: NonNullable<Given[Name]> } =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null && value !== undefined)) as { [Name in keyof Given]?: NonNullable<Given[Name]> };
