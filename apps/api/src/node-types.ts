import type { Permission } from '@millrace/auth';
import { idPrefixes, type IdKind, isId } from '@millrace/kernel';

/** The types that `node(id)` finds, and the permission that reading each of them asks for. */
const nodeTypes = {
  tenant: { typename: 'Tenant', permission: 'tenant:read' },
  person: { typename: 'Person', permission: 'tenant:read' },
  apiKey: { typename: 'ApiKey', permission: 'key:read' },
  auditEvent: { typename: 'AuditEvent', permission: 'audit:read' },
  ssoConnection: { typename: 'SsoConnection', permission: 'sso:write' },
  domainClaim: { typename: 'DomainClaim', permission: 'sso:write' },
  upload: { typename: 'Upload', permission: 'dataset:read' },
  dataset: { typename: 'Dataset', permission: 'dataset:read' },
  datasetVersion: { typename: 'DatasetVersion', permission: 'dataset:read' },
  run: { typename: 'Run', permission: 'run:read' },
  model: { typename: 'Model', permission: 'model:read' },
  modelVersion: { typename: 'ModelVersion', permission: 'model:read' },
  modelImport: { typename: 'ModelImport', permission: 'model:read' },
  endpoint: { typename: 'Endpoint', permission: 'model:read' },
  rollout: { typename: 'Rollout', permission: 'model:read' },
} as const satisfies Partial<Record<IdKind, { typename: string; permission: Permission }>>;

const kinds = Object.keys(nodeTypes) as (keyof typeof nodeTypes)[];

/** The GraphQL type of what this id names; null if it names nothing that can be read. */
export function typeOfId(id: string): string | null {
  const kind = kinds.find((candidate) => id.startsWith(`${idPrefixes[candidate]}_`));
  return kind && isId(kind, id) ? nodeTypes[kind].typename : null;
}

export function permissionToReadNode(typename: string): Permission | null {
  return Object.values(nodeTypes).find((type) => type.typename === typename)?.permission ?? null;
}
