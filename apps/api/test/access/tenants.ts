import { savePlan } from './plans.ts';
import { error, type Rows } from './row.ts';

const tenant = 'tenant { id name status memberCount usageThisMonth { predictions } }';

export const tenantsRows: Rows = {
  'Query.tenants': { operation: `{ tenants { edges { node { id name slug memberCount storageBytes } } } }`, needs: 'platform:read' },
  'Query.tenant': {
    operation: 'query ($id: ID!) { tenant(id: $id) { id name activeRuns } }',
    needs: 'platform:read',
    variables: ({ managedTenant }) => ({ id: managedTenant }),
  },
  'Query.platformHealth': {
    operation: '{ platformHealth { version queue { queued running workers } migrations { applied latest } storage { freeBytes } } }',
    needs: 'platform:read',
  },
  'Query.operatorGrants': { operation: '{ operatorGrants { id tenantName reason } }', needs: 'platform:grant' },
  'Mutation.renameTenant': {
    operation: `mutation { renameTenant(input: { name: "" }) { ${error} } }`,
    needs: 'tenant:write',
    succeeds: () => ({ operation: `mutation { renameTenant(input: { name: "Canary and Sons" }) { ${error} } }` }),
  },
  'Mutation.deleteTenant': {
    operation: `mutation { deleteTenant(input: { confirm: "x", withoutExport: true }) { ${error} } }`,
    needs: 'tenant:write',
    succeeds: async ({ world }) => {
      const { token } = await world.tenant('closing');
      const { data } = await world.graphql('{ viewer { tenant { slug } } }', {}, token);
      return {
        operation: `mutation ($slug: String!) { deleteTenant(input: { confirm: $slug, withoutExport: true }) { ${error} } }`,
        variables: { slug: data!['viewer'].tenant.slug },
        credential: token,
      };
    },
  },
  'Mutation.createTenant': {
    operation: `mutation { createTenant(input: { name: "", ownerEmail: "" }) { ${error} } }`,
    needs: 'platform:write',
    // With a plan, which is a part of the making and has no line of its own.
    succeeds: async (stage) => {
      await savePlan(stage, 'first');
      return { operation: `mutation { createTenant(input: { name: "New", ownerEmail: "owner@new.test", planName: "first" }) { ${error} } }` };
    },
  },
  'Mutation.takeAccessGrant': {
    operation: `mutation ($id: ID!) { takeAccessGrant(input: { tenantId: $id, role: VIEWER, reason: "to see what is wrong", hours: 1 }) { ${error} } }`,
    needs: 'platform:grant',
    variables: ({ managedTenant }) => ({ id: managedTenant }),
  },
  'Mutation.useAccessGrant': {
    operation: `mutation ($id: ID!) { useAccessGrant(input: { id: $id }) { ${error} ... on SignInSuccess { viewer { tenant { name } grantId } } } }`,
    needs: 'platform:grant',
    variables: ({ grant }) => ({ id: grant }),
  },
  'Mutation.revokeAccessGrant': {
    operation: `mutation ($id: ID!) { revokeAccessGrant(input: { id: $id }) { ${error} ... on RevokeAccessGrantSuccess { grant { reason } } } }`,
    needs: 'signed-in',
    variables: ({ grant }) => ({ id: grant }),
  },
  'Mutation.suspendTenant': {
    operation: `mutation ($id: ID!) { suspendTenant(input: { id: $id, reason: "unpaid" }) { ${error} ... on SuspendTenantSuccess { ${tenant} } } }`,
    needs: 'platform:write',
    variables: ({ managedTenant }) => ({ id: managedTenant }),
  },
  'Mutation.resumeTenant': {
    operation: `mutation ($id: ID!) { resumeTenant(input: { id: $id }) { ${error} ... on ResumeTenantSuccess { ${tenant} } } }`,
    needs: 'platform:write',
    variables: ({ managedTenant }) => ({ id: managedTenant }),
  },
  'Mutation.scheduleTenantDeletion': {
    operation: `mutation ($id: ID!) { scheduleTenantDeletion(input: { id: $id, reason: "closed" }) { ${error} ... on ScheduleTenantDeletionSuccess { ${tenant} } } }`,
    needs: 'platform:write',
    variables: ({ managedTenant }) => ({ id: managedTenant }),
  },
  'Mutation.restoreTenant': {
    operation: `mutation ($id: ID!) { restoreTenant(input: { id: $id }) { ${error} ... on RestoreTenantSuccess { ${tenant} } } }`,
    needs: 'platform:write',
    variables: ({ managedTenant }) => ({ id: managedTenant }),
  },
};
