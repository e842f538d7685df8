import { useState, type FormEvent } from 'react';
import { Button } from '../../design/button.tsx';
import { TextField } from '../../design/field.tsx';
import { FormButtons } from '../../design/form-buttons.tsx';
import { formatCount, formatMoment } from '../../design/format.ts';
import { Progress } from '../../design/progress.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { RaiseUsageLimitDocument, SetTenantUsageLimitDocument, type UsageLimitFieldsFragment } from '../../gql/graphql.ts';
import { otherProblems, problemOf } from '../../graphql/refusal.ts';
import { useVerb } from '../../graphql/use-verb.ts';
import { emptyLimit, inputOf, kindOf, limitFields, LimitInputs, shareOf, usedOf } from '../quota/limit-values.tsx';

interface TenantLimitsProps {
  tenantId: string;
  limits: readonly UsageLimitFieldsFragment[];
  mayWrite: boolean;
}

const refetch = { refetchQueries: ['ManagedTenant'] };

/** What a tenant may predict: limits of its own and of its plan, how far they are used, and more of one for a while. */
export function TenantLimits({ tenantId, limits, mayWrite }: TenantLimitsProps) {
  const [open, setOpen] = useState<'set' | UsageLimitFieldsFragment | null>(null);
  const remove = useVerb(SetTenantUsageLimitDocument, refetch);
  const end = useVerb(RaiseUsageLimitDocument, refetch);
  const close = () => setOpen(null);
  return (
    <section aria-label="Limits of predictions" className="mt-6 space-y-4 border-t border-steel-100 pt-5">
      <div className="flex items-center justify-between gap-4">
        <p className="font-medium text-steel-900">Limits of predictions</p>
        {mayWrite && open === null && <Button onClick={() => setOpen('set')}>Set a limit</Button>}
      </div>
      <RefusalNotice refusal={remove.refusal ?? end.refusal} />
      {limits.length === 0 && <p className="text-[13px] text-steel-500">None: its members and keys may predict as much as the servers can.</p>}
      {limits.map((limit) => (
        <div key={limit.id} className="grid gap-x-4 gap-y-2 sm:grid-cols-[1fr_auto] sm:items-end">
          <div>
            <Progress label={`${limit.scope === 'PLAN' ? 'The plan’s' : 'Its own'}: ${kindOf(limit)}`} value={shareOf(limit)} text={usedOf(limit)} />
            {limit.raise && (
              <p className="mt-1 text-xs text-steel-500">
                {formatCount(limit.raise.by)} more until {formatMoment(limit.raise.until)}: {limit.raise.reason}
              </p>
            )}
          </div>
          {mayWrite && (
            <div className="flex gap-2">
              {limit.raise && (
                <Button
                  isPending={end.isPending}
                  onClick={() => void end.run({ input: { tenantId, limitId: limit.id, by: '0', until: new Date(Date.now() + 60_000).toISOString(), reason: 'ended' } })}
                >
                  End raise
                </Button>
              )}
              <Button aria-label={`Raise ${kindOf(limit)}`} onClick={() => setOpen(limit)}>
                Raise
              </Button>
              {limit.scope === 'TENANT' && (
                <Button
                  aria-label={`Remove ${kindOf(limit)}`}
                  isPending={remove.isPending}
                  onClick={() => void remove.run({ input: { tenantId, measure: limit.measure, period: limit.period, limit: null } })}
                >
                  Remove
                </Button>
              )}
            </div>
          )}
        </div>
      ))}
      {open === 'set' && <SetForm tenantId={tenantId} onDone={close} />}
      {open !== null && open !== 'set' && <RaiseForm key={open.id} tenantId={tenantId} limit={open} onDone={close} />}
    </section>
  );
}

function SetForm({ tenantId, onDone }: { tenantId: string; onDone(): void }) {
  const [values, setValues] = useState(emptyLimit);
  const set = useVerb(SetTenantUsageLimitDocument, refetch);

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (await set.run({ input: { tenantId, ...inputOf(values) } })) onDone();
  }

  return (
    <form onSubmit={(event) => void submit(event)} className="space-y-4 rounded-md bg-steel-50 p-4">
      <RefusalNotice refusal={set.refusal} problems={otherProblems(set.refusal, (field) => limitFields.includes(field))} />
      <LimitInputs values={values} onValues={setValues} refusal={set.refusal} />
      <p className="text-xs text-steel-500">Beside those of its plan: the lower one holds. It takes the place of the tenant’s own limit of the same kind.</p>
      <FormButtons verb="Set limit" isPending={set.isPending} onCancel={onDone} />
    </form>
  );
}

const raiseFields = ['by', 'until', 'reason'];
const weekMs = 7 * 86_400_000;

function RaiseForm({ tenantId, limit, onDone }: { tenantId: string; limit: UsageLimitFieldsFragment; onDone(): void }) {
  const [by, setBy] = useState(limit.raise ? String(limit.raise.by) : '');
  const [until, setUntil] = useState(() => localTime(new Date(Date.now() + weekMs)));
  const [reason, setReason] = useState(limit.raise?.reason ?? '');
  const raise = useVerb(RaiseUsageLimitDocument, refetch);

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (await raise.run({ input: { tenantId, limitId: limit.id, by, until: new Date(until).toISOString(), reason: reason.trim() } })) onDone();
  }

  return (
    <form onSubmit={(event) => void submit(event)} className="space-y-4 rounded-md bg-steel-50 p-4">
      <p className="text-[13px] font-medium text-steel-800">
        More than {formatCount(limit.limit)} {kindOf(limit)}, for a while
      </p>
      <RefusalNotice refusal={raise.refusal} problems={otherProblems(raise.refusal, (field) => raiseFields.includes(field))} />
      <div className="grid grid-cols-2 gap-4">
        <TextField label="More by" type="number" min={0} required autoFocus value={by} onValue={setBy} problem={problemOf(raise.refusal, 'by')} />
        <TextField label="Until" type="datetime-local" required value={until} onValue={setUntil} hint="Your local time; within a year." problem={problemOf(raise.refusal, 'until')} />
      </div>
      <TextField label="Why" required value={reason} onValue={setReason} hint="Stands in the tenant’s audit trail." problem={problemOf(raise.refusal, 'reason')} />
      <FormButtons verb="Raise limit" isPending={raise.isPending} onCancel={onDone} />
    </form>
  );
}

/** As the browser's field for dates and times wants it: `2026-11-26T14:05`, in local time. */
function localTime(moment: Date): string {
  return new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
