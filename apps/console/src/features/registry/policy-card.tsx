import { useState, type FormEvent } from 'react';
import { Button } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { CheckField, TextField } from '../../design/field.tsx';
import { Notice } from '../../design/notice.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { DescribeModelDocument, SaveModelPolicyDocument } from '../../gql/graphql.ts';
import { otherProblems, problemOf } from '../../graphql/refusal.ts';
import { useVerb } from '../../graphql/use-verb.ts';

interface Policy {
  id: string;
  description: string;
  tags: readonly string[];
  approvalRequired: boolean;
  gate?: { metric: string; atMostWorse: number } | null;
  optimisedAtMostWorse?: number | null;
  keepVersions?: number | null;
}

const shown = ['gate.metric', 'gate.atMostWorse', 'optimisedAtMostWorse', 'keepVersions'];

/** What a champion must be, and how many versions are kept. */
export function PolicyCard({ model }: { model: Policy }) {
  const [approvalRequired, setApprovalRequired] = useState(model.approvalRequired);
  const [metric, setMetric] = useState(model.gate?.metric ?? '');
  const [atMostWorse, setAtMostWorse] = useState(String(model.gate?.atMostWorse ?? 0));
  const [optimised, setOptimised] = useState(model.optimisedAtMostWorse == null ? '' : String(model.optimisedAtMostWorse));
  const [keepVersions, setKeepVersions] = useState(model.keepVersions == null ? '' : String(model.keepVersions));
  const [removed, setRemoved] = useState<number | null>(null);
  const save = useVerb(SaveModelPolicyDocument, { refetchQueries: ['Model'] });

  async function submit(event: FormEvent) {
    event.preventDefault();
    setRemoved(null);
    const gate = metric.trim() === '' ? null : { metric: metric.trim(), atMostWorse: Number(atMostWorse) };
    const done = await save.run({ input: { modelId: model.id, approvalRequired, gate, optimisedAtMostWorse: optimised.trim() === '' ? null : Number(optimised), keepVersions: keepVersions.trim() === '' ? null : Number(keepVersions) } });
    if (done) setRemoved(done.removedVersions);
  }

  return (
    <Card title="Champion and retention" description="Which version may take over, and how many are kept.">
      <form onSubmit={(event) => void submit(event)} className="space-y-4">
        <RefusalNotice refusal={save.refusal} problems={otherProblems(save.refusal, (field) => shown.includes(field))} />
        {removed !== null && <Notice tone="good" title="Saved">{removed === 0 ? 'No version was too many.' : `${removed} versions were too many and are gone.`}</Notice>}
        <CheckField label="Only an approved version may be champion" isChecked={approvalRequired} onChecked={setApprovalRequired} />
        <div className="grid gap-4 md:grid-cols-2">
          <TextField label="Gate: score" isOptional hint="Such as f1 or rmse; empty for no gate." value={metric} onValue={setMetric} problem={problemOf(save.refusal, 'gate.metric')} />
          <TextField label="At most so much worse" type="number" step="any" value={atMostWorse} onValue={setAtMostWorse} problem={problemOf(save.refusal, 'gate.atMostWorse')} />
          <TextField label="Optimised: points worse" isOptional type="number" step="any" min={0} hint="At most so many than the version it was made from, such as 0.5; empty for any." value={optimised} onValue={setOptimised} problem={problemOf(save.refusal, 'optimisedAtMostWorse')} />
          <TextField label="Keep versions" isOptional type="number" min={1} hint="Without an alias; empty keeps all." value={keepVersions} onValue={setKeepVersions} problem={problemOf(save.refusal, 'keepVersions')} />
        </div>
        <div className="flex justify-end">
          <Button type="submit" kind="primary" isPending={save.isPending}>Save policy</Button>
        </div>
      </form>
    </Card>
  );
}

/** What a model is for, and the words it is found by. */
export function DescriptionCard({ model }: { model: Policy }) {
  const [description, setDescription] = useState(model.description);
  const [tags, setTags] = useState(model.tags.join(', '));
  const describe = useVerb(DescribeModelDocument, { refetchQueries: ['Model'] });
  return (
    <Card title="Description">
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          void describe.run({ input: { modelId: model.id, description, tags: tags.split(',').map((tag) => tag.trim()).filter(Boolean) } });
        }}
      >
        <TextField label="What it is for" isOptional value={description} onValue={setDescription} problem={problemOf(describe.refusal, 'description')} />
        <TextField label="Tags" isOptional hint="Separated by commas, such as line=press-2." value={tags} onValue={setTags} problem={problemOf(describe.refusal, 'tags')} />
        <div className="flex justify-end">
          <Button type="submit" isPending={describe.isPending}>Save</Button>
        </div>
      </form>
    </Card>
  );
}
