import { useQuery } from '@apollo/client/react';
import { useState, type FormEvent } from 'react';
import { useCan } from '../../app/session-context.tsx';
import { Button } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { Dialog } from '../../design/dialog.tsx';
import { TextField } from '../../design/field.tsx';
import { FormButtons } from '../../design/form-buttons.tsx';
import { formatBytes, formatCount, formatMoment, formatNumber } from '../../design/format.ts';
import { Empty } from '../../design/notice.tsx';
import { Page } from '../../design/page.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { Table } from '../../design/table.tsx';
import { PlansDocument, SavePlanDocument, type PlanFieldsFragment, type QuotaResource } from '../../gql/graphql.ts';
import { Loaded } from '../../graphql/loaded.tsx';
import { otherProblems, problemOf } from '../../graphql/refusal.ts';
import { useVerb } from '../../graphql/use-verb.ts';
import { inputOf, kindOf } from '../quota/limit-values.tsx';
import { LimitFields, numbersOf, textsOf } from './limit-fields.tsx';
import { isOfUsage, planLimitsOf, PlanUsageFields } from './plan-usage-fields.tsx';

const gigabyte = 1e9;

const limitOf = ({ limits }: PlanFieldsFragment, resource: QuotaResource): string | number | null =>
  limits.find((each) => each.resource === resource)?.limit ?? null;

type TrainingLimitName = Exclude<keyof PlanFieldsFragment['training'], '__typename'>;

const trainingFields: readonly { name: TrainingLimitName; label: string }[] = [
  { name: 'weight', label: 'Weight among tenants' },
  { name: 'runningRuns', label: 'Runs at work at once' },
  { name: 'computeSecondsPerMonth', label: 'Compute seconds a month' },
  { name: 'runMemoryMb', label: 'Memory of a run in MB' },
  { name: 'runMinutes', label: 'Minutes of a run' },
];

const tableFields: readonly { name: Exclude<keyof PlanFieldsFragment['tables'], '__typename'>; label: string }[] = [
  { name: 'rows', label: 'Rows of a table' },
  { name: 'columns', label: 'Columns of a table' },
  { name: 'fileMb', label: 'File size in MB' },
];

export function PlansPage() {
  const query = useQuery(PlansDocument);
  const [editing, setEditing] = useState<PlanFieldsFragment | 'new' | null>(null);
  const mayWrite = useCan('platform:write');
  const create = mayWrite && (
    <Button kind="primary" onClick={() => setEditing('new')}>
      Create plan
    </Button>
  );
  return (
    <Page title="Plans" lead="Named limits that tenants get. A change holds for every tenant of the plan at once." actions={create}>
      <Card isFlush>
        <Loaded what="the plans" query={query}>
          {({ plans }) =>
            plans.length === 0 ? (
              <Empty title="No plans yet" action={create}>
                Tenants without a plan have the default limits.
              </Empty>
            ) : (
              <Table
                caption="Plans"
                rows={plans}
                keyOf={({ name }) => name}
                columns={[
                  {
                    header: 'Plan',
                    cell: ({ name, description }) => (
                      <>
                        <span className="font-medium text-steel-900">{name}</span>
                        <span className="block text-[13px] text-steel-500">{description}</span>
                      </>
                    ),
                  },
                  { header: 'Active runs', align: 'right', cell: (plan) => formatCount(limitOf(plan, 'ACTIVE_RUNS') ?? 0) },
                  { header: 'Storage', align: 'right', cell: (plan) => formatBytes(limitOf(plan, 'STORAGE_BYTES')) },
                  { header: 'Weight', align: 'right', cell: ({ training }) => formatNumber(training.weight) },
                  { header: 'Runs at once', align: 'right', isExtra: true, cell: ({ training }) => formatCount(training.runningRuns) },
                  { header: 'Rows of a table', align: 'right', isExtra: true, cell: ({ tables }) => formatCount(tables.rows) },
                  { header: 'Predictions', isExtra: true, cell: ({ usage }) => usage.map((limit) => `${formatCount(limit.limit)} ${kindOf(limit)}`).join(', ') || '–' },
                  { header: 'Tenants', align: 'right', cell: ({ tenantCount }) => formatCount(tenantCount) },
                  { header: 'Changed', isExtra: true, cell: ({ updatedAt }) => formatMoment(updatedAt) },
                  {
                    header: <span className="sr-only">Actions</span>,
                    align: 'right',
                    cell: (plan) =>
                      mayWrite && (
                        <Button className="py-1 text-[13px]" aria-label={`Change ${plan.name}`} onClick={() => setEditing(plan)}>
                          Change
                        </Button>
                      ),
                  },
                ]}
              />
            )
          }
        </Loaded>
      </Card>
      {editing && <PlanDialog plan={editing === 'new' ? null : editing} onClose={() => setEditing(null)} />}
    </Page>
  );
}

