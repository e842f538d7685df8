import { useQuery } from '@apollo/client/react';
import { useState, type FormEvent } from 'react';
import { useSession, useViewer } from '../../app/session-context.tsx';
import { Badge } from '../../design/badge.tsx';
import { Button } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { Facts } from '../../design/facts.tsx';
import { TextField } from '../../design/field.tsx';
import { words } from '../../design/format.ts';
import { Notice } from '../../design/notice.tsx';
import { Page } from '../../design/page.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { Table } from '../../design/table.tsx';
import { ChangePasswordDocument, LeaveTenantDocument, MembershipsDocument, SwitchTenantDocument } from '../../gql/graphql.ts';
import { Loaded } from '../../graphql/loaded.tsx';
import { otherProblems, problemOf } from '../../graphql/refusal.ts';
import { useVerb } from '../../graphql/use-verb.ts';
import { Confirmation } from './confirmation.tsx';
import { NewPasswordField } from './new-password-field.tsx';
import { SecondFactorCard } from './second-factor-card.tsx';
import { SessionsCard } from './sessions-card.tsx';
import { useEntry } from './use-entry.ts';

export function AccountPage() {
  const viewer = useViewer();
  if (!viewer?.person) return null;
  const { person } = viewer;
  return (
    <Page title="Your account" lead="Your login, which is the same in every tenant that you belong to.">
      <div className="grid items-start gap-6 xl:grid-cols-2">
        <Card title="You">
          <Facts
            facts={[
              ['Name', person.name],
              ['Email', person.email],
            ]}
          />
        </Card>
        <PasswordCard email={person.email} />
        <SecondFactorCard isOn={viewer.hasSecondFactor} />
        <TenantsCard tenantId={viewer.tenant.id} tenantName={viewer.tenant.name} />
      </div>
      <SessionsCard />
    </Page>
  );
}

function PasswordCard({ email }: { email: string }) {
  const [currentPassword, setCurrentPassword] = useState('');
  const [newPassword, setNewPassword] = useState('');
  const [isDone, setDone] = useState(false);
  const change = useVerb(ChangePasswordDocument, { refetchQueries: ['Sessions'] });

  async function submit(event: FormEvent) {
    event.preventDefault();
    setDone(false);
    if (!(await change.run({ input: { currentPassword, newPassword } }))) return;
    setCurrentPassword('');
    setNewPassword('');
    setDone(true);
  }

  const fields = ['currentPassword', 'newPassword'];
  return (
    <Card title="Password" description="Your other sessions end with it.">
      <form onSubmit={(event) => void submit(event)} className="space-y-4">
        {isDone && (
          <Notice tone="good" title="The password is changed">
            Your other sessions have ended.
          </Notice>
        )}
        <RefusalNotice refusal={change.refusal} problems={otherProblems(change.refusal, (field) => fields.includes(field))} />
        <input type="text" autoComplete="username" value={email} readOnly hidden />
        <TextField
          label="Present password"
          type="password"
          autoComplete="current-password"
          required
          value={currentPassword}
          onValue={setCurrentPassword}
          problem={problemOf(change.refusal, 'currentPassword')}
        />
        <NewPasswordField label="New password" value={newPassword} onValue={setNewPassword} problem={problemOf(change.refusal, 'newPassword')} />
        <div className="flex justify-end">
          <Button type="submit" kind="primary" isPending={change.isPending}>
            Change password
          </Button>
        </div>
      </form>
    </Card>
  );
}

function TenantsCard({ tenantId, tenantName }: { tenantId: string; tenantName: string }) {
  const query = useQuery(MembershipsDocument);
  const enter = useEntry();
  const session = useSession();
  const [isLeaving, setLeaving] = useState(false);
  const switchTenant = useVerb(SwitchTenantDocument);
  const leave = useVerb(LeaveTenantDocument);

  async function goTo(id: string) {
    const signedIn = await switchTenant.run({ input: { tenantId: id } });
    if (signedIn) await enter(signedIn);
  }

  return (
    <Card
      title="Your tenants"
      isFlush
      actions={
        <Button kind="danger" className="py-1 text-[13px]" onClick={() => setLeaving(true)}>
          Leave {tenantName}
        </Button>
      }
    >
      {switchTenant.refusal && (
        <div className="p-5">
          <RefusalNotice refusal={switchTenant.refusal} />
        </div>
      )}
      <Loaded what="your tenants" query={query}>
        {({ memberships }) => (
          <Table
            caption="Your tenants"
            rows={memberships}
            keyOf={(membership) => membership.tenantId}
            columns={[
              { header: 'Tenant', cell: (membership) => <span className="font-medium text-steel-900">{membership.name}</span> },
              { header: 'Your role', cell: (membership) => words(membership.role) },
              {
                header: <span className="sr-only">Actions</span>,
                align: 'right',
                cell: (membership) =>
                  membership.tenantId === tenantId ? (
                    <Badge tone="accent">You are here</Badge>
                  ) : (
                    <Button
                      className="py-1 text-[13px]"
                      isPending={switchTenant.isPending}
                      aria-label={`Switch to ${membership.name}`}
                      onClick={() => void goTo(membership.tenantId)}
                    >
                      Switch
                    </Button>
                  ),
              },
            ]}
          />
        )}
      </Loaded>
      <Confirmation
        title={`Leave ${tenantName}?`}
        verb="Leave"
        isOpen={isLeaving}
        isPending={leave.isPending}
        refusal={leave.refusal}
        onClose={() => {
          leave.reset();
          setLeaving(false);
        }}
        onConfirm={async () => {
          if (await leave.run({})) await session.end();
        }}
      >
        You lose access at once, and only a new invitation brings you back. What you have made here stays.
      </Confirmation>
    </Card>
  );
}
