import { databaseEnums } from '@millrace/database';
import type { PlanView, QuotaResource } from '@millrace/quota';
import { invalidInput, invalidInputError, nameOf } from '../../error-types.ts';
import { builder } from '../../schema-builder.ts';

const quotaResourceEnum = builder.enumType(databaseEnums.QuotaResource, {
  name: 'QuotaResource',
  description: 'What is limited: ACTIVE_RUNS are runs queued or running, STORAGE_BYTES is what lies in the artefact store.',
});

const planLimit = builder.objectRef<{ resource: QuotaResource; limit: bigint }>('PlanLimit').implement({
  description: 'How much of a resource a plan allows.',
  fields: (t) => ({
    resource: t.expose('resource', { type: quotaResourceEnum, description: 'What is limited.' }),
    limit: t.expose('limit', { type: 'BigInt', description: 'The most a tenant may have.' }),
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
    tenantCount: t.exposeInt('tenantCount', { description: 'How many tenants have it.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last changed.' }),
  }),
});

const savePlanSuccess = builder.objectRef<{ __typename: 'SavePlanSuccess'; plan: PlanView }>('SavePlanSuccess').implement({
  description: 'The plan is saved, and the limits of its tenants with it.',
  fields: (t) => ({ plan: t.expose('plan', { type: planType, description: 'The plan.' }) }),
});

const savePlanPayload = builder.unionType('SavePlanPayload', {
  description: 'Outcomes of savePlan.',
  types: [savePlanSuccess, invalidInputError],
  resolveType: nameOf,
});

const planLimitInput = builder.inputType('PlanLimitInput', {
  description: 'How much of a resource a plan allows.',
  fields: (t) => ({
    resource: t.field({ type: quotaResourceEnum, required: true, description: 'What is limited.' }),
    limit: t.field({ type: 'BigInt', required: true, description: 'The most a tenant may have; 0 for nothing.' }),
  }),
});

const savePlanInput = builder.inputType('SavePlanInput', {
  description: 'A plan to be made or changed.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'Of the plan: 1 to 40 letters, digits, spaces, hyphens, dots and underscores.' }),
    description: t.string({ description: 'What it is for: at most 300 characters.' }),
    limits: t.field({ type: [planLimitInput], required: true, description: 'Its limits; a resource that is left out gets its default one.' }),
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
    resolve: async (_root, { input: { name, description, limits } }, { services, signedIn }) => {
      const outcome = await services.quota.plans.save(signedIn, { name, description: description ?? '', limits });
      return outcome.type === 'invalid' ? invalidInput(outcome.problems) : { __typename: 'SavePlanSuccess' as const, plan: outcome.plan };
    },
  }),
);
