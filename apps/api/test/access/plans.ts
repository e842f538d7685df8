import { error, type Rows, type Stage } from './row.ts';

/** Makes a plan by the way, or changes the one of this name. */
export async function savePlan({ world, operator }: Stage, name: string): Promise<void> {
  await world.graphql('mutation ($name: String!) { savePlan(input: { name: $name, limits: [] }) { __typename } }', { name }, operator.token);
}

export const plansRows: Rows = {
  'Query.plans': { operation: '{ plans { name limits { resource limit } tenantCount } }', needs: 'platform:read' },
  'Mutation.savePlan': {
    operation: `mutation { savePlan(input: { name: "", limits: [] }) { ${error} } }`,
    needs: 'platform:write',
    // The platform's own, and that of the one tenant that has the plan.
    trails: 2,
    succeeds: async (stage) => {
      await savePlan(stage, 'shared');
      await stage.world.graphql(
        'mutation ($id: ID!) { setTenantPlan(input: { tenantId: $id, planName: "shared" }) { __typename } }',
        { id: stage.ours.managedTenant },
        stage.operator.token,
      );
      return { operation: `mutation { savePlan(input: { name: "shared", description: "changed", limits: [] }) { ${error} } }` };
    },
  },
  'Mutation.setTenantPlan': {
    operation: `mutation ($id: ID!) { setTenantPlan(input: { tenantId: $id }) { ${error} ... on SetTenantPlanSuccess { tenant { name quota { limit } } } } }`,
    needs: 'platform:write',
    variables: ({ managedTenant }) => ({ id: managedTenant }),
  },
};
