/** The one permission table. A verb asks for a permission; roles and key scopes hold them. */

export const permissions = [
  'tenant:read',
  'key:read',
  'key:write',
  'audit:read',
  'dataset:read',
  'dataset:write',
  'run:read',
  'run:submit',
  'run:cancel',
  'model:read',
  'model:write',
  'endpoint:write',
  'endpoint:predict',
  'usage:read',
] as const;

export type Permission = (typeof permissions)[number];
export type Role = 'OWNER' | 'ADMIN' | 'ENGINEER' | 'VIEWER';
export type ApiKeyScope = 'PREDICT' | 'TRAIN' | 'READ' | 'ADMIN';

const read: Permission[] = ['tenant:read', 'dataset:read', 'run:read', 'model:read', 'usage:read'];
const train: Permission[] = ['dataset:write', 'run:submit', 'run:cancel'];
const publish: Permission[] = ['model:write', 'endpoint:write'];
const administer: Permission[] = ['key:read', 'key:write', 'audit:read'];

export const permissionsOfRole: Record<Role, readonly Permission[]> = {
  VIEWER: read,
  ENGINEER: [...read, ...train, ...publish, 'endpoint:predict', 'key:read', 'key:write'],
  ADMIN: [...read, ...train, ...publish, 'endpoint:predict', ...administer],
  OWNER: permissions,
};

export const permissionsOfScope: Record<ApiKeyScope, readonly Permission[]> = {
  PREDICT: ['endpoint:predict'],
  READ: read,
  TRAIN: [...read, ...train],
  ADMIN: [...read, ...train, ...publish, 'endpoint:predict', ...administer],
};
