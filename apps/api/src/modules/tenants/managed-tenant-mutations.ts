import type { ChangeStateOutcome } from '@millrace/auth';
import { DomainError, isId } from '@millrace/kernel';
import { conflict, conflictError, invalidInput, invalidInputError, notFound, notFoundError } from '../../error-types.ts';
import type { RequestContext } from '../../request-context.ts';
import { payloadUnion } from '../../payload-union.ts';
import { builder } from '../../schema-builder.ts';
import { findManagedTenant, type ManagedTenant, managedTenantType, withUse } from './managed-tenant-types.ts';

const createTenantSuccess = builder.objectRef<{ __typename: 'CreateTenantSuccess'; tenant: ManagedTenant; token: string }>('CreateTenantSuccess').implement({
  description: 'The tenant is there, and waits for its owner.',
  fields: (t) => ({
    tenant: t.expose('tenant', { type: managedTenantType, description: 'The tenant.' }),
    token: t.exposeString('token', { description: 'Of the owner’s invitation: in this answer and nowhere else.' }),
  }),
});

const createTenantPayload = payloadUnion('createTenant', [createTenantSuccess, invalidInputError, notFoundError]);

const createTenantInput = builder.inputType('CreateTenantInput', {
  description: 'A tenant to be made.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'As the team calls itself: 1 to 80 characters.' }),
    ownerEmail: t.string({ required: true, description: 'Whom to invite as its owner.' }),
    planName: t.string({ description: 'Its plan; the default limits if left out.' }),
  }),
});

const setTenantPlanSuccess = builder.objectRef<{ __typename: 'SetTenantPlanSuccess'; tenant: ManagedTenant }>('SetTenantPlanSuccess').implement({
  description: 'The tenant has the limits of the plan. Nothing that it has beyond them was taken away; it gets nothing more.',
  fields: (t) => ({ tenant: t.expose('tenant', { type: managedTenantType, description: 'The tenant as it is now.' }) }),
});

const setTenantPlanPayload = payloadUnion('setTenantPlan', [setTenantPlanSuccess, notFoundError]);

const setTenantPlanInput = builder.inputType('SetTenantPlanInput', {
  description: 'A tenant’s plan.',
  fields: (t) => ({
    tenantId: t.id({ required: true, description: 'ten_…' }),
    planName: t.string({ description: 'Its plan; null for the default limits.' }),
  }),
});

/** The ways in which an operator opens and closes a tenant answer alike. */
function stateChange<Name extends string>(name: Name, done: string, errors: (typeof notFoundError | typeof conflictError | typeof invalidInputError)[]) {
  const success = builder.objectRef<{ __typename: `${Name}Success`; tenant: ManagedTenant }>(`${name}Success`).implement({
    description: done,
    fields: (t) => ({ tenant: t.expose('tenant', { type: managedTenantType, description: 'The tenant as it is now.' }) }),
  });
  return payloadUnion(`${name[0]!.toLowerCase()}${name.slice(1)}`, [success, ...errors]);
}

const closing = [notFoundError, conflictError, invalidInputError];
const opening = [notFoundError, conflictError];
const suspendTenantPayload = stateChange('SuspendTenant', 'Nobody of the tenant gets in, and nothing of it is served, within a second.', closing);
const resumeTenantPayload = stateChange('ResumeTenant', 'The tenant is open again; its queued runs go on.', opening);
const scheduleTenantDeletionPayload = stateChange('ScheduleTenantDeletion', 'The tenant is closed, and purged when its time is over.', closing);
const restoreTenantPayload = stateChange('RestoreTenant', 'The tenant is open again, with all that it had.', opening);

const suspendTenantInput = builder.inputType('SuspendTenantInput', {
  description: 'A tenant to be suspended.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'ten_…' }),
    reason: t.string({ required: true, description: 'Why: 1 to 80 characters, for operators and the tenant’s audit trail.' }),
  }),
});

const resumeTenantInput = builder.inputType('ResumeTenantInput', {
  description: 'A tenant to be opened again.',
  fields: (t) => ({ id: t.id({ required: true, description: 'ten_…' }) }),
});

const scheduleTenantDeletionInput = builder.inputType('ScheduleTenantDeletionInput', {
  description: 'A tenant to be deleted.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'ten_…' }),
    reason: t.string({ required: true, description: 'Why: 1 to 80 characters, for operators and the tenant’s audit trail.' }),
  }),
});

const restoreTenantInput = builder.inputType('RestoreTenantInput', {
  description: 'A deleted tenant to be opened again.',
  fields: (t) => ({ id: t.id({ required: true, description: 'ten_…' }) }),
});

