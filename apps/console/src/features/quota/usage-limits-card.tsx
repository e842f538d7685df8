import { useQuery } from '@apollo/client/react';
import { type FormEvent, useState } from 'react';
import { useCan } from '../../app/session-context.tsx';
import { Button } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { Dialog } from '../../design/dialog.tsx';
import { type Choice, SelectField } from '../../design/field.tsx';
import { FormButtons } from '../../design/form-buttons.tsx';
import { formatCount, formatMoment } from '../../design/format.ts';
import { Empty, Notice } from '../../design/notice.tsx';
import { Progress } from '../../design/progress.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import {
  ApiKeysDocument,
  EndpointsDocument,
  MembersDocument,
  type OwnUsageScope,
  RemoveUsageLimitDocument,
  SetUsageLimitDocument,
  type UsageLimitFieldsFragment,
  UsageLimitsDocument,
} from '../../gql/graphql.ts';
import { Loaded } from '../../graphql/loaded.tsx';
import { otherProblems, problemOf } from '../../graphql/refusal.ts';
import { useVerb } from '../../graphql/use-verb.ts';
import { emptyLimit, inputOf, kindOf, limitFields, LimitInputs, shareOf, usedOf } from './limit-values.tsx';

/** Limits of what may be predicted: how far they are used, and a form for those of keys, endpoints and members. */
export function UsageLimitsCard() {
  const query = useQuery(UsageLimitsDocument);
  const mayWrite = useCan('key:write');
  const { data: keys } = useQuery(ApiKeysDocument, { skip: !useCan('key:read') });
  const { data: members } = useQuery(MembersDocument, { skip: !useCan('member:read') });
  const remove = useVerb(RemoveUsageLimitDocument, { refetchQueries: ['UsageLimits'] });
  const [isOpen, setOpen] = useState(false);
  const ofKeys = keys?.apiKeys.edges.map(({ node }) => ({ value: node.id, label: node.alias })) ?? [];
  const ofMembers = members?.members.edges.map(({ node: { person } }) => ({ value: person.id, label: person.name })) ?? [];
  const names = new Map([...ofKeys, ...ofMembers].map(({ value, label }) => [value, label]));
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
                  {near.map((limit) => `${titleOf(limit, names)}: ${usedOf(limit)}`).join('; ')}
                </Notice>
              )}
              {usageLimits.map((limit) => (
                <div key={limit.id} className="grid grid-cols-[1fr_auto] items-end gap-4">
                  <div>
                    <Progress label={titleOf(limit, names)} value={shareOf(limit)} text={usedOf(limit)} />
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
      {isOpen && <SetLimitDialog keys={ofKeys} members={ofMembers} onClose={() => setOpen(false)} />}
    </Card>
  );
}

/** @param names of keys and members, by their ids */
function titleOf(limit: UsageLimitFieldsFragment, names: ReadonlyMap<string, string>): string {
  const { scope, subject } = limit;
  const whose = { TENANT: 'The tenant', PLAN: 'The plan', KEY: `Key ${names.get(subject) ?? subject}`, MODEL: `Endpoint ${subject}`, MEMBER: `Member ${names.get(subject) ?? subject}` }[scope];
  return `${whose}: ${kindOf(limit)}`;
}

interface SetLimitDialogProps {
  keys: readonly Choice[];
  members: readonly Choice[];
  onClose(): void;
}

const nounOf: Record<OwnUsageScope, string> = { KEY: 'Key', MODEL: 'Endpoint', MEMBER: 'Member' };

function SetLimitDialog({ keys, members, onClose }: SetLimitDialogProps) {
  const { data } = useQuery(EndpointsDocument);
  const maySetModels = useCan('endpoint:write');
  const maySetMembers = useCan('member:write');
  const set = useVerb(SetUsageLimitDocument, { refetchQueries: ['UsageLimits'] });
  const [scope, setScope] = useState<OwnUsageScope>('KEY');
  const [subject, setSubject] = useState('');
  const [values, setValues] = useState(emptyLimit);
  const endpoints = data?.endpoints.edges.map(({ node: { name } }) => ({ value: name, label: name })) ?? [];
  const subjects = { KEY: keys, MODEL: endpoints, MEMBER: members }[scope];
  const chosen = subject || subjects[0]?.value || '';

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (await set.run({ input: { scope, subject: chosen, ...inputOf(values) } })) onClose();
  }

  return (
    <Dialog title="Set a limit" isOpen onClose={onClose}>
      <form onSubmit={(event) => void submit(event)} className="space-y-4">
        <RefusalNotice refusal={set.refusal} problems={otherProblems(set.refusal, (field) => limitFields.includes(field))} />
        <SelectField
          label="For"
          choices={[
            { value: 'KEY', label: 'an API key' },
            ...(maySetModels ? [{ value: 'MODEL', label: 'an endpoint, whoever calls it' }] : []),
            ...(maySetMembers ? [{ value: 'MEMBER', label: 'a member, who calls without a key' }] : []),
          ]}
          value={scope}
          onValue={(value) => {
            setScope(value as OwnUsageScope);
            setSubject('');
          }}
        />
        <SelectField
          label={nounOf[scope]}
          choices={subjects}
          value={chosen}
          onValue={setSubject}
          hint={subjects.length === 0 ? `There is no ${nounOf[scope].toLowerCase()} yet.` : undefined}
          problem={problemOf(set.refusal, 'subject')}
        />
        <LimitInputs values={values} onValues={setValues} refusal={set.refusal} />
        <FormButtons verb="Set limit" isPending={set.isPending} isDisabled={chosen === ''} onCancel={onClose} />
      </form>
    </Dialog>
  );
}
