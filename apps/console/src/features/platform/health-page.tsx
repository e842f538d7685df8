import { useQuery } from '@apollo/client/react';
import { Button } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { Facts, Figure } from '../../design/facts.tsx';
import { formatBytes, formatCount, formatSeconds } from '../../design/format.ts';
import { Notice } from '../../design/notice.tsx';
import { Page } from '../../design/page.tsx';
import { Progress } from '../../design/progress.tsx';
import { PlatformHealthDocument } from '../../gql/graphql.ts';
import { Loaded } from '../../graphql/loaded.tsx';

export function HealthPage() {
  const query = useQuery(PlatformHealthDocument, { fetchPolicy: 'network-only' });
  return (
    <Page title="Health" lead="How this Millrace is." actions={<Button onClick={() => void query.refetch().catch(() => undefined)}>Look again</Button>}>
      <Loaded what="the health of the platform" query={query}>
        {({ platformHealth: { tenants, queue, storage, migrations, ...versions } }) => (
          <>
            {migrations.unfinished.length > 0 && (
              <Notice tone="bad" title="The database is not as this version needs it">
                Unfinished migrations: {migrations.unfinished.join(', ')}. Start the product anew, and see what it prints.
              </Notice>
            )}
            {queue.workers === 0 && (
              <Notice tone="warn" title="No worker is running">
                Runs wait until one is started.
              </Notice>
            )}
            <Card title="Queue">
              <div className="grid gap-6 sm:grid-cols-4">
                <Figure label="Waiting" value={formatCount(queue.queued)} note={queue.oldestWaitSeconds === null ? undefined : `the oldest for ${formatSeconds(queue.oldestWaitSeconds)}`} />
                <Figure label="Running" value={formatCount(queue.running)} />
                <Figure label="Workers" value={formatCount(queue.workers)} />
              </div>
            </Card>
            <div className="grid items-start gap-6 xl:grid-cols-2">
              <Card title="Tenants">
                <div className="grid gap-6 sm:grid-cols-3">
                  <Figure label="Active" value={formatCount(tenants.active)} />
                  <Figure label="Suspended" value={formatCount(tenants.suspended)} />
                  <Figure label="Deleted" value={formatCount(tenants.deleted)} />
                </div>
              </Card>
              <Card title="Storage">
                {storage ? (
                  <Progress
                    label="Disk of the artefact store"
                    value={Number(storage.totalBytes) > 0 ? 1 - Number(storage.freeBytes) / Number(storage.totalBytes) : 1}
                    text={`${formatBytes(storage.freeBytes)} free of ${formatBytes(storage.totalBytes)}`}
                  />
                ) : (
                  <p className="text-steel-500">The store does not tell.</p>
                )}
              </Card>
            </div>
            <Card title="Versions">
              <Facts
                facts={[
                  ['Millrace', versions.version],
                  ['Node.js', versions.nodeVersion],
                  ['Postgres', versions.postgresVersion],
                  ['Database', formatBytes(versions.databaseBytes)],
                  ['Migrations', `${formatCount(migrations.applied)}, the last one ${migrations.latest ?? '–'}`],
                ]}
              />
            </Card>
          </>
        )}
      </Loaded>
    </Page>
  );
}
