import { password } from '../api-world.ts';
import { error, type Rows } from './row.ts';

export const membersRows: Rows = {
  'Query.members': { operation: '{ members { edges { node { role hasSecondFactor person { name email } } } } }', needs: 'member:read' },
  'Query.invitations': { operation: '{ invitations { edges { node { id email state } } } }', needs: 'member:read' },
  'Query.invitation': { operation: '{ invitation(token: "x") { tenantName email } }', needs: 'public' },
  'Query.memberships': { operation: '{ memberships { tenantId name role } }', needs: 'signed-in' },
  'Query.accessGrants': { operation: '{ accessGrants { edges { node { id reason operatorName } } } }', needs: 'audit:read' },
  'Mutation.inviteMember': {
    operation: `mutation { inviteMember(input: { email: "", role: VIEWER }) { ${error} } }`,
    needs: 'member:write',
    succeeds: () => ({ operation: `mutation { inviteMember(input: { email: "newcomer@canary.test", role: VIEWER }) { ${error} } }` }),
  },
  'Mutation.revokeInvitation': {
    operation: `mutation ($id: ID!) { revokeInvitation(input: { id: $id }) { ${error} ... on RevokeInvitationSuccess { invitation { email } } } }`,
    needs: 'member:write',
    variables: ({ invitation }) => ({ id: invitation }),
  },
  'Mutation.acceptInvitation': {
    operation: `mutation { acceptInvitation(input: { token: "x", name: "x", password: "${password}" }) { ${error} } }`,
    needs: 'public',
    succeeds: async ({ world, acme }) => {
      const invited = await world.graphql(
        'mutation { inviteMember(input: { email: "guest@canary.test", role: VIEWER }) { ... on InviteMemberSuccess { token } } }',
        {},
        acme.token,
      );
      return {
        operation: `mutation ($token: String!) { acceptInvitation(input: { token: $token, name: "Gil", password: "${password}" }) { ${error} } }`,
        variables: { token: invited.data!['inviteMember'].token },
      };
    },
  },
  'Mutation.changeMemberRole': {
    operation: `mutation ($person: ID!) { changeMemberRole(input: { personId: $person, role: ENGINEER }) {
      ${error} ... on ChangeMemberRoleSuccess { member { role person { name } } }
    } }`,
    needs: 'member:write',
    variables: ({ person }) => ({ person }),
  },
  'Mutation.removeMember': {
    operation: `mutation ($person: ID!) { removeMember(input: { personId: $person }) { ${error} } }`,
    needs: 'member:write',
    variables: ({ person }) => ({ person }),
  },
  'Mutation.leaveTenant': {
    operation: `mutation { leaveTenant { ${error} } }`,
    needs: 'signed-in',
    succeeds: async ({ world, acme }) => ({ credential: (await world.member(acme.actor.tenantId, 'VIEWER')).token }),
  },
  'Mutation.switchTenant': {
    operation: `mutation ($tenant: ID!) { switchTenant(input: { tenantId: $tenant }) { ${error} ... on SignInSuccess { viewer { tenant { name } } } } }`,
    needs: 'signed-in',
    variables: ({ tenant }) => ({ tenant }),
    // The end of the one session is told in the tenant that is left, the beginning of the other in its own.
    trails: 2,
    succeeds: async ({ world, acme, ours }) => {
      const member = await world.member(acme.actor.tenantId, 'VIEWER');
      await world.database.asOwner(`INSERT INTO memberships (tenant_id, person_id, role) VALUES ($1, $2, 'VIEWER')`, [ours.managedTenant, member.actor.personId]);
      return { variables: { tenant: ours.managedTenant }, credential: member.token };
    },
  },
};
