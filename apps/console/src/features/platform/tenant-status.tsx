import { Badge, type Tone } from '../../design/badge.tsx';
import { words } from '../../design/format.ts';
import type { TenantStatus } from '../../gql/graphql.ts';

const tones: Record<TenantStatus, Tone> = { ACTIVE: 'good', SUSPENDED: 'warn', DELETED: 'bad' };

export function TenantStatusBadge({ status }: { status: TenantStatus }) {
  return <Badge tone={tones[status]}>{words(status)}</Badge>;
}
