import { exportCountsForHours } from '@millrace/auth';
import { conflict, conflictError, invalidInput, invalidInputError } from '../../error-types.ts';
import { payloadUnion } from '../../payload-union.ts';
import { builder } from '../../schema-builder.ts';

const renameTenantSuccess = builder.objectRef<{ __typename: 'RenameTenantSuccess' }>('RenameTenantSuccess').implement({
  description: 'The tenant has its new name. The one in addresses stays.',
  fields: (t) => ({
    tenant: t.prismaField({
      type: 'Tenant',
      description: 'The tenant.',
      resolve: (query, _success, _args, { db, tenantId: id }) => db.tenant.findUniqueOrThrow({ ...query, where: { id } }),
    }),
  }),
});

const renameTenantPayload = payloadUnion('renameTenant', [renameTenantSuccess, invalidInputError]);

const renameTenantInput = builder.inputType('RenameTenantInput', {
  description: 'Your tenant’s new name.',
  fields: (t) => ({ name: t.string({ required: true, description: 'As your team calls itself: 1 to 80 characters.' }) }),
});

const deleteTenantSuccess = builder.objectRef<{ __typename: 'DeleteTenantSuccess'; purgeAfter: Date }>('DeleteTenantSuccess').implement({
  description: 'Nobody of the tenant gets in any more. Until it is purged, your operator can restore it.',
  fields: (t) => ({ purgeAfter: t.expose('purgeAfter', { type: 'DateTime', description: 'When everything that it has is removed for good.' }) }),
});

const deleteTenantPayload = payloadUnion('deleteTenant', [deleteTenantSuccess, invalidInputError, conflictError]);

const deleteTenantInput = builder.inputType('DeleteTenantInput', {
  description: 'Your tenant, to be deleted.',
  fields: (t) => ({
    confirm: t.string({ required: true, description: 'The tenant’s slug, typed again.' }),
    withoutExport: t.boolean({ description: `Whether its data is not wanted: without this there must be a whole export of the last ${exportCountsForHours} hours.` }),
  }),
});

builder.mutationFields((t) => ({
  renameTenant: t.field({
    type: renameTenantPayload,
    action: 'tenant.rename',
    authScopes: { permission: 'tenant:write' },
    description: 'Gives your tenant another name.',
    args: { input: t.arg({ type: renameTenantInput, required: true, description: 'The name.' }) },
    resolve: async (_root, { input }, { services, signedIn }) => {
      const outcome = await services.auth.tenants.rename(signedIn, input.name);
      return outcome.type === 'invalid' ? invalidInput(outcome.problems) : { __typename: 'RenameTenantSuccess' as const };
    },
  }),
  deleteTenant: t.field({
    type: deleteTenantPayload,
    action: 'tenant.delete',
    authScopes: { permission: 'tenant:write' },
    description: 'Closes your tenant for everybody, and removes all that it has when its time is over. Export it first: GET /export.',
    args: { input: t.arg({ type: deleteTenantInput, required: true, description: 'The confirmation.' }) },
    resolve: async (_root, { input: { confirm, withoutExport } }, { services, signedIn }) => {
      const outcome = await services.auth.tenants.delete(signedIn, { confirm, withoutExport: withoutExport ?? false });
      switch (outcome.type) {
        case 'deleted':
          return { __typename: 'DeleteTenantSuccess' as const, purgeAfter: outcome.purgeAfter };
        case 'invalid':
          return invalidInput(outcome.problems);
        case 'export-missing': {
          const last = outcome.exportedAt ? `The last whole export is of ${outcome.exportedAt.toISOString()}.` : 'The tenant was never exported whole.';
          return conflict('export_missing', 'withoutExport', last, `Download GET /export to its end within ${exportCountsForHours} hours before, or set withoutExport.`);
        }
      }
    },
  }),
}));
