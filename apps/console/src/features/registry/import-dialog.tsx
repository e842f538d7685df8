import { useQuery } from '@apollo/client/react';
import { Link } from '@tanstack/react-router';
import { useState, type FormEvent } from 'react';
import { useSession } from '../../app/session-context.tsx';
import { Button, buttonClass } from '../../design/button.tsx';
import { Dialog } from '../../design/dialog.tsx';
import { CheckField, Field, TextField } from '../../design/field.tsx';
import { Notice } from '../../design/notice.tsx';
import { Progress } from '../../design/progress.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { BeginUploadDocument, ImportModelDocument, ModelImportDocument } from '../../gql/graphql.ts';
import { otherProblems, problemOf, type Refusal } from '../../graphql/refusal.ts';
import { useVerb } from '../../graphql/use-verb.ts';
import { sendFile } from '../datasets/send-file.ts';
import { PictureSignatureFields } from './picture-signature-fields.tsx';

type Phase = { type: 'choosing' } | { type: 'sending'; share: number } | { type: 'looking'; importId: string };

interface ImportDialogProps {
  isOpen: boolean;
  onClose(): void;
}

/** Brings a model from elsewhere: a package of another installation, or an ONNX file with what it takes and gives. */
export function ImportDialog({ isOpen, onClose }: ImportDialogProps) {
  return (
    <Dialog title="Import a model" isOpen={isOpen} onClose={onClose}>
      <ImportForm onClose={onClose} />
    </Dialog>
  );
}

const shown = ['modelName', 'signature', 'sampleRows'];

function ImportForm({ onClose }: { onClose(): void }) {
  const session = useSession();
  const [file, setFile] = useState<File | null>(null);
  const [modelName, setModelName] = useState('');
  const [acceptUntrusted, setAcceptUntrusted] = useState(false);
  const [signature, setSignature] = useState('');
  const [sampleRows, setSampleRows] = useState('');
  const [phase, setPhase] = useState<Phase>({ type: 'choosing' });
  const [ownRefusal, setOwnRefusal] = useState<Refusal | null>(null);
  const beginUpload = useVerb(BeginUploadDocument);
  const importModel = useVerb(ImportModelDocument);
  const refusal = ownRefusal ?? beginUpload.refusal ?? importModel.refusal;
  const isBusy = phase.type !== 'choosing';

  function choose(chosen: File | undefined) {
    setFile(chosen ?? null);
    setOwnRefusal(null);
    if (chosen && modelName === '') setModelName(chosen.name.replace(/(-\d+)?(\.millrace)?\.\w+$/, '').replace(/[^A-Za-z0-9._-]+/g, '-'));
  }

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (!file) return;
    setOwnRefusal(null);
    const options = { signature: readJson(signature), sampleRows: readJson(sampleRows) };
    const broken = (['signature', 'sampleRows'] as const).find((field) => options[field] === broke);
    if (broken) return setOwnRefusal({ ...notJson, field: broken });
    setPhase({ type: 'sending', share: 0 });
    const begun = await beginUpload.run({ input: { filename: file.name, mediaType: 'application/octet-stream' } });
    if (!begun) return setPhase({ type: 'choosing' });
    await session.ready();
    const sent = await sendFile({ url: begun.url, file, onProgress: (share) => setPhase({ type: 'sending', share }) });
    if (sent.type !== 'sent') {
      if (sent.type === 'refused') setOwnRefusal(sent.refusal);
      return setPhase({ type: 'choosing' });
    }
    const asked = await importModel.run({ input: { uploadId: begun.upload.id, modelName: modelName.trim(), acceptUntrusted, ...options } });
    setPhase(asked ? { type: 'looking', importId: asked.modelImport.id } : { type: 'choosing' });
  }

  if (phase.type === 'looking') return <ImportProgress importId={phase.importId} onClose={onClose} onAgain={() => setPhase({ type: 'choosing' })} />;
  return (
    <form onSubmit={(event) => void submit(event)} className="space-y-4">
      <RefusalNotice refusal={refusal} problems={otherProblems(refusal, (field) => shown.includes(field))} />
      <Field label="File" hint="A package (.millrace.tar) that another installation gave out, or an ONNX file.">
        {(described) => (
          <input {...described} type="file" accept=".tar,.onnx" required disabled={isBusy} onChange={(event) => choose(event.target.files?.[0])} className="control" />
        )}
      </Field>
      <TextField label="Model" hint="It becomes the next version of this model, which is made if it is new." required disabled={isBusy} value={modelName} onValue={setModelName} problem={problemOf(refusal, 'modelName')} />
      <CheckField label="Take it even if nobody here trusts its signature" isChecked={acceptUntrusted} isDisabled={isBusy} onChecked={setAcceptUntrusted} />
      <details className="rounded-md border border-steel-200 px-4 py-2">
        <summary className="cursor-pointer text-[13px] font-medium text-steel-700">For an ONNX file: signature and sample rows</summary>
        <div className="mt-3 space-y-4">
          <details>
            <summary className="cursor-pointer text-[13px] text-steel-700">It looks at pictures</summary>
            <div className="mt-3">
              <PictureSignatureFields sampleRows={sampleRows} onSignature={setSignature} onSampleRows={setSampleRows} />
            </div>
          </details>
          <JsonField label="Signature" hint='{"inputs": [{"name": "speed", "type": "number"}], "output": {"type": "category", "classes": ["good", "bad"]}}. What is left out is inferred.' value={signature} onValue={setSignature} problem={problemOf(refusal, 'signature')} />
          <JsonField label="Sample rows" hint='[{"inputs": {"speed": 3}, "prediction": "good"}]. The import is refused if the model answers otherwise.' value={sampleRows} onValue={setSampleRows} problem={problemOf(refusal, 'sampleRows')} />
        </div>
      </details>
      {phase.type === 'sending' && <Progress label={`Sending ${file?.name ?? 'the file'}`} value={phase.share} />}
      <div className="flex justify-end gap-2">
        <Button onClick={onClose} disabled={isBusy}>Cancel</Button>
        <Button type="submit" kind="primary" isPending={isBusy} disabled={!file}>Import</Button>
      </div>
    </form>
  );
}

