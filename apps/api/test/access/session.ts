import { createApiWorld, type Member, password } from '../api-world.ts';
import { codeOf } from '../totp.ts';
import { error, type Rows, type Stage } from './row.ts';

const newPassword = 'a better horse battery';

/** A member of their own for what would lock the owner out. */
const somebody = ({ world, acme }: Stage): Promise<Member> => world.member(acme.actor.tenantId, 'VIEWER');

const beginSecondFactor = async ({ world }: Stage, { token }: Member): Promise<string> =>
  (await world.graphql(`mutation { beginSecondFactor(input: { password: "${password}" }) { ... on BeginSecondFactorSuccess { secret } } }`, {}, token)).data!['beginSecondFactor'].secret;

/** @returns who has a second factor, and a recovery code */
export async function somebodyWithSecondFactor(stage: Stage): Promise<{ member: Member; code: string }> {
  const member = await somebody(stage);
  const confirmed = await stage.world.graphql(
    'mutation ($code: String!) { confirmSecondFactor(input: { code: $code }) { ... on ConfirmSecondFactorSuccess { recoveryCodes } } }',
    { code: codeOf(await beginSecondFactor(stage, member)) },
    member.token,
  );
  return { member, code: confirmed.data!['confirmSecondFactor'].recoveryCodes[0] };
}

export const sessionRows: Rows = {
  'Query.setupState': { operation: '{ setupState { isSetUp } }', needs: 'public' },
  'Query.viewer': { operation: '{ viewer { tenant { name } permissions } }', needs: 'signed-in' },
  'Query.node': {
    operation: 'query ($id: ID!) { node(id: $id) { __typename id ... on Run { modelName } } }',
    needs: 'signed-in',
    variables: ({ run }) => ({ id: run }),
  },
  'Mutation.setUp': {
    // Whoever sets up becomes the first operator as well.
    trails: 2,
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
    // Somebody whose password nobody has guessed at yet: the owner's has been, by other rows.
    succeeds: async (stage) => ({
      operation: `mutation ($input: SignInInput!) { signIn(input: $input) { ${error} } }`,
      variables: { input: { email: (await somebody(stage)).email, password } },
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
    succeeds: async (stage) => ({
      operation: `mutation { changePassword(input: { currentPassword: "${password}", newPassword: "${newPassword}" }) { ${error} } }`,
      credential: (await somebody(stage)).token,
    }),
  },
  'Mutation.requestPasswordReset': {
    operation: 'mutation { requestPasswordReset(input: { email: "x@x.test" }) { __typename } }',
    needs: 'public',
    // Where no mail is sent there is nothing to be done; that this one goes astray is another matter.
    succeeds: async () => {
      const world = await createApiWorld({ publicUrl: 'http://console.example', mail: { smtpUrl: 'smtp://127.0.0.1:9', from: 'millrace@console.example' } });
      const { email } = await world.tenant('forgetful');
      return {
        world,
        operation: 'mutation ($email: String!) { requestPasswordReset(input: { email: $email }) { __typename } }',
        variables: { email },
      };
    },
  },
  'Mutation.resetPassword': {
    operation: `mutation { resetPassword(input: { token: "x", newPassword: "${password}" }) { ${error} } }`,
    needs: 'public',
    succeeds: async (stage) => {
      const created = await stage.world.graphql(
        'mutation ($email: String!) { createPasswordReset(input: { email: $email }) { ... on CreatePasswordResetSuccess { token } } }',
        { email: (await somebody(stage)).email },
        stage.operator.token,
      );
      return {
        operation: `mutation ($token: String!) { resetPassword(input: { token: $token, newPassword: "${newPassword}" }) { ${error} } }`,
        variables: { token: created.data!['createPasswordReset'].token },
      };
    },
  },
  'Mutation.createPasswordReset': {
    operation: `mutation { createPasswordReset(input: { email: "x@x.test" }) { ${error} } }`,
    needs: 'platform:write',
    succeeds: async (stage) => ({
      operation: `mutation ($email: String!) { createPasswordReset(input: { email: $email }) { ${error} } }`,
      variables: { email: (await somebody(stage)).email },
    }),
  },
  'Mutation.beginSecondFactor': {
    operation: `mutation { beginSecondFactor(input: { password: "x" }) { ${error} } }`,
    needs: 'signed-in',
    succeeds: async (stage) => ({
      operation: `mutation { beginSecondFactor(input: { password: "${password}" }) { ${error} } }`,
      credential: (await somebody(stage)).token,
    }),
  },
  'Mutation.confirmSecondFactor': {
    operation: `mutation { confirmSecondFactor(input: { code: "000000" }) { ${error} } }`,
    needs: 'signed-in',
    succeeds: async (stage) => {
      const member = await somebody(stage);
      return {
        operation: `mutation ($code: String!) { confirmSecondFactor(input: { code: $code }) { ${error} } }`,
        variables: { code: codeOf(await beginSecondFactor(stage, member)) },
        credential: member.token,
      };
    },
  },
  'Mutation.removeSecondFactor': {
    operation: `mutation { removeSecondFactor(input: { password: "x", code: "000000" }) { ${error} } }`,
    needs: 'signed-in',
    succeeds: async (stage) => {
      const { member, code } = await somebodyWithSecondFactor(stage);
      return {
        operation: `mutation ($code: String!) { removeSecondFactor(input: { password: "${password}", code: $code }) { ${error} } }`,
        variables: { code },
        credential: member.token,
      };
    },
  },
  'Mutation.resetSecondFactor': {
    operation: `mutation { resetSecondFactor(input: { email: "x@x.test" }) { ${error} } }`,
    needs: 'platform:write',
    succeeds: async (stage) => ({
      operation: `mutation ($email: String!) { resetSecondFactor(input: { email: $email }) { ${error} } }`,
      variables: { email: (await somebodyWithSecondFactor(stage)).member.email },
    }),
  },
};
