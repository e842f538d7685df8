import { error, type Rows } from './row.ts';

export const ssoRows: Rows = {
  'Query.ssoConnection': { operation: '{ ssoConnection { id issuer } }', needs: 'sso:write' },
  'Query.domainClaims': { operation: '{ domainClaims { id domain } }', needs: 'sso:write' },
  'Mutation.saveSsoConnection': {
    operation: `mutation { saveSsoConnection(input: { issuer: "x", clientId: "x", defaultRole: VIEWER }) { ${error} } }`,
    needs: 'sso:write',
  },
  'Mutation.removeSsoConnection': { operation: `mutation { removeSsoConnection { ${error} } }`, needs: 'sso:write' },
  'Mutation.claimDomain': { operation: `mutation { claimDomain(input: { domain: "second.example" }) { ${error} } }`, needs: 'sso:write' },
  'Mutation.verifyDomain': {
    operation: `mutation ($id: ID!) { verifyDomain(input: { id: $id }) { ${error} } }`,
    needs: 'sso:write',
    variables: ({ domainClaim }) => ({ id: domainClaim }),
  },
  'Mutation.approveDomain': {
    operation: `mutation ($id: ID!) { approveDomain(input: { id: $id }) { ${error} } }`,
    needs: 'platform:write',
    variables: ({ domainClaim }) => ({ id: domainClaim }),
  },
  'Mutation.releaseDomain': {
    operation: `mutation ($id: ID!) { releaseDomain(input: { id: $id }) { ${error} } }`,
    needs: 'sso:write',
    variables: ({ domainClaim }) => ({ id: domainClaim }),
  },
};
