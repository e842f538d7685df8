import { useQuery } from '@apollo/client/react';
import { type FormEvent, useState } from 'react';
import { useCan } from '../../app/session-context.tsx';
import { Button } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { Dialog } from '../../design/dialog.tsx';
import { SelectField, TextField } from '../../design/field.tsx';
import { formatCount, formatMoment } from '../../design/format.ts';
import { Empty, Notice } from '../../design/notice.tsx';
import { Progress } from '../../design/progress.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import {
  ApiKeysDocument,
  EndpointsDocument,
  type OwnUsageScope,
  RemoveUsageLimitDocument,
  SetUsageLimitDocument,
  type UsageLimitFieldsFragment,
  UsageLimitsDocument,
  type UsageMeasure,
  type UsagePeriod,
} from '../../gql/graphql.ts';
import { Loaded } from '../../graphql/loaded.tsx';
import { otherProblems, problemOf } from '../../graphql/refusal.ts';
import { useVerb } from '../../graphql/use-verb.ts';

/** Limits of what may be predicted: how far they are used, and a form for those of keys and endpoints. */
export function UsageLimitsCard() {
  const query = useQuery(UsageLimitsDocument);
  const mayWrite = useCan('key:write');
  const { data: keys } = useQuery(ApiKeysDocument, { skip: !useCan('key:read') });
  const remove = useVerb(RemoveUsageLimitDocument, { refetchQueries: ['UsageLimits'] });
  const [isOpen, setOpen] = useState(false);
  const aliases = new Map(keys?.apiKeys.edges.map(({ node }) => [node.id, node.alias]));
  return (
    <Card
      title="Limits of predictions"
      description="Reached exactly, and never exceeded. Those of the tenant and its plan are set by your operator."
      actions={mayWrite && <Button onClick={() => setOpen(true)}>Set a limit</Button>}
    >
      <RefusalNotice refusal={remove.refusal} />
      <Loaded what="the limits" query={query}>
        {({ usageLimits }) => {
          const near = usageLimits.filter(({ isNear }) => isNear);
          if (usageLimits.length === 0) return <Empty title="No limits are set">Keys, models and members may predict as much as the servers can.</Empty>;
          return (
            <div className="space-y-5">
              {near.length > 0 && (
                <Notice tone="warn" title="A limit comes near">
                  {near.map((limit) => `${titleOf(limit, aliases)}: ${usedOf(limit)}`).join('; ')}
                </Notice>
              )}
              {usageLimits.map((limit) => (
                <div key={limit.id} className="grid grid-cols-[1fr_auto] items-end gap-4">
                  <div>
                    <Progress label={titleOf(limit, aliases)} value={limit.period === 'RATE' ? 0 : Number(limit.used) / Math.max(1, mostOf(limit))} text={usedOf(limit)} />
                    {limit.raise && (
                      <p className="mt-1 text-xs text-steel-500">
                        {formatCount(limit.raise.by)} more until {formatMoment(limit.raise.until)}: {limit.raise.reason}
                      </p>
                    )}
                  </div>
                  {mayWrite && limit.scope !== 'TENANT' && limit.scope !== 'PLAN' && (
                    <Button isPending={remove.isPending} onClick={() => void remove.run({ input: { id: limit.id } })}>
                      Remove
                    </Button>
                  )}
                </div>
              ))}
            </div>
          );
        }}
      </Loaded>
      {isOpen && <SetLimitDialog keys={[...aliases].map(([value, label]) => ({ value, label }))} onClose={() => setOpen(false)} />}
    </Card>
  );
}

const measures: { value: UsageMeasure; label: string }[] = [
  { value: 'ROWS', label: 'rows' },
  { value: 'REQUESTS', label: 'requests' },
];
const periods: { value: UsagePeriod; label: string }[] = [
  { value: 'MINUTE', label: 'a minute' },
  { value: 'DAY', label: 'a day' },
  { value: 'MONTH', label: 'a month' },
  { value: 'RATE', label: 'a minute, evenly' },
];
const labelOf = <Value extends string>(options: { value: Value; label: string }[], value: Value): string => options.find((option) => option.value === value)?.label ?? value;

