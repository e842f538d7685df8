import { password } from '../api-world.ts';
import { error, type Rows } from './row.ts';

export const membersRows: Rows = {
  'Query.members': { operation: '{ members { edges { node { role hasSecondFactor person { name email } } } } }', needs: 'member:read' },
  'Query.invitations': { operation: '{ invitations { edges { node { id email state } } } }', needs: 'member:read' },
  'Query.invitation': { operation: '{ invitation(token: "x") { tenantName email } }', needs: 'public' },
  'Query.memberships': { operation: '{ memberships { tenantId name role } }', needs: 'signed-in' },
  'Query.accessGrants': { operation: '{ accessGrants { edges { node { id reason operatorName } } } }', needs: 'audit:read' },
  'Mutation.inviteMember': { operation: `mutation { inviteMember(input: { email: "", role: VIEWER }) { ${error} } }`, needs: 'member:write' },
  'Mutation.revokeInvitation': {
    operation: `mutation ($id: ID!) { revokeInvitation(input: { id: $id }) { ${error} ... on RevokeInvitationSuccess { invitation { email } } } }`,
    needs: 'member:write',
    variables: ({ invitation }) => ({ id: invitation }),
  },
  'Mutation.acceptInvitation': {
    operation: `mutation { acceptInvitation(input: { token: "x", name: "x", password: "${password}" }) { ${error} } }`,
    needs: 'public',
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
  'Mutation.leaveTenant': { operation: `mutation { leaveTenant { ${error} } }`, needs: 'signed-in' },
  'Mutation.switchTenant': {
    operation: `mutation ($tenant: ID!) { switchTenant(input: { tenantId: $tenant }) { ${error} ... on SignInSuccess { viewer { tenant { name } } } } }`,
    needs: 'signed-in',
    variables: ({ tenant }) => ({ tenant }),
  },
};
