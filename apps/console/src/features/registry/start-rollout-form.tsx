import { useState, type FormEvent } from 'react';
import { Button } from '../../design/button.tsx';
import { SelectField, TextField } from '../../design/field.tsx';
import { words } from '../../design/format.ts';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { StartRolloutDocument, type EndpointTrafficQuery, type RollbackMetric } from '../../gql/graphql.ts';
import { otherProblems, problemOf } from '../../graphql/refusal.ts';
import { useVerb } from '../../graphql/use-verb.ts';
import { refusalRule, RolloutInputsFields, usualInputsChoice } from './rollout-inputs-fields.tsx';
import { boundOf, ruleInWords } from './rule-in-words.ts';

interface StartRolloutFormProps {
  name: string;
  endpoint: NonNullable<EndpointTrafficQuery['endpoint']>;
  refetchQueries: string[];
}

interface ScoreBound {
  metric: RollbackMetric;
  threshold: string;
}

/** Moves the endpoint to another version, and back when it fares badly: by its traffic, and by scores that it must keep. */
export function StartRolloutForm({ name, endpoint, refetchQueries }: StartRolloutFormProps) {
  const { scoreMetrics, usualRules, usualMinLabels } = endpoint.rolloutTerms;
  const start = useVerb(StartRolloutDocument, { refetchQueries });
  const stable = endpoint.traffic.find(({ variant }) => variant === 'STABLE');
  const choices = endpoint.model.versions.edges.flatMap(({ node }) => (node.status === 'READY' && node.id !== stable?.version.id ? [node] : []));
  const [version, setVersion] = useState('');
  const [seconds, setSeconds] = useState('300');
  const [bounds, setBounds] = useState<readonly ScoreBound[]>([]);
  const [minLabels, setMinLabels] = useState(String(usualMinLabels));
  const [inputs, setInputs] = useState(usualInputsChoice);
  const chosen = version || String(choices[0]?.number ?? '');
  if (!stable || !choices.length) return null;
  const [foremost] = scoreMetrics;
  const change = (at: number, changed: Partial<ScoreBound>) => setBounds(bounds.map((bound, index) => (index === at ? { ...bound, ...changed } : bound)));
  const thresholdField = (at: number) => `rollbackOn[${usualRules.length + at}].threshold`;
  const shown = ['bakeSeconds', 'minLabels', ...bounds.map((_bound, at) => thresholdField(at))];

  function submit(event: FormEvent) {
    event.preventDefault();
    const scores = bounds.map(({ metric, threshold }) => ({ metric, threshold: Number(threshold) }));
    const usual = usualRules.map(({ metric, op, threshold }) => ({ metric, op, threshold }));
    const rules = bounds.length || inputs.isJudged ? { rollbackOn: [...usual, ...scores, ...(inputs.isJudged ? [refusalRule] : [])] } : {};
    const more = { ...(bounds.length && { minLabels: Number(minLabels) }), ...(inputs.isOtherAllowed && { allowOtherInputs: true }) };
    void start.run({ input: { endpointName: name, versionNumber: Number(chosen), bakeSeconds: Number(seconds), ...rules, ...more } });
  }

  return (
    <form className="space-y-3" onSubmit={submit}>
      <div className="flex flex-wrap items-end gap-3">
        <SelectField label="Roll out" value={chosen} onValue={setVersion} choices={choices.map(({ number }) => ({ value: String(number), label: `Version ${number}` }))} />
        <TextField label="Seconds a step" value={seconds} onValue={setSeconds} inputMode="numeric" problem={problemOf(start.refusal, 'bakeSeconds')} />
        <Button kind="primary" type="submit" isPending={start.isPending}>
          Start at 5 %
        </Button>
        {foremost && (
          <Button type="button" onClick={() => setBounds([...bounds, { metric: scoreMetrics.find((metric) => !bounds.some((bound) => bound.metric === metric)) ?? foremost, threshold: '' }])}>
            Add a score to keep
          </Button>
        )}
      </div>
      {bounds.map(({ metric, threshold }, at) => (
        <div key={at} className="flex flex-wrap items-end gap-3" role="group" aria-label={`Score ${at + 1}`}>
          <SelectField label="Live score" value={metric} onValue={(value) => change(at, { metric: value as RollbackMetric })} choices={scoreMetrics.map((each) => ({ value: each, label: words(each) }))} />
          <TextField
            label={`must be ${boundOf(metric)}`}
            type="number"
            step="any"
            required
            value={threshold}
            onValue={(value) => change(at, { threshold: value })}
            problem={problemOf(start.refusal, thresholdField(at))}
          />
          <Button type="button" aria-label={`Leave score ${at + 1} out`} onClick={() => setBounds(bounds.filter((_bound, index) => index !== at))}>
            Leave out
          </Button>
        </div>
      ))}
      {bounds.length > 0 && (
        <TextField
          className="max-w-xl"
          label="Known truths at least"
          type="number"
          min={1}
          value={minLabels}
          onValue={setMinLabels}
          problem={problemOf(start.refusal, 'minLabels')}
          hint="Before so many rows have a trusted truth (a key with the scope FEEDBACK), the version is not judged by its scores and no step ends."
        />
      )}
      <RolloutInputsFields chosen={inputs} onChosen={setInputs} problem={problemOf(start.refusal, 'allowOtherInputs')} />
      <p className="text-xs text-steel-500">Rolled back by itself on {usualRules.map(ruleInWords).join(', ')}{inputs.isJudged && `, ${ruleInWords(refusalRule)}`}{bounds.length > 0 && ', or a score that is not kept'}.</p>
      <RefusalNotice refusal={start.refusal} problems={otherProblems(start.refusal, (field) => shown.includes(field))} />
    </form>
  );
}
