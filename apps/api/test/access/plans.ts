import { error, type Rows } from './row.ts';

export const plansRows: Rows = {
  'Query.plans': { operation: '{ plans { name limits { resource limit } tenantCount } }', needs: 'platform:read' },
  'Mutation.savePlan': { operation: `mutation { savePlan(input: { name: "", limits: [] }) { ${error} } }`, needs: 'platform:write' },
  'Mutation.setTenantPlan': {
    operation: `mutation ($id: ID!) { setTenantPlan(input: { tenantId: $id }) { ${error} ... on SetTenantPlanSuccess { tenant { name quota { limit } } } } }`,
    needs: 'platform:write',
    variables: ({ managedTenant }) => ({ id: managedTenant }),
  },
};
