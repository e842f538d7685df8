import { Badge } from '../../design/badge.tsx';
import { formatCount, formatMoment } from '../../design/format.ts';
import { Table } from '../../design/table.tsx';
import type { EndpointLiveScoresQuery } from '../../gql/graphql.ts';

type Sender = NonNullable<EndpointLiveScoresQuery['endpoint']>['feedbackSenders'][number];

/** Who has told the truth about an endpoint's predictions, and whether rollouts count it. */
export function FeedbackSenders({ senders }: { senders: readonly Sender[] }) {
  return (
    <Table
      caption="Who sent the truth"
      rows={senders}
      keyOf={({ sender, isTrusted }) => `${sender} ${isTrusted}`}
      columns={[
        { header: 'Sent by', cell: ({ senderLabel }) => <span className="font-medium text-steel-900">{senderLabel}</span> },
        {
          header: 'Counts for rollouts',
          hint: 'Truths from keys with the scope FEEDBACK, engineers and administrators',
          cell: ({ isTrusted }) => <Badge tone={isTrusted ? 'good' : 'warn'}>{isTrusted ? 'trusted' : 'not trusted'}</Badge>,
        },
        { header: 'Predictions', align: 'right', cell: ({ predictions }) => formatCount(predictions) },
        { header: 'Source', cell: ({ lastSource }) => lastSource ?? '–' },
        { header: 'Last sent', isExtra: true, cell: ({ lastAt }) => formatMoment(lastAt) },
      ]}
    />
  );
}
