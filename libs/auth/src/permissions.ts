/** The one permission table. A verb asks for a permission; roles and key scopes hold them. */

/** Every permission and what it allows. The schema, the console and docs/permissions.md show these words. */
export const permissionTexts = {
  'tenant:read': 'See the tenant’s name, plan and settings, and who its members are by name.',
  'tenant:write': 'Rename, export and delete the tenant, and renew its artefact key.',
  'member:read': 'List members, invitations and sessions.',
  'member:write': 'Invite, remove and re-role members, and end their sessions.',
  'sso:write': 'Set up single sign-on and claim e-mail domains.',
  'grant:write': 'End an operator’s access to the tenant.',
  'key:read': 'List API keys.',
  'key:write': 'Make, change, rotate and revoke API keys.',
  'audit:read': 'Read, export and verify the audit trail.',
  'dataset:read': 'See data sets, their profiles and sample rows.',
  'dataset:write': 'Upload files and make data sets of them.',
  'run:read': 'See runs, their curves and leaderboards.',
  'run:submit': 'Submit training runs.',
  'run:cancel': 'Cancel, pause and resume training runs.',
  'model:read': 'See models, versions, aliases and endpoints.',
  'model:write': 'Move and delete aliases, import and delete model versions, and describe them.',
  'model:export': 'Download the packages of model versions.',
  'model:approve': 'Approve and reject model versions, and say what a champion must be.',
  'model:trust': 'Say whose model packages are trusted.',
  'endpoint:write': 'Create, publish to and delete endpoints.',
  'endpoint:predict': 'Call endpoints.',
  'endpoint:feedback': 'Send truths about predictions that rules of rollouts count.',
  'usage:read': 'See quotas and usage.',
  'platform:read': 'See tenants, their plans and how much they use, and the platform’s health. Never their data.',
  'platform:write': 'Create, suspend, delete and restore tenants, and set their plans.',
  'platform:grant': 'Take a time-limited, recorded access grant to a tenant.',
} as const;

export type Permission = keyof typeof permissionTexts;
export type Role = 'OPERATOR' | 'OWNER' | 'ADMIN' | 'ENGINEER' | 'VIEWER';
export type ApiKeyScope = 'PREDICT' | 'FEEDBACK' | 'TRAIN' | 'READ' | 'ADMIN';

export const permissions = Object.keys(permissionTexts) as Permission[];

const read: Permission[] = ['tenant:read', 'dataset:read', 'run:read', 'model:read', 'usage:read'];
const train: Permission[] = ['dataset:write', 'run:submit', 'run:cancel'];
const publish: Permission[] = ['model:write', 'model:export', 'endpoint:write'];
const call: Permission[] = ['endpoint:predict', 'endpoint:feedback'];
const administer: Permission[] = ['member:read', 'member:write', 'sso:write', 'grant:write', 'key:read', 'key:write', 'audit:read', 'model:approve', 'model:trust'];
const operate: Permission[] = ['platform:read', 'platform:write', 'platform:grant'];

export const permissionsOfRole: Record<Role, readonly Permission[]> = {
  VIEWER: read,
  ENGINEER: [...read, ...train, ...publish, ...call, 'key:read', 'key:write'],
  ADMIN: [...read, ...train, ...publish, ...call, ...administer],
  OWNER: permissions.filter((permission) => !operate.includes(permission)),
  // In the platform's own tenant, which holds nobody's data: members there are the other operators.
  OPERATOR: [...operate, 'tenant:read', 'member:read', 'member:write', 'audit:read'],
};

export const permissionsOfScope: Record<ApiKeyScope, readonly Permission[]> = {
  PREDICT: ['endpoint:predict'],
  FEEDBACK: ['endpoint:feedback'],
  READ: read,
  TRAIN: [...read, ...train],
  ADMIN: [...read, ...train, ...publish, ...call, 'key:read', 'key:write', 'audit:read'],
};

/** What would outlast an operator's access grant: its holder makes no keys, members or ways in, whatever the role. */
export const permissionsBeyondGrants: readonly Permission[] = ['member:write', 'key:write', 'sso:write', 'model:trust'];

/** From the least to the most: nobody gives a role above their own. */
export const rolesByRank: readonly Role[] = ['VIEWER', 'ENGINEER', 'ADMIN', 'OWNER'];

/** An operator is above whatever a tenant can give, so that nobody in one decides about it. */
export const rankOf = (role: Role): number => (role === 'OPERATOR' ? rolesByRank.length : rolesByRank.indexOf(role));
