import { useQuery } from '@apollo/client/react';
import { Link } from '@tanstack/react-router';
import { Badge } from '../../design/badge.tsx';
import { buttonClass } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { formatMoment } from '../../design/format.ts';
import { Empty } from '../../design/notice.tsx';
import { Page } from '../../design/page.tsx';
import { Table } from '../../design/table.tsx';
import { EndpointsDocument } from '../../gql/graphql.ts';
import { Loaded, ShowMore } from '../../graphql/loaded.tsx';

export function EndpointsPage() {
  const query = useQuery(EndpointsDocument);
  return (
    <Page title="Endpoints" lead="Addresses that programs call. Each follows an alias, so that a new version needs no change on their side.">
      <Card isFlush>
        <Loaded what="the endpoints" query={query}>
          {({ endpoints }) =>
            endpoints.edges.length === 0 ? (
              <Empty
                title="No endpoints yet"
                action={
                  <Link to="/models" className={buttonClass('primary')}>
                    Choose a version
                  </Link>
                }
              >
                Publish a version of a model: that makes the endpoint which serves it.
              </Empty>
            ) : (
              <>
                <Table
                  caption="Endpoints"
                  rows={endpoints.edges.map(({ node }) => node)}
                  keyOf={(endpoint) => endpoint.id}
                  columns={[
                    {
                      header: 'Name',
                      cell: (endpoint) => (
                        <Link to="/endpoints/$name" params={{ name: endpoint.name }} className="link">
                          {endpoint.name}
                        </Link>
                      ),
                    },
                    {
                      header: 'Model',
                      cell: ({ model }) => (
                        <Link to="/models/$id" params={{ id: model.id }} className="link">
                          {model.name}
                        </Link>
                      ),
                    },
                    { header: 'Follows', cell: (endpoint) => endpoint.aliasName },
                    {
                      header: 'Serves',
                      cell: ({ servedVersion }) =>
                        servedVersion ? <Badge tone="good">Version {servedVersion.number}</Badge> : <Badge tone="warn">Nothing</Badge>,
                    },
                    { header: 'Created', align: 'right', cell: (endpoint) => formatMoment(endpoint.createdAt) },
                  ]}
                />
                <ShowMore pageInfo={endpoints.pageInfo} onMore={(after) => query.fetchMore({ variables: { after } })} />
              </>
            )
          }
        </Loaded>
      </Card>
    </Page>
  );
}
