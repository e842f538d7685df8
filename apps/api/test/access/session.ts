import { createApiWorld, password } from '../api-world.ts';
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
    // Once in the life of an installation: in a world of its own.
    succeeds: async () => {
      const world = await createApiWorld();
      const token = await world.api.issueSetupToken();
      return {
        world,
        operation: `mutation ($input: SetUpInput!) { setUp(input: $input) { ${error} } }`,
        variables: { input: { token, tenantName: 'Mill', name: 'Mia', email: 'mia@mill.test', password } },
        credential: null,
      };
    },
  },
  'Mutation.signIn': {
    operation: `mutation { signIn(input: { email: "x@x.test", password: "x" }) { ${error} } }`,
    needs: 'public',
    succeeds: ({ acme: { email } }) => ({
      operation: `mutation ($input: SignInInput!) { signIn(input: $input) { ${error} } }`,
      variables: { input: { email, password } },
      credential: null,
    }),
    fails: ({ acme: { email } }) => ({
      operation: `mutation ($input: SignInInput!) { signIn(input: $input) { ${error} } }`,
      variables: { input: { email, password: 'another password' } },
      credential: null,
    }),
  },
  'Mutation.refreshSession': {
    operation: `mutation { refreshSession(input: { refreshToken: "x" }) { ${error} } }`,
    needs: 'public',
    succeeds: ({ acme: { refreshToken } }) => ({
      operation: `mutation ($token: String!) { refreshSession(input: { refreshToken: $token }) { ${error} } }`,
      variables: { token: refreshToken },
      credential: null,
    }),
  },
  'Mutation.signOut': {
    operation: 'mutation { signOut { ... on SignOutSuccess { signedOut } } }',
    needs: 'signed-in',
    succeeds: async ({ world, acme }) => ({
      operation: 'mutation { signOut { __typename } }',
      credential: (await world.member(acme.actor.tenantId, 'VIEWER')).token,
    }),
  },
};
