import { useId, useRef, useState, type FormEvent } from 'react';
import { useSession } from '../../app/session-context.tsx';
import { Button } from '../../design/button.tsx';
import { TextField } from '../../design/field.tsx';
import { formatBytes } from '../../design/format.ts';
import { Progress } from '../../design/progress.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { useFileDrop } from '../../design/use-file-drop.ts';
import { AddDatasetVersionDocument, AppendDatasetRowsDocument, BeginUploadDocument, CreateDatasetDocument, type FileDialectInput } from '../../gql/graphql.ts';
import { otherProblems, problemOf, type Refusal } from '../../graphql/refusal.ts';
import { useVerb } from '../../graphql/use-verb.ts';
import { DialectFields } from './dialect-fields.tsx';
import { sendFile } from './send-file.ts';

type Phase = { type: 'choosing' } | { type: 'sending'; share: number } | { type: 'reading' };

interface UploadFormProps {
  /** Adds a version to this data set; without it, makes a new one. */
  datasetId?: string;
  /** Of a version: whether the rows follow those of the newest version instead of taking their place. */
  isAppending?: boolean;
  onDone(datasetId: string): void;
  onCancel?(): void;
}

/** Chooses a file, sends it with progress, and has it read: refused files are explained problem by problem. */
export function UploadForm({ datasetId, isAppending = false, onDone, onCancel }: UploadFormProps) {
  const session = useSession();
  const [file, setFile] = useState<File | null>(null);
  const [name, setName] = useState('');
  const [description, setDescription] = useState('');
  const [dialect, setDialect] = useState<FileDialectInput>({});
  const [phase, setPhase] = useState<Phase>({ type: 'choosing' });
  const [sendRefusal, setSendRefusal] = useState<Refusal | null>(null);
  const beginUpload = useVerb(BeginUploadDocument);
  const createDataset = useVerb(CreateDatasetDocument, { refetchQueries: ['Datasets'] });
  const addVersion = useVerb(AddDatasetVersionDocument, { refetchQueries: ['Dataset'] });
  const appendRows = useVerb(AppendDatasetRowsDocument, { refetchQueries: ['Dataset'] });
  const aborting = useRef<AbortController | null>(null);
  const isBusy = phase.type !== 'choosing';
  const finish = datasetId === undefined ? createDataset : isAppending ? appendRows : addVersion;
  const refusal = sendRefusal ?? beginUpload.refusal ?? finish.refusal;

  function choose(chosen: File | undefined) {
    if (!chosen) return;
    setFile(chosen);
    setSendRefusal(null);
    for (const verb of [beginUpload, createDataset, addVersion, appendRows]) verb.reset();
    if (name === '') setName(nameOf(chosen.name));
  }

  /** The bytes on the server, as an upload id; null when refused or cancelled. */
  async function send(chosen: File): Promise<string | null> {
    const begun = await beginUpload.run({ input: { filename: chosen.name, mediaType: chosen.type || 'application/octet-stream', dialect } });
    if (!begun) return null;
    if (chosen.size > Number(begun.maxBytes)) {
      setSendRefusal({
        code: 'file_too_large',
        message: `The file has ${formatBytes(chosen.size)}; at most ${formatBytes(begun.maxBytes)} may be sent at once.`,
        remedy: 'Split the file, or leave out columns and rows that the model does not need.',
        problems: [],
      });
      return null;
    }
    await session.ready();
    const controller = new AbortController();
    aborting.current = controller;
    const outcome = await sendFile({
      url: begun.url,
      file: chosen,
      onProgress: (share) => setPhase({ type: 'sending', share }),
      signal: controller.signal,
    });
    if (outcome.type === 'refused') setSendRefusal(outcome.refusal);
    return outcome.type === 'sent' ? begun.upload.id : null;
  }

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (!file) return;
    setSendRefusal(null);
    finish.reset();
    setPhase({ type: 'sending', share: 0 });
    try {
      const uploadId = await send(file);
      if (uploadId === null) return;
      setPhase({ type: 'reading' });
      if (datasetId === undefined) {
        const created = await createDataset.run({ input: { name: name.trim(), uploadId, description: description.trim() } });
        if (created) onDone(created.dataset.id);
      } else if (await (isAppending ? appendRows : addVersion).run({ input: { datasetId, uploadId } })) {
        onDone(datasetId);
      }
    } finally {
      setPhase({ type: 'choosing' });
    }
  }

  return (
    <form onSubmit={(event) => void submit(event)} className="space-y-4">
      <RefusalNotice refusal={refusal} problems={otherProblems(refusal, (field) => field === 'name' || field === 'description')} />
      <FileDrop file={file} isDisabled={isBusy} onFile={choose} />
      {datasetId === undefined && (
        <div className="grid gap-4 md:grid-cols-2">
          <TextField label="Name" required disabled={isBusy} value={name} onValue={setName} problem={problemOf(refusal, 'name')} />
          <TextField
            label="Description"
            isOptional
            disabled={isBusy}
            value={description}
            onValue={setDescription}
            problem={problemOf(refusal, 'description')}
          />
        </div>
      )}
      <DialectFields value={dialect} isDisabled={isBusy} onValue={setDialect} />
      {phase.type === 'sending' && <Progress label={`Sending ${file?.name ?? 'the file'}`} value={phase.share} />}
      {phase.type === 'reading' && <Progress label="Reading and profiling the columns" value={null} />}
      <div className="flex justify-end gap-2">
        {phase.type === 'sending' ? (
          <Button onClick={() => aborting.current?.abort()}>Stop sending</Button>
        ) : (
          onCancel && (
            <Button onClick={onCancel} disabled={isBusy}>
              Cancel
            </Button>
          )
        )}
        <Button type="submit" kind="primary" isPending={isBusy} disabled={!file}>
          {datasetId === undefined ? 'Create data set' : isAppending ? 'Append rows' : 'Add version'}
        </Button>
      </div>
    </form>
  );
}

interface FileDropProps {
  file: File | null;
  isDisabled: boolean;
  onFile(file: File | undefined): void;
}

function FileDrop({ file, isDisabled, onFile }: FileDropProps) {
  const id = useId();
  const { isOver, handlers } = useFileDrop((dropped) => {
    if (!isDisabled) onFile(dropped);
  });
  return (
    <div
      {...handlers}
      className={`rounded-lg border-2 border-dashed px-6 py-7 text-center transition-colors focus-within:border-accent-600 ${
        isOver ? 'border-accent-600 bg-accent-50' : 'border-steel-300 bg-steel-25'
      }`}
    >
      <label htmlFor={id} className="link cursor-pointer text-[15px]">
        {file ? file.name : 'Choose a data file'}
      </label>
      <p className="mt-1 text-[13px] text-steel-500">
        {file ? `${formatBytes(file.size)} · choose or drop another to replace it` : 'or drop it here. CSV or TSV with the names of the columns in the first line, JSON Lines, Parquet, or a zip archive of pictures (PNG, JPEG) with a folder for each class.'}
      </p>
      <input
        id={id}
        type="file"
        accept=".csv,.tsv,.txt,.jsonl,.ndjson,.json,.parquet,.zip,text/csv,text/tab-separated-values"
        disabled={isDisabled}
        onChange={(event) => {
          onFile(event.target.files?.[0]);
          // choosing the same file again, after mending it, must be noticed
          event.target.value = '';
        }}
        className="sr-only"
      />
    </div>
  );
}

function nameOf(filename: string): string {
  return filename.replace(/\.[^.]+$/, '').replace(/[_\s]+/g, '-').toLowerCase();
}
