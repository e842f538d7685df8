import { useQuery } from '@apollo/client/react';
import { Link } from '@tanstack/react-router';
import { Badge } from '../../design/badge.tsx';
import { Button, buttonClass } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { formatMoment, words } from '../../design/format.ts';
import { Empty } from '../../design/notice.tsx';
import { Page } from '../../design/page.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { Table } from '../../design/table.tsx';
import { OperatorGrantsDocument, RevokeAccessGrantDocument, UseAccessGrantDocument } from '../../gql/graphql.ts';
import { Loaded } from '../../graphql/loaded.tsx';
import { useVerb } from '../../graphql/use-verb.ts';
import { useEntry } from '../auth/use-entry.ts';

/** The operator's own grants: the ways into tenants that they have taken. */
export function AccessPage() {
  const query = useQuery(OperatorGrantsDocument);
  const enter = useEntry();
  const use = useVerb(UseAccessGrantDocument);
  const revoke = useVerb(RevokeAccessGrantDocument, { refetchQueries: ['OperatorGrants'] });

  async function lookInto(id: string) {
    const signedIn = await use.run({ input: { id } });
    if (signedIn) await enter(signedIn);
  }

  return (
    <Page title="Access grants" lead="Your ways into tenants. The tenant sees each of them, and everything that you do with it. Your own session ends in this browser when you use one.">
      <RefusalNotice refusal={use.refusal ?? revoke.refusal} />
      <Card isFlush>
        <Loaded what="your access grants" query={query}>
          {({ operatorGrants }) =>
            operatorGrants.length === 0 ? (
              <Empty
                title="No access grants"
                action={
                  <Link to="/platform/tenants" className={buttonClass('primary')}>
                    Choose a tenant
                  </Link>
                }
              >
                To look into a tenant, take a grant there and say why.
              </Empty>
            ) : (
              <Table
                caption="Access grants"
                rows={operatorGrants}
                keyOf={({ id }) => id}
                columns={[
                  { header: 'Tenant', cell: ({ tenantName }) => <span className="font-medium text-steel-900">{tenantName}</span> },
                  { header: 'As', cell: ({ role }) => words(role) },
                  { header: 'Why', cell: ({ reason }) => reason },
                  { header: 'Until', cell: ({ expiresAt, revokedAt }) => formatMoment(revokedAt ?? expiresAt) },
                  {
                    header: <span className="sr-only">Actions</span>,
                    align: 'right',
                    cell: ({ id, tenantName, expiresAt, revokedAt }) =>
                      revokedAt !== null || new Date(expiresAt) <= new Date() ? (
                        <Badge>Over</Badge>
                      ) : (
                        <div className="flex justify-end gap-2">
                          <Button
                            kind="primary"
                            className="py-1 text-[13px]"
                            isPending={use.isPending}
                            aria-label={`Look into ${tenantName}`}
                            onClick={() => void lookInto(id)}
                          >
                            Look in
                          </Button>
                          <Button
                            kind="danger"
                            className="py-1 text-[13px]"
                            isPending={revoke.isPending}
                            aria-label={`End the grant for ${tenantName}`}
                            onClick={() => void revoke.run({ input: { id } })}
                          >
                            End
                          </Button>
                        </div>
                      ),
                  },
                ]}
              />
            )
          }
        </Loaded>
      </Card>
    </Page>
  );
}
