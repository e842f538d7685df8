import { useQuery } from '@apollo/client/react';
import { useNavigate } from '@tanstack/react-router';
import { useState, type FormEvent } from 'react';
import { useCan } from '../../app/session-context.tsx';
import { Button } from '../../design/button.tsx';
import { Dialog } from '../../design/dialog.tsx';
import { Facts } from '../../design/facts.tsx';
import { SelectField, TextField } from '../../design/field.tsx';
import { FormButtons } from '../../design/form-buttons.tsx';
import { formatBytes, formatCount, formatMoment, formatSeconds, words } from '../../design/format.ts';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import {
  ManagedTenantDocument,
  RestoreTenantDocument,
  ResumeTenantDocument,
  ScheduleTenantDeletionDocument,
  SetTenantPlanDocument,
  SuspendTenantDocument,
  TakeAccessGrantDocument,
  type ManagedTenantFieldsFragment,
  type Role,
} from '../../gql/graphql.ts';
import { Loaded } from '../../graphql/loaded.tsx';
import { otherProblems, problemOf } from '../../graphql/refusal.ts';
import { useVerb } from '../../graphql/use-verb.ts';
import { PlanField } from './plan-field.tsx';
import { TenantLimits } from './tenant-limits.tsx';
import { TenantStatusBadge } from './tenant-status.tsx';

/** One tenant, and what an operator may do with it. */
export function ManageTenantDialog({ id, onClose }: { id: string; onClose(): void }) {
  const query = useQuery(ManagedTenantDocument, { variables: { id } });
  const name = query.data?.tenant?.name ?? 'Tenant';
  const mayWrite = useCan('platform:write');
  return (
    <Dialog title={name} isOpen onClose={onClose} isWide>
      <Loaded what="the tenant" query={query}>
        {({ tenant }) =>
          tenant ? (
            <>
              <Tenant tenant={tenant} />
              <TenantLimits tenantId={tenant.id} limits={tenant.usageLimits} mayWrite={mayWrite} />
            </>
          ) : (
            <p>This tenant is gone.</p>
          )
        }
      </Loaded>
      <div className="mt-5 flex justify-end">
        <Button onClick={onClose}>Close</Button>
      </div>
    </Dialog>
  );
}

function Tenant({ tenant }: { tenant: ManagedTenantFieldsFragment }) {
  const mayWrite = useCan('platform:write');
  const mayLookIn = useCan('platform:grant');
  return (
    <div className="grid gap-6 md:grid-cols-2">
      <Facts
        facts={[
          ['State', <TenantStatusBadge key="state" status={tenant.status} />],
          ...(tenant.reason ? [['Reason', tenant.reason] as const] : []),
          ...(tenant.purgeAfter ? [['Purged after', formatMoment(tenant.purgeAfter)] as const] : []),
          ['In addresses', <code key="slug">{tenant.slug}</code>],
          ['Created', formatMoment(tenant.createdAt)],
          ['Last active', formatMoment(tenant.lastActivityAt)],
          ['Exported', formatMoment(tenant.exportedAt)],
          ['Members', formatCount(tenant.memberCount)],
          ['This month', `${formatCount(tenant.usageThisMonth.predictions)} requests, ${formatCount(tenant.usageThisMonth.rows)} rows, ${formatSeconds(tenant.usageThisMonth.computeSeconds)} of training (${formatSeconds(tenant.usageThisMonth.gpuSeconds)} on a GPU)`],
          ...tenant.quota.map(({ resource, limit, used }) => {
            const show = /BYTES/i.test(resource) ? formatBytes : formatCount;
            return [words(resource.replace(/_BYTES$/i, '')), `${show(used)} of ${show(limit)}`] as const;
          }),
        ]}
      />
      <div className="space-y-6">
        {mayWrite && <PlanForm key={tenant.planName} tenant={tenant} />}
        {mayWrite && <LifeForm key={tenant.status} tenant={tenant} />}
        {mayLookIn && tenant.status === 'ACTIVE' && <GrantForm tenant={tenant} />}
      </div>
    </div>
  );
}

function PlanForm({ tenant }: { tenant: ManagedTenantFieldsFragment }) {
  const [planName, setPlanName] = useState(tenant.planName ?? '');
  const set = useVerb(SetTenantPlanDocument, { refetchQueries: ['ManagedTenant'] }); // with the plan's limits
  return (
    <form
      className="space-y-3"
      onSubmit={(event) => {
        event.preventDefault();
        void set.run({ input: { tenantId: tenant.id, planName: planName === '' ? null : planName } });
      }}
    >
      <RefusalNotice refusal={set.refusal} />
      <div className="flex items-end gap-2">
        <div className="flex-1">
          <PlanField value={planName} onValue={setPlanName} />
        </div>
        <Button type="submit" isPending={set.isPending} disabled={planName === (tenant.planName ?? '')}>
          Set plan
        </Button>
      </div>
    </form>
  );
}

