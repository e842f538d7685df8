import { useNavigate } from '@tanstack/react-router';
import { useState, type FormEvent } from 'react';
import { Button } from '../../design/button.tsx';
import { Dialog } from '../../design/dialog.tsx';
import { CheckField, SelectField, TextField } from '../../design/field.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { CompressModelDocument, OptimizeModelDocument, type CompressionStepInput, type OptimisationMethod, type OptimisationTarget, type WeightPrecision } from '../../gql/graphql.ts';
import { otherProblems, problemOf } from '../../graphql/refusal.ts';
import { useVerb } from '../../graphql/use-verb.ts';

interface Setting {
  /** of the step */
  name: 'sparsity' | 'keep' | 'to' | 'clusters' | 'units';
  label: string;
  value: string;
  choices?: { value: string; label: string }[];
}

const keep = (value: string): Setting => ({ name: 'keep', label: 'Share that stays', value });

/** In the order in which they are done: what learns on comes before what only rounds. */
const methods: { method: OptimisationMethod; label: string; hint: string; setting: Setting | null }[] = [
  { method: 'DISTIL', label: 'Distil', hint: 'A small network learns the answers of this model.', setting: { name: 'units', label: 'Units of each hidden layer', value: '16' } },
  { method: 'PRUNE_UNITS', label: 'Prune units', hint: 'Whole units or filters go: smaller and faster.', setting: keep('0.5') },
  { method: 'PRUNE', label: 'Prune weights', hint: 'Small weights become 0: a network packs smaller, a linear model no longer looks at them.', setting: { name: 'sparsity', label: 'Share that becomes 0', value: '0.8' } },
  { method: 'CONDENSE', label: 'Condense', hint: 'Few prototypes stand for all rows.', setting: keep('0.2') },
  { method: 'PRUNE_TREES', label: 'Prune trees', hint: 'Questions that change little go.', setting: keep('0.5') },
  { method: 'MERGE_TREES', label: 'Merge trees', hint: 'Equal trees become one; answers stay as they are.', setting: null },
  { method: 'CLUSTER', label: 'Share weights', hint: 'The weights of a layer have few values.', setting: { name: 'clusters', label: 'Values', value: '16' } },
  { method: 'QUANTISE', label: 'Quantise', hint: 'Weights in fewer bits.', setting: { name: 'to', label: 'Kept as', value: 'INT8', choices: [{ value: 'INT8', label: 'int8: a quarter of the size' }, { value: 'FLOAT16', label: 'float16: half the size' }] } },
];

interface OptimiseDialogProps {
  version: { id: string; number: number; optimisationMethods: readonly OptimisationMethod[]; optimisationPrecisions: readonly WeightPrecision[] };
  isOpen: boolean;
  onClose(): void;
}

/** Asks what a version is to be made into: by a target, or by steps of one's own choice. */
export function OptimiseDialog({ version, isOpen, onClose }: OptimiseDialogProps) {
  const navigate = useNavigate();
  const [aim, setAim] = useState<OptimisationTarget | 'STEPS'>('SIZE');
  const [maxLoss, setMaxLoss] = useState('0.5');
  const [chosen, setChosen] = useState<Partial<Record<OptimisationMethod, string>>>({});
  const optimise = useVerb(OptimizeModelDocument);
  const compress = useVerb(CompressModelDocument);
  const { refusal } = aim === 'STEPS' ? compress : optimise;
  const offered = methods.filter(({ method }) => version.optimisationMethods.includes(method)).map((one) => ({ ...one, setting: one.setting && suited(one.setting, version.optimisationPrecisions) }));
  const steps = stepsOf(chosen);

  async function submit(event: FormEvent) {
    event.preventDefault();
    const most = maxLoss.trim() === '' ? null : Number(maxLoss);
    const modelVersionId = version.id;
    const done = aim === 'STEPS'
      ? await compress.run({ input: { modelVersionId, steps, maxLoss: most } })
      : await optimise.run({ input: { modelVersionId, target: aim, maxLoss: most } });
    if (done) await navigate({ to: '/runs/$id', params: { id: done.run.id } });
  }

  return (
    <Dialog title={`Optimise version ${version.number}`} isOpen={isOpen} onClose={onClose}>
      <form onSubmit={(event) => void submit(event)} className="space-y-4">
        <RefusalNotice refusal={refusal} problems={otherProblems(refusal, (field) => field === 'maxLoss')} />
        <p className="text-steel-600">A run makes a new version of it, on the same data and the same split, and measures what it gains and loses. This one stays as it is.</p>
        <SelectField
          label="What for" value={aim} onValue={(value) => setAim(value as typeof aim)}
          choices={[{ value: 'SIZE', label: 'As small as possible' }, { value: 'LATENCY', label: 'As fast as possible' }, { value: 'STEPS', label: 'Steps that I choose' }]}
        />
        {aim === 'STEPS' && (
          <fieldset className="space-y-3">
            <legend className="mb-1.5 text-[13px] font-medium text-steel-700">Steps, done from top to bottom</legend>
            {offered.map(({ method, label, hint, setting }) => (
              <div key={method} className="space-y-2">
                <CheckField
                  label={label} hint={hint} isChecked={chosen[method] !== undefined}
                  onChecked={(isOn) => setChosen((before) => ({ ...before, [method]: isOn ? (setting?.value ?? '') : undefined }))}
                />
                {setting && chosen[method] !== undefined && (
                  <SettingField setting={setting} value={chosen[method]} onValue={(value) => setChosen((before) => ({ ...before, [method]: value }))} />
                )}
              </div>
            ))}
          </fieldset>
        )}
        <TextField
          label="At most so many points worse" type="number" step="any" min={0} isOptional={aim === 'STEPS'} required={aim !== 'STEPS'}
          hint="Percentage points of a share such as f1; percent of an error such as RMSE. Beyond it no version is made."
          value={maxLoss} onValue={setMaxLoss} problem={problemOf(refusal, 'maxLoss')}
        />
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Not now</Button>
          <Button type="submit" kind="primary" isPending={optimise.isPending || compress.isPending} disabled={aim === 'STEPS' && steps.length === 0}>Start the run</Button>
        </div>
      </form>
    </Dialog>
  );
}

/** A family may be kept in one precision only. */
function suited(setting: Setting, precisions: readonly WeightPrecision[]): Setting {
  const choices = setting.name === 'to' ? setting.choices?.filter(({ value }) => precisions.includes(value as WeightPrecision)) : undefined;
  return choices?.[0] ? { ...setting, choices, value: choices[0].value } : setting;
}

function SettingField({ setting: { label, choices }, value, onValue }: { setting: Setting; value: string; onValue(value: string): void }) {
  return choices
    ? <SelectField className="ml-6" label={label} value={value} choices={choices} onValue={onValue} />
    : <TextField className="ml-6" label={label} value={value} onValue={onValue} />;
}

/** The steps that were chosen, in the order of the list. */
export function stepsOf(chosen: Partial<Record<OptimisationMethod, string>>): CompressionStepInput[] {
  return methods.flatMap(({ method, setting }) => {
    const value = chosen[method];
    if (value === undefined) return [];
    if (!setting) return [{ method }];
    if (setting.name === 'to') return [{ method, to: value as 'INT8' | 'FLOAT16' }];
    return [{ method, [setting.name]: setting.name === 'units' ? value.split(/[^0-9]+/).filter(Boolean).map(Number) : Number(value) }];
  });
}