function PlanDialog({ plan, onClose }: { plan: PlanFieldsFragment | null; onClose(): void }) {
  const [name, setName] = useState(plan?.name ?? '');
  const [description, setDescription] = useState(plan?.description ?? '');
  const [runs, setRuns] = useState(plan ? String(limitOf(plan, 'ACTIVE_RUNS') ?? '') : '');
  const [storage, setStorage] = useState(plan ? String(Number(limitOf(plan, 'STORAGE_BYTES') ?? 0) / gigabyte) : '');
  const [training, setTraining] = useState(() => textsOf(trainingFields, plan?.training));
  const [tables, setTables] = useState(() => textsOf(tableFields, plan?.tables));
  const [usage, setUsage] = useState(() => planLimitsOf(plan));
  const save = useVerb(SavePlanDocument, { refetchQueries: ['Plans'] });

  async function submit(event: FormEvent) {
    event.preventDefault();
    const limits = [
      ...(runs === '' ? [] : [{ resource: 'ACTIVE_RUNS' as const, limit: runs }]),
      ...(storage === '' ? [] : [{ resource: 'STORAGE_BYTES' as const, limit: String(Math.round(Number(storage) * gigabyte)) }]),
    ];
    if (await save.run({ input: { name: name.trim(), description: description.trim(), limits, training: numbersOf(training), tables: numbersOf(tables), usage: usage.map(inputOf) } })) onClose();
  }

  const shown = ['name', 'description', ...trainingFields.map((field) => `training.${field.name}`), ...tableFields.map((field) => `tables.${field.name}`)];
  return (
    <Dialog title={plan ? `Change ${plan.name}` : 'Create plan'} isOpen onClose={onClose}>
      <form onSubmit={(event) => void submit(event)} className="space-y-4">
        <RefusalNotice refusal={save.refusal} problems={otherProblems(save.refusal, (field) => shown.includes(field) || isOfUsage(field))} />
        <TextField
          label="Name"
          required
          disabled={plan !== null}
          value={name}
          onValue={setName}
          hint="Small letters, digits and hyphens."
          problem={problemOf(save.refusal, 'name')}
        />
        <TextField label="Description" isOptional value={description} onValue={setDescription} problem={problemOf(save.refusal, 'description')} />
        <div className="grid grid-cols-2 gap-4">
          <TextField label="Active runs" isOptional type="number" min={0} value={runs} onValue={setRuns} />
          <TextField label="Storage in GB" isOptional type="number" min={0} step="any" value={storage} onValue={setStorage} />
        </div>
        <LimitFields part="training" fields={trainingFields} values={training} onValues={setTraining} refusal={save.refusal} />
        <LimitFields part="tables" fields={tableFields} values={tables} onValues={setTables} refusal={save.refusal} />
        <PlanUsageFields limits={usage} onLimits={setUsage} refusal={save.refusal} />
        <p className="text-[13px] text-steel-500">What is left empty gets its default limit. Nothing that a tenant has beyond a limit is taken away.</p>
        <FormButtons verb="Save" isPending={save.isPending} onCancel={onClose} />
      </form>
    </Dialog>
  );
}
