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
  'Query.sessions': {
    operation: 'query ($id: ID) { sessions(personId: $id) { id tenantName address userAgent } }',
    needs: 'signed-in',
    variables: ({ person }) => ({ id: person }),
  },
  'Mutation.revokeSession': {
    operation: `mutation ($id: ID!) { revokeSession(input: { id: $id }) { ${error} } }`,
    needs: 'signed-in',
    variables: ({ session }) => ({ id: session }),
  },
  'Mutation.revokeOtherSessions': { operation: 'mutation { revokeOtherSessions { __typename } }', needs: 'signed-in' },
  'Mutation.changePassword': {
    operation: `mutation { changePassword(input: { currentPassword: "x", newPassword: "${password}" }) { ${error} } }`,
    needs: 'signed-in',
  },
  'Mutation.requestPasswordReset': { operation: 'mutation { requestPasswordReset(input: { email: "x@x.test" }) { __typename } }', needs: 'public' },
  'Mutation.resetPassword': { operation: `mutation { resetPassword(input: { token: "x", newPassword: "${password}" }) { ${error} } }`, needs: 'public' },
  'Mutation.createPasswordReset': { operation: `mutation { createPasswordReset(input: { email: "x@x.test" }) { ${error} } }`, needs: 'platform:write' },
  'Mutation.beginSecondFactor': { operation: `mutation { beginSecondFactor { ${error} } }`, needs: 'signed-in' },
  'Mutation.confirmSecondFactor': { operation: `mutation { confirmSecondFactor(input: { code: "000000" }) { ${error} } }`, needs: 'signed-in' },
  'Mutation.removeSecondFactor': { operation: `mutation { removeSecondFactor(input: { password: "x", code: "000000" }) { ${error} } }`, needs: 'signed-in' },
  'Mutation.resetSecondFactor': { operation: `mutation { resetSecondFactor(input: { email: "x@x.test" }) { ${error} } }`, needs: 'platform:write' },
};
