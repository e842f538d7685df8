import { useQuery } from '@apollo/client/react';
import { useState, type FormEvent } from 'react';
import { useSession } from '../../app/session-context.tsx';
import { Button } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { Facts } from '../../design/facts.tsx';
import { CheckField, TextField } from '../../design/field.tsx';
import { formatMoment } from '../../design/format.ts';
import { Notice } from '../../design/notice.tsx';
import { Page } from '../../design/page.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { DeleteTenantDocument, OwnTenantDocument, RenameTenantDocument } from '../../gql/graphql.ts';
import { DownloadLink } from '../../graphql/download-link.tsx';
import { Loaded } from '../../graphql/loaded.tsx';
import { otherProblems, problemOf } from '../../graphql/refusal.ts';
import { useVerb } from '../../graphql/use-verb.ts';

export function TenantPage() {
  const query = useQuery(OwnTenantDocument);
  return (
    <Page title="Tenant settings" lead="Your team’s tenant as a whole.">
      <Loaded what="the tenant" query={query}>
        {({ viewer: { tenant } }) => (
          <div className="grid items-start gap-6 xl:grid-cols-2">
            <Card title="The tenant">
              <Facts
                facts={[
                  ['Name', tenant.name],
                  ['In addresses', <code key="slug">{tenant.slug}</code>],
                  ['Set up', formatMoment(tenant.createdAt)],
                  ['Plan', tenant.planName ?? 'The default limits'],
                ]}
              />
            </Card>
            <RenameCard name={tenant.name} />
            <ExportCard slug={tenant.slug} exportedAt={tenant.exportedAt} />
            <DeleteCard slug={tenant.slug} exportedAt={tenant.exportedAt} />
          </div>
        )}
      </Loaded>
    </Page>
  );
}

function RenameCard({ name: present }: { name: string }) {
  const session = useSession();
  const [name, setName] = useState(present);
  const rename = useVerb(RenameTenantDocument);

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (await rename.run({ input: { name: name.trim() } })) await session.look().catch(() => undefined);
  }

  return (
    <Card title="Name">
      <form onSubmit={(event) => void submit(event)} className="space-y-4">
        <RefusalNotice refusal={rename.refusal} problems={otherProblems(rename.refusal, (field) => field === 'name')} />
        <TextField label="Name of the tenant" required value={name} onValue={setName} problem={problemOf(rename.refusal, 'name')} />
        <div className="flex justify-end">
          <Button type="submit" kind="primary" isPending={rename.isPending} disabled={name.trim() === present}>
            Rename
          </Button>
        </div>
      </form>
    </Card>
  );
}

function ExportCard({ slug, exportedAt }: { slug: string; exportedAt: string | null }) {
  return (
    <Card title="Export" description="Everything of the tenant in one tar file: data, models, runs, members and the audit trail.">
      <div className="space-y-4">
        <p className="text-steel-600">{exportedAt ? `Last exported whole: ${formatMoment(exportedAt)}.` : 'It has not been exported yet.'}</p>
        <DownloadLink href="/export" filename={`${slug}-export.tar`} kind="primary">
          Export everything
        </DownloadLink>
      </div>
    </Card>
  );
}

function DeleteCard({ slug, exportedAt }: { slug: string; exportedAt: string | null }) {
  const session = useSession();
  const [confirm, setConfirm] = useState('');
  const [withoutExport, setWithoutExport] = useState(false);
  const [purgeAfter, setPurgeAfter] = useState<string | null>(null);
  const remove = useVerb(DeleteTenantDocument);

  async function submit(event: FormEvent) {
    event.preventDefault();
    const deleted = await remove.run({ input: { confirm: confirm.trim(), withoutExport } });
    if (deleted) setPurgeAfter(deleted.purgeAfter);
  }

  if (purgeAfter !== null) {
    return (
      <Card title="Delete the tenant">
        <div className="space-y-4">
          <Notice tone="warn" title="The tenant is deleted">
            Nobody gets in any more. Until {formatMoment(purgeAfter)} an operator can restore it; then everything is purged.
          </Notice>
          <Button onClick={() => void session.end()}>Sign out</Button>
        </div>
      </Card>
    );
  }

  return (
    <Card title="Delete the tenant" description="Everybody is out within a second. For a while an operator can restore it; then everything is purged.">
      <form onSubmit={(event) => void submit(event)} className="space-y-4">
        <RefusalNotice refusal={remove.refusal} problems={otherProblems(remove.refusal, (field) => field === 'confirm')} />
        <TextField
          label={`Enter “${slug}” to confirm`}
          required
          autoComplete="off"
          value={confirm}
          onValue={setConfirm}
          problem={problemOf(remove.refusal, 'confirm')}
        />
        <CheckField
          label="Delete without an export"
          hint={exportedAt ? 'It has been exported; what was made since is in no export.' : 'Nothing of the tenant is left when it is purged.'}
          isChecked={withoutExport}
          onChecked={setWithoutExport}
        />
        <div className="flex justify-end">
          <Button type="submit" kind="danger" isPending={remove.isPending} disabled={confirm.trim() !== slug}>
            Delete the tenant
          </Button>
        </div>
      </form>
    </Card>
  );
}