async function answer<Name extends string>(name: Name, { services, signedIn }: RequestContext, changing: Promise<ChangeStateOutcome>) {
  const outcome = await changing;
  switch (outcome.type) {
    case 'changed': {
      const [tenant] = await withUse(services, signedIn, [outcome.tenant]);
      return { __typename: `${name}Success` as const, tenant: tenant! };
    }
    case 'not-found':
      return notFound('tenant', 'id');
    case 'invalid':
      return invalidInput(outcome.problems);
    case 'wrong-state': {
      const remedy = outcome.status === 'DELETED' ? 'Restore it first.' : 'Only a deleted tenant can be restored.';
      return conflict('tenant_state', 'id', `The tenant is ${outcome.status}.`, remedy);
    }
    case 'purging':
      return conflict('tenant_purging', 'id', 'The time in which the tenant could be restored is over.', 'Make a new tenant.');
  }
}

builder.mutationFields((t) => ({
  createTenant: t.field({
    type: createTenantPayload,
    action: 'tenant.create',
    authScopes: { permission: 'platform:write' },
    description: 'For operators: makes a tenant and the link by which its owner comes in.',
    args: { input: t.arg({ type: createTenantInput, required: true, description: 'The tenant.' }) },
    resolve: async (_root, { input: { name, ownerEmail, planName } }, { services, signedIn }) => {
      const creating = services.auth.tenants.create(signedIn, { name, ownerEmail }, async (tx, tenantId) => {
        if (planName == null) return {};
        const set = await services.quota.plans.setForNewTenant(tx, signedIn, tenantId, planName);
        if (set.type !== 'set') throw new DomainError('NOT_FOUND', 'There is no such plan.', { field: 'planName' });
        return set.inTrail;
      });
      const outcome = await creating.catch((error: unknown) => {
        if (error instanceof DomainError && error.field === 'planName') return { type: 'plan-not-found' as const };
        throw error;
      });
      if (outcome.type === 'invalid') return invalidInput(outcome.problems);
      if (outcome.type === 'plan-not-found') return notFound('plan', 'planName');
      const [tenant] = await withUse(services, signedIn, [outcome.tenant]);
      return { __typename: 'CreateTenantSuccess' as const, tenant: tenant!, token: outcome.token };
    },
  }),
  setTenantPlan: t.field({
    type: setTenantPlanPayload,
    action: 'tenant.plan',
    authScopes: { permission: 'platform:write' },
    description: 'For operators: gives a tenant the limits of a plan.',
    args: { input: t.arg({ type: setTenantPlanInput, required: true, description: 'Tenant and plan.' }) },
    resolve: async (_root, { input: { tenantId, planName } }, { services, signedIn }) => {
      if (!isId('tenant', tenantId)) return notFound('tenant', 'tenantId');
      const outcome = await services.quota.plans.setForTenant(signedIn, tenantId, planName ?? null);
      switch (outcome.type) {
        case 'tenant-not-found':
          return notFound('tenant', 'tenantId');
        case 'plan-not-found':
          return notFound('plan', 'planName');
        case 'set':
          return { __typename: 'SetTenantPlanSuccess' as const, tenant: (await findManagedTenant(services, signedIn, tenantId))! };
      }
    },
  }),
  suspendTenant: t.field({
    type: suspendTenantPayload,
    action: 'tenant.suspend',
    authScopes: { permission: 'platform:write' },
    description: 'For operators: closes a tenant for the time being. Its runs wait; those at work go back to the queue with their checkpoint.',
    args: { input: t.arg({ type: suspendTenantInput, required: true, description: 'Tenant and reason.' }) },
    resolve: (_root, { input: { id, reason } }, context) =>
      answer('SuspendTenant', context, context.services.auth.tenants.suspend(context.signedIn, id, reason)),
  }),
  resumeTenant: t.field({
    type: resumeTenantPayload,
    action: 'tenant.resume',
    authScopes: { permission: 'platform:write' },
    description: 'For operators: opens a suspended tenant again. Resuming one that is open is no error.',
    args: { input: t.arg({ type: resumeTenantInput, required: true, description: 'The tenant.' }) },
    resolve: (_root, { input: { id } }, context) => answer('ResumeTenant', context, context.services.auth.tenants.resume(context.signedIn, id)),
  }),
  scheduleTenantDeletion: t.field({
    type: scheduleTenantDeletionPayload,
    action: 'tenant.schedule_deletion',
    authScopes: { permission: 'platform:write' },
    description: 'For operators: closes a tenant at once and purges it later. Until then it can be restored.',
    args: { input: t.arg({ type: scheduleTenantDeletionInput, required: true, description: 'Tenant and reason.' }) },
    resolve: (_root, { input: { id, reason } }, context) =>
      answer('ScheduleTenantDeletion', context, context.services.auth.tenants.scheduleDeletion(context.signedIn, id, reason)),
  }),
  restoreTenant: t.field({
    type: restoreTenantPayload,
    action: 'tenant.restore',
    authScopes: { permission: 'platform:write' },
    description: 'For operators: opens a deleted tenant again, as long as its time is not over.',
    args: { input: t.arg({ type: restoreTenantInput, required: true, description: 'The tenant.' }) },
    resolve: (_root, { input: { id } }, context) => answer('RestoreTenant', context, context.services.auth.tenants.restore(context.signedIn, id)),
  }),
}));
