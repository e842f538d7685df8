import { Badge, type Tone } from '../../design/badge.tsx';
import { formatClock, formatMoment } from '../../design/format.ts';
import type { WebhookDeliveryFieldsFragment, WebhookDeliveryStatus } from '../../gql/graphql.ts';

const states: Record<WebhookDeliveryStatus, { label: string; tone: Tone }> = {
  PENDING: { label: 'Under way', tone: 'accent' },
  DELIVERED: { label: 'Delivered', tone: 'good' },
  FAILED: { label: 'Given up', tone: 'bad' },
};

/** How a delivery stands, and what came of its last try. */
export function DeliveryState({ delivery: { status, attempts, lastStatus, lastError, nextAt } }: { delivery: WebhookDeliveryFieldsFragment }) {
  const { label, tone } = states[status];
  const isAgain = status === 'PENDING' && attempts > 0;
  const last = lastStatus === null ? lastError?.replace(/\.$/, '') : `answered ${lastStatus}`;
  return (
    <>
      <Badge tone={isAgain ? 'warn' : tone} isLive={status === 'PENDING'}>
        {isAgain ? 'Tried again' : label}
      </Badge>
      <span className="block pt-1 text-xs text-steel-500">
        {attempts} {attempts === 1 ? 'try' : 'tries'}
        {last !== null && `: ${last}`}
        {isAgain && `; next ${isToday(nextAt) ? formatClock(nextAt) : formatMoment(nextAt)}`}
      </span>
    </>
  );
}

const isToday = (moment: string): boolean => new Date(moment).toDateString() === new Date().toDateString();
