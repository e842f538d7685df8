import { password } from '../api-world.ts';
import { error, type Rows } from './row.ts';

export const sessionRows: Rows = {
  'Query.setupState': { operation: '{ setupState { isSetUp } }', needs: 'public' },
  'Query.viewer': { operation: '{ viewer { tenant { name } permissions } }', needs: 'signed-in' },
  'Query.node': {
    operation: 'query ($id: ID!) { node(id: $id) { __typename id ... on Run { modelName } } }',
    needs: 'signed-in',
    variables: ({ run }) => ({ id: run }),
  },
  'Mutation.setUp': {
    operation: `mutation { setUp(input: { token: "x", tenantName: "x", name: "x", email: "x@x.test", password: "${password}" }) { ${error} } }`,
    needs: 'public',
  },
  'Mutation.signIn': { operation: `mutation { signIn(input: { email: "x@x.test", password: "x" }) { ${error} } }`, needs: 'public' },
  'Mutation.refreshSession': { operation: `mutation { refreshSession(input: { refreshToken: "x" }) { ${error} } }`, needs: 'public' },
  'Mutation.signOut': { operation: 'mutation { signOut { ... on SignOutSuccess { signedOut } } }', needs: 'signed-in' },
};
