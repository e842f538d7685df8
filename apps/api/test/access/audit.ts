import type { Rows } from './row.ts';

export const auditRows: Rows = {
  'Query.auditEvents': { operation: '{ auditEvents { edges { node { id action details } } } }', needs: 'audit:read' },
  'Query.auditChain': { operation: '{ auditChain { length head verified firstBroken { number reason } } }', needs: 'audit:read' },
  'Query.permissionTable': { operation: '{ permissionTable { permission text roles scopes fields routes } }', needs: 'signed-in' },
};
