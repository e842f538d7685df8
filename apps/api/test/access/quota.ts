import { error, type Rows } from './row.ts';

export const quotaRows: Rows = {
  'Query.usage': { operation: '{ usage(from: "2020-01-01T00:00:00Z", to: "2030-01-01T00:00:00Z") { predictions rows } }', needs: 'usage:read' },
  'Query.tableLimits': { operation: '{ tableLimits { rows columns fileMb } }', needs: 'usage:read' },
  'Query.usageReport': {
    operation: '{ usageReport(from: "2026-01-01T00:00:00Z", to: "2026-12-31T00:00:00Z", by: [DAY, ACTOR, ENDPOINT]) { time actor endpoint rows } }',
    needs: 'usage:read',
  },
  'Query.usageLimits': { operation: '{ usageLimits { id scope subject limit used } }', needs: 'usage:read' },
  'Mutation.setUsageLimit': {
    operation: `mutation ($id: String!) { setUsageLimit(input: { scope: KEY, subject: $id, measure: ROWS, period: DAY, limit: "100" }) { ${error} ... on SetUsageLimitSuccess { limit { id } } } }`,
    needs: 'key:write',
    variables: ({ apiKey }) => ({ id: apiKey }),
  },
  'Mutation.removeUsageLimit': {
    operation: `mutation ($id: ID!) { removeUsageLimit(input: { id: $id }) { ${error} } }`,
    needs: 'key:write',
    variables: ({ usageLimit }) => ({ id: usageLimit }),
  },
  'Mutation.setTenantUsageLimit': {
    operation: `mutation ($id: ID!) { setTenantUsageLimit(input: { tenantId: $id, measure: ROWS, period: MONTH, limit: "1000000" }) { ${error} } }`,
    needs: 'platform:write',
    variables: ({ managedTenant }) => ({ id: managedTenant }),
  },
  'Mutation.raiseUsageLimit': {
    operation: `mutation ($tenant: ID!, $id: ID!) { raiseUsageLimit(input: { tenantId: $tenant, limitId: $id, by: "5", until: "${new Date(Date.now() + 86_400_000).toISOString()}", reason: "a trial" }) { ${error} } }`,
    needs: 'platform:write',
    variables: ({ managedTenant, managedLimit }) => ({ id: managedLimit, tenant: managedTenant }),
  },
  'Query.quota': { operation: '{ quota { resource limit } }', needs: 'usage:read' },
};
