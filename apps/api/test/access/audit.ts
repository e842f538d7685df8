import { type Rows } from './row.ts';

export const auditRows: Rows = {
  'Query.auditEvents': { operation: '{ auditEvents { edges { node { id action details } } } }', needs: 'audit:read' },
};
