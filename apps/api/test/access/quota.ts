import { type Rows } from './row.ts';

export const quotaRows: Rows = {
  'Query.usage': { operation: '{ usage(from: "2020-01-01T00:00:00Z", to: "2030-01-01T00:00:00Z") { predictions rows } }', needs: 'usage:read' },
  'Query.tableLimits': { operation: '{ tableLimits { rows columns fileMb } }', needs: 'usage:read' },
  'Query.quota': { operation: '{ quota { resource limit } }', needs: 'usage:read' },
};
