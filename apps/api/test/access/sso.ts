import { error, type Rows, type Stage } from './row.ts';

async function claim({ world, acme }: Stage, domain: string): Promise<{ id: string; domain: string; record: string }> {
  const claimed = await world.graphql(
    'mutation ($domain: String!) { claimDomain(input: { domain: $domain }) { ... on ClaimDomainSuccess { domainClaim { id domain record } } } }',
    { domain },
    acme.token,
  );
  return claimed.data!['claimDomain'].domainClaim;
}

export const ssoRows: Rows = {
  'Query.ssoConnection': { operation: '{ ssoConnection { id issuer } }', needs: 'sso:write' },
  'Query.domainClaims': { operation: '{ domainClaims { id domain } }', needs: 'sso:write' },
  'Mutation.saveSsoConnection': {
    operation: `mutation { saveSsoConnection(input: { issuer: "x", clientId: "x", defaultRole: VIEWER }) { ${error} } }`,
    needs: 'sso:write',
    succeeds: ({ provider }) => ({
      operation: `mutation ($input: SaveSsoConnectionInput!) { saveSsoConnection(input: $input) { ${error} } }`,
      variables: { input: { ...provider, defaultRole: 'VIEWER' } },
    }),
  },
  'Mutation.removeSsoConnection': { operation: `mutation { removeSsoConnection { ${error} } }`, needs: 'sso:write' },
  'Mutation.claimDomain': {
    operation: `mutation { claimDomain(input: { domain: "second.example" }) { ${error} } }`,
    needs: 'sso:write',
    fails: () => ({ operation: `mutation { claimDomain(input: { domain: "no domain" }) { ${error} } }` }),
  },
  'Mutation.verifyDomain': {
    operation: `mutation ($id: ID!) { verifyDomain(input: { id: $id }) { ${error} } }`,
    needs: 'sso:write',
    variables: ({ domainClaim }) => ({ id: domainClaim }),
    succeeds: async (stage) => {
      const { id, domain, record } = await claim(stage, 'third.example');
      stage.records.set(domain, [record]);
      return { variables: { id } };
    },
  },
  'Mutation.approveDomain': {
    operation: `mutation ($id: ID!) { approveDomain(input: { id: $id }) { ${error} } }`,
    needs: 'platform:write',
    variables: ({ domainClaim }) => ({ id: domainClaim }),
    succeeds: async (stage) => ({ variables: { id: (await claim(stage, 'fourth.example')).id } }),
  },
  'Mutation.releaseDomain': {
    operation: `mutation ($id: ID!) { releaseDomain(input: { id: $id }) { ${error} } }`,
    needs: 'sso:write',
    variables: ({ domainClaim }) => ({ id: domainClaim }),
  },
};
