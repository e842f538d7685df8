import { useQuery } from '@apollo/client/react';
import { useState, type FormEvent } from 'react';
import { useCan } from '../../app/session-context.tsx';
import { Button } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { TextField } from '../../design/field.tsx';
import { formatBytes, formatCount, formatMoment } from '../../design/format.ts';
import { Empty } from '../../design/notice.tsx';
import { Page } from '../../design/page.tsx';
import { Table } from '../../design/table.tsx';
import { TenantsDocument, type ManagedTenantFieldsFragment } from '../../gql/graphql.ts';
import { Loaded, ShowMore } from '../../graphql/loaded.tsx';
import { CreateTenantDialog } from './create-tenant-dialog.tsx';
import { ManageTenantDialog } from './manage-tenant-dialog.tsx';
import { TenantStatusBadge } from './tenant-status.tsx';

export function TenantsPage() {
  const [draft, setDraft] = useState('');
  const [search, setSearch] = useState('');
  const [isCreating, setCreating] = useState(false);
  const [managing, setManaging] = useState<ManagedTenantFieldsFragment | null>(null);
  const mayWrite = useCan('platform:write');
  const query = useQuery(TenantsDocument, { variables: search === '' ? {} : { search } });

  function submit(event: FormEvent) {
    event.preventDefault();
    setSearch(draft.trim());
  }

  return (
    <Page
      title="Tenants"
      lead="Every team on this Millrace, how much it uses, and whether it is open. Never its data."
      actions={
        mayWrite && (
          <Button kind="primary" onClick={() => setCreating(true)}>
            Create tenant
          </Button>
        )
      }
    >
      <Card isFlush>
        <form onSubmit={submit} role="search" className="flex items-end gap-2 border-b border-steel-100 px-5 py-4">
          <TextField label="Search" type="search" className="w-72" placeholder="Name or address" value={draft} onValue={setDraft} />
          <Button type="submit">Search</Button>
        </form>
        <Loaded what="the tenants" query={query}>
          {({ tenants }) =>
            tenants.edges.length === 0 ? (
              <Empty title={search === '' ? 'No tenants yet' : 'No tenant fits'}>
                {search === '' ? 'Create the first one: its owner comes in by a link.' : 'Search for another part of the name.'}
              </Empty>
            ) : (
              <>
                <Table
                  caption="Tenants"
                  rows={tenants.edges.map(({ node }) => node)}
                  keyOf={({ id }) => id}
                  columns={[
                    {
                      header: 'Tenant',
                      cell: ({ name, slug }) => (
                        <>
                          <span className="font-medium text-steel-900">{name}</span>
                          <code className="block font-mono text-xs text-steel-500">{slug}</code>
                        </>
                      ),
                    },
                    {
                      header: 'State',
                      cell: ({ status, purgeAfter, reason }) => (
                        <>
                          <TenantStatusBadge status={status} />
                          {purgeAfter && <span className="block pt-1 text-xs text-steel-500">purged after {formatMoment(purgeAfter)}</span>}
                          {reason && status !== 'ACTIVE' && <span className="block pt-1 text-xs text-steel-500">{reason}</span>}
                        </>
                      ),
                    },
                    { header: 'Plan', cell: ({ planName }) => planName ?? 'Default' },
                    { header: 'Members', align: 'right', cell: ({ memberCount }) => formatCount(memberCount) },
                    { header: 'Storage', align: 'right', cell: ({ storageBytes }) => formatBytes(storageBytes) },
                    {
                      header: 'This month',
                      align: 'right',
                      isExtra: true,
                      cell: ({ usageThisMonth }) => `${formatCount(usageThisMonth.predictions)} requests`,
                    },
                    { header: 'Last active', isExtra: true, cell: ({ lastActivityAt }) => formatMoment(lastActivityAt) },
                    {
                      header: <span className="sr-only">Actions</span>,
                      align: 'right',
                      cell: (tenant) => (
                        <Button className="py-1 text-[13px]" aria-label={`Manage ${tenant.name}`} onClick={() => setManaging(tenant)}>
                          Manage
                        </Button>
                      ),
                    },
                  ]}
                />
                <ShowMore pageInfo={tenants.pageInfo} onMore={(after) => query.fetchMore({ variables: { after } })} />
              </>
            )
          }
        </Loaded>
      </Card>
      <CreateTenantDialog isOpen={isCreating} onClose={() => setCreating(false)} />
      {managing && <ManageTenantDialog id={managing.id} onClose={() => setManaging(null)} />}
    </Page>
  );
}