/** Closing needs a reason, which the tenant reads in its audit trail; and a second press. */
function LifeForm({ tenant }: { tenant: ManagedTenantFieldsFragment }) {
  const [reason, setReason] = useState('');
  const [asking, setAsking] = useState<'suspend' | 'delete' | null>(null);
  const suspend = useVerb(SuspendTenantDocument, { refetchQueries: ['Tenants'] });
  const resume = useVerb(ResumeTenantDocument, { refetchQueries: ['Tenants'] });
  const schedule = useVerb(ScheduleTenantDeletionDocument, { refetchQueries: ['Tenants'] });
  const restore = useVerb(RestoreTenantDocument, { refetchQueries: ['Tenants'] });
  const refusal = suspend.refusal ?? resume.refusal ?? schedule.refusal ?? restore.refusal;
  const { id, status, name } = tenant;

  async function close(event: FormEvent) {
    event.preventDefault();
    const verb = asking === 'delete' ? schedule : suspend;
    await verb.run({ input: { id, reason: reason.trim() } });
  }

  if (asking !== null) {
    return (
      <form className="space-y-3" onSubmit={(event) => void close(event)}>
        <RefusalNotice refusal={refusal} problems={otherProblems(refusal, (field) => field === 'reason')} />
        <TextField
          label={asking === 'suspend' ? `Why is ${name} suspended?` : `Why is ${name} deleted?`}
          required
          autoFocus
          value={reason}
          onValue={setReason}
          hint={
            asking === 'suspend'
              ? 'Its owners read it. Everybody is out within a second, and nothing is served; all is kept.'
              : 'Its owners read it. Everybody is out within a second, and all is purged when the time for restoring is over.'
          }
          problem={problemOf(refusal, 'reason')}
        />
        <FormButtons verb={asking === 'suspend' ? 'Suspend now' : 'Delete now'} isPending={suspend.isPending || schedule.isPending} isDanger onCancel={() => setAsking(null)} />
      </form>
    );
  }

  return (
    <div className="space-y-3">
      <RefusalNotice refusal={refusal} />
      <div className="flex flex-wrap gap-2">
        {status === 'ACTIVE' && (
          <Button kind="danger" onClick={() => setAsking('suspend')}>
            Suspend
          </Button>
        )}
        {status === 'SUSPENDED' && (
          <Button kind="primary" isPending={resume.isPending} onClick={() => void resume.run({ input: { id } })}>
            Resume
          </Button>
        )}
        {status === 'DELETED' ? (
          <Button kind="primary" isPending={restore.isPending} onClick={() => void restore.run({ input: { id } })}>
            Restore
          </Button>
        ) : (
          <Button kind="danger" onClick={() => setAsking('delete')}>
            Schedule deletion
          </Button>
        )}
      </div>
    </div>
  );
}

const hoursToChoose = [1, 2, 4, 8];

function GrantForm({ tenant }: { tenant: ManagedTenantFieldsFragment }) {
  const navigate = useNavigate();
  const [reason, setReason] = useState('');
  const [role, setRole] = useState<Role>('VIEWER');
  const [hours, setHours] = useState('1');
  const take = useVerb(TakeAccessGrantDocument, { refetchQueries: ['OperatorGrants'] });

  async function submit(event: FormEvent) {
    event.preventDefault();
    const taken = await take.run({ input: { tenantId: tenant.id, role, reason: reason.trim(), hours: Number(hours) } });
    if (taken) await navigate({ to: '/platform/access' });
  }

  const fields = ['reason', 'role', 'hours'];
  return (
    <form className="space-y-3 border-t border-steel-100 pt-5" onSubmit={(event) => void submit(event)}>
      <p className="font-medium text-steel-900">Look into the tenant</p>
      <RefusalNotice refusal={take.refusal} problems={otherProblems(take.refusal, (field) => fields.includes(field))} />
      <TextField
        label="What you look for"
        required
        value={reason}
        onValue={setReason}
        hint="10 to 500 characters, for the tenant to read."
        problem={problemOf(take.refusal, 'reason')}
      />
      <div className="grid grid-cols-2 gap-3">
        <SelectField
          label="As"
          value={role}
          onValue={(value) => setRole(value as Role)}
          choices={[
            { value: 'VIEWER', label: 'Viewer' },
            { value: 'ADMIN', label: 'Admin' },
          ]}
          problem={problemOf(take.refusal, 'role')}
        />
        <SelectField
          label="For"
          value={hours}
          onValue={setHours}
          choices={hoursToChoose.map((each) => ({ value: String(each), label: each === 1 ? 'an hour' : `${each} hours` }))}
          problem={problemOf(take.refusal, 'hours')}
        />
      </div>
      <div className="flex justify-end">
        <Button type="submit" isPending={take.isPending}>
          Take an access grant
        </Button>
      </div>
    </form>
  );
}