function titleOf({ scope, subject, measure, period }: UsageLimitFieldsFragment, aliases: ReadonlyMap<string, string>): string {
  const whose = { TENANT: 'The tenant', PLAN: 'The plan', KEY: `Key ${aliases.get(subject) ?? subject}`, MODEL: `Endpoint ${subject}`, MEMBER: `Member ${subject}` }[scope];
  return `${whose}: ${labelOf(measures, measure)} ${labelOf(periods, period)}`;
}

const mostOf = ({ limit, raise }: UsageLimitFieldsFragment): number => Number(limit) + Number(raise?.by ?? 0);

function usedOf(limit: UsageLimitFieldsFragment): string {
  const most = formatCount(mostOf(limit));
  return limit.period === 'RATE' ? most : `${formatCount(limit.used)} of ${most} until ${formatMoment(limit.resetsAt)}`;
}

interface SetLimitDialogProps {
  keys: { value: string; label: string }[];
  onClose(): void;
}

function SetLimitDialog({ keys, onClose }: SetLimitDialogProps) {
  const { data } = useQuery(EndpointsDocument);
  const set = useVerb(SetUsageLimitDocument, { refetchQueries: ['UsageLimits'] });
  const [scope, setScope] = useState<OwnUsageScope>('KEY');
  const [subject, setSubject] = useState('');
  const [measure, setMeasure] = useState<UsageMeasure>('ROWS');
  const [period, setPeriod] = useState<UsagePeriod>('MONTH');
  const [limit, setLimit] = useState('');
  const [softLimit, setSoftLimit] = useState('');
  const endpoints = data?.endpoints.edges.map(({ node: { name } }) => ({ value: name, label: name })) ?? [];
  const subjects = scope === 'KEY' ? keys : endpoints;
  const chosen = subject || subjects[0]?.value || '';

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (await set.run({ input: { scope, subject: chosen, measure, period, limit, softLimit: softLimit === '' ? null : softLimit } })) onClose();
  }

  return (
    <Dialog title="Set a limit" isOpen onClose={onClose}>
      <form onSubmit={(event) => void submit(event)} className="space-y-4">
        <RefusalNotice refusal={set.refusal} problems={otherProblems(set.refusal, (field) => ['limit', 'softLimit'].includes(field))} />
        <SelectField
          label="For"
          choices={[
            { value: 'KEY', label: 'an API key' },
            { value: 'MODEL', label: 'an endpoint, whoever calls it' },
          ]}
          value={scope}
          onValue={(value) => {
            setScope(value as OwnUsageScope);
            setSubject('');
          }}
        />
        <SelectField label={scope === 'KEY' ? 'Key' : 'Endpoint'} choices={subjects} value={chosen} onValue={setSubject} />
        <div className="grid grid-cols-2 gap-4">
          <SelectField label="Counts" choices={period === 'RATE' ? measures.slice(1) : measures} value={measure} onValue={(value) => setMeasure(value as UsageMeasure)} />
          <SelectField
            label="In"
            choices={periods}
            value={period}
            onValue={(value) => {
              setPeriod(value as UsagePeriod);
              if (value === 'RATE') setMeasure('REQUESTS');
            }}
          />
          <TextField label="Limit" type="number" min={0} required value={limit} onValue={setLimit} problem={problemOf(set.refusal, 'limit')} />
          <TextField label="Notice from" isOptional type="number" min={0} value={softLimit} onValue={setSoftLimit} problem={problemOf(set.refusal, 'softLimit')} />
        </div>
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" kind="primary" isPending={set.isPending} disabled={chosen === ''}>
            Set limit
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
