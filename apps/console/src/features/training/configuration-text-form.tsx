import { useLazyQuery } from '@apollo/client/react';
import { useId, useState, type FormEvent } from 'react';
import { Button } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { TextField } from '../../design/field.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { useFileDrop } from '../../design/use-file-drop.ts';
import { ReadConfigurationDocument } from '../../gql/graphql.ts';
import { otherProblems, problemOf, type Refusal } from '../../graphql/refusal.ts';
import { ModelNameField } from './model-name-field.tsx';
import { RunTermsFields, termPaths, termsInput, usualTerms } from './run-terms.tsx';
import { StartRunButton } from './start-run-button.tsx';
import { useRunStart } from './use-run-start.ts';

interface ConfigurationTextFormProps {
  datasetName: string;
  datasetVersionId: string;
  text: string;
  onText(text: string): void;
  /** Back to the form with fields. */
  onLeave(): void;
}

/** Larger files are no configuration, and would freeze the page. */
const largestFile = 256 * 1024;

/** Starts a run from a configuration that was written or kept as YAML or JSON: pasted, dropped or typed. */
export function ConfigurationTextForm({ datasetName, datasetVersionId, text, onText, onLeave }: ConfigurationTextFormProps) {
  const { start, isPending, refusal: refused, reset } = useRunStart();
  const [check, checked] = useLazyQuery(ReadConfigurationDocument, { fetchPolicy: 'network-only' });
  const [modelName, setModelName] = useState(datasetName);
  const [acknowledged, setAcknowledged] = useState('');
  const [terms, setTerms] = useState(usualTerms);
  const [found, setFound] = useState<Refusal | 'right' | null>(null);
  const refusal = refused ?? (found === 'right' ? null : found);
  const leaking = refused?.code === 'leak_unacknowledged' || acknowledged !== '';
  const shown = ['modelName', ...termPaths];

  function edit(next: string) {
    setFound(null);
    reset();
    onText(next);
  }

  async function take(file: File | undefined) {
    if (!file) return;
    if (file.size <= largestFile) return edit(await file.text());
    setFound({ code: 'file_too_large', message: 'This file is too large for a configuration.', remedy: 'Choose a YAML or JSON file of at most 256 KiB.', problems: [] });
  }

  async function checkText() {
    reset();
    const { data } = await check({ variables: { spec: text } });
    if (!data) return;
    const { problems } = data.trainingConfiguration;
    const [first] = problems;
    setFound(first ? { code: first.code, message: first.message, remedy: first.remedy, problems: problems.map((problem) => ({ ...problem, row: null })) } : 'right');
  }

  async function submit(event: FormEvent) {
    event.preventDefault();
    setFound(null);
    const acknowledgedLeaks = acknowledged.split(',').map((name) => name.trim()).filter(Boolean);
    await start({ datasetVersionId, modelName, spec: text, acknowledgedLeaks, ...termsInput(terms) });
  }

  return (
    <form noValidate onSubmit={(event) => void submit(event)} className="space-y-6">
      <RefusalNotice refusal={refusal} problems={otherProblems(refusal, (field) => shown.includes(field))} />
      <Card title="Configuration" description="YAML or JSON, such as a run’s page gives it. The columns that it names must be in the data set." actions={<Button onClick={onLeave}>Use the form</Button>}>
        <ConfigurationText text={text} onText={edit} onFile={(file) => void take(file)} />
        <div className="mt-3 flex items-center justify-end gap-3">
          <p aria-live="polite" className="text-[13px] text-steel-600">
            {found === 'right' && 'It can be read. Whether it fits the data is checked at the start.'}
          </p>
          <Button isPending={checked.loading} disabled={text.trim() === ''} onClick={() => void checkText()}>
            Check
          </Button>
        </div>
      </Card>
      <Card title="How it runs">
        <div className="space-y-4">
          <ModelNameField className="max-w-md" value={modelName} refusal={refusal} onValue={setModelName} />
          {leaking && (
            <TextField
              label="Leaks to accept"
              isOptional
              className="max-w-md"
              value={acknowledged}
              onValue={setAcknowledged}
              hint="Columns, with commas between them, whose values are known when predictions are made."
            />
          )}
          <RunTermsFields terms={terms} problemAt={(path) => problemOf(refusal, path)} onTerms={setTerms} />
        </div>
      </Card>
      <div className="flex justify-end">
        <StartRunButton isPending={isPending} disabled={text.trim() === ''} />
      </div>
    </form>
  );
}

/** A field for the text, with the numbers of its lines, that also takes a dropped or chosen file. */
export function ConfigurationText({ text, onText, onFile }: { text: string; onText(text: string): void; onFile(file: File | undefined): void }) {
  const id = useId();
  const { isOver, handlers } = useFileDrop(onFile);
  const lines = text.split('\n').length;
  return (
    <div {...handlers}>
      <div className="mb-1.5 flex items-baseline justify-between gap-4">
        <label htmlFor={id} className="text-[13px] font-medium text-steel-700">
          Text
        </label>
        <label htmlFor={`${id}-file`} className="link cursor-pointer text-[13px]">
          Choose a file
        </label>
      </div>
      <div className={`flex max-h-[32rem] overflow-auto rounded-md border ${isOver ? 'border-accent-600 bg-accent-50' : 'border-steel-300'}`}>
        <pre aria-hidden="true" className="border-r border-steel-200 bg-steel-25 px-2 py-2 text-right font-mono text-[12.5px] leading-5 text-steel-400 select-none">
          {Array.from({ length: lines }, (_, line) => line + 1).join('\n')}
        </pre>
        <textarea
          id={id}
          spellCheck={false}
          wrap="off"
          rows={Math.max(12, lines)}
          value={text}
          placeholder="Paste a configuration, or drop a file here."
          onChange={(event) => onText(event.target.value)}
          className="min-w-0 flex-1 resize-none overflow-x-auto overflow-y-hidden bg-transparent px-3 py-2 font-mono text-[12.5px] leading-5 text-steel-900 outline-none"
        />
      </div>
      <input
        id={`${id}-file`}
        type="file"
        accept=".yaml,.yml,.json,application/json"
        className="sr-only"
        onChange={(event) => {
          onFile(event.target.files?.[0]);
          event.target.value = '';
        }}
      />
    </div>
  );
}