function JsonField({ label, hint, value, onValue, problem }: { label: string; hint: string; value: string; onValue(value: string): void; problem: ReturnType<typeof problemOf> }) {
  return (
    <Field label={label} hint={hint} problem={problem} isOptional>
      {(described) => <textarea {...described} rows={3} value={value} onChange={(event) => onValue(event.target.value)} className="control font-mono text-[13px]" />}
    </Field>
  );
}

function ImportProgress({ importId, onClose, onAgain }: { importId: string; onClose(): void; onAgain(): void }) {
  const [isOver, setOver] = useState(false);
  const { data } = useQuery(ModelImportDocument, { variables: { id: importId }, pollInterval: isOver ? 0 : 1_000 });
  const modelImport = data?.modelImport;
  const status = modelImport?.status ?? 'QUEUED';
  if (!isOver && (status === 'SUCCEEDED' || status === 'FAILED')) setOver(true);
  if (status === 'FAILED') {
    const problems = (modelImport?.problems ?? []).map((problem) => ({ ...problem, row: problem.row ?? null }));
    const [first] = problems;
    return (
      <div className="space-y-4">
        <RefusalNotice refusal={{ message: first?.message ?? 'The file was refused.', remedy: first?.remedy ?? null, problems }} />
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Close</Button>
          <Button kind="primary" onClick={onAgain}>Change and try again</Button>
        </div>
      </div>
    );
  }
  if (status === 'SUCCEEDED' && modelImport?.version) {
    const { model, number } = modelImport.version;
    return (
      <div className="space-y-4">
        <Notice tone="good" title={`It is version ${number} of ${model.name}`}>It was loaded and tried. Publish it to put it into service.</Notice>
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Close</Button>
          <Link to="/models/$id" params={{ id: model.id }} className={buttonClass('primary')}>See the model</Link>
        </div>
      </div>
    );
  }
  return <Progress label={status === 'RUNNING' ? 'Checking and trying the model' : 'Waiting for a worker'} value={null} />;
}

const broke = Symbol('no JSON');
const notJson: Refusal = { code: 'not_json', message: 'This is no JSON.', remedy: 'Write it as in the example.', problems: [] };

/** Undefined for an empty field. */
function readJson(text: string): unknown {
  if (text.trim() === '') return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return broke;
  }
}
