import { useQuery } from '@apollo/client/react';
import { Badge } from '../../design/badge.tsx';
import { Card } from '../../design/card.tsx';
import { formatMoment } from '../../design/format.ts';
import { Empty } from '../../design/notice.tsx';
import { Page } from '../../design/page.tsx';
import { Table } from '../../design/table.tsx';
import { AuditEventsDocument } from '../../gql/graphql.ts';
import { Loaded, ShowMore } from '../../graphql/loaded.tsx';

export function AuditPage() {
  const query = useQuery(AuditEventsDocument);
  return (
    <Page title="Audit trail" lead="Who did what, and when. Entries cannot be changed or removed.">
      <Card isFlush>
        <Loaded what="the audit trail" query={query}>
          {({ auditEvents }) =>
            auditEvents.edges.length === 0 ? (
              <Empty title="Nothing recorded yet">Sign-ins, keys, data sets, runs and publications appear here as they happen.</Empty>
            ) : (
              <>
                <Table
                  caption="Audit trail"
                  rows={auditEvents.edges.map(({ node }) => node)}
                  keyOf={(event) => event.id}
                  columns={[
                    { header: 'When', className: 'whitespace-nowrap', cell: (event) => formatMoment(event.at) },
                    { header: 'Who', cell: (event) => <code className="font-mono text-xs">{event.actor}</code> },
                    { header: 'Did', cell: (event) => <span className="font-medium text-steel-900">{event.action}</span> },
                    { header: 'To', cell: (event) => <code className="font-mono text-xs break-all">{event.subject ?? '–'}</code> },
                    {
                      header: 'Result',
                      cell: (event) => <Badge tone={event.result === 'ok' ? 'good' : 'bad'}>{event.result}</Badge>,
                    },
                  ]}
                />
                <ShowMore pageInfo={auditEvents.pageInfo} onMore={(after) => query.fetchMore({ variables: { after } })} />
              </>
            )
          }
        </Loaded>
      </Card>
    </Page>
  );
}
