import { useQuery } from '@apollo/client/react';
import { Link } from '@tanstack/react-router';
import { useState, type FormEvent, type ReactNode } from 'react';
import { useCan } from '../../app/session-context.tsx';
import { Badge, type Tone } from '../../design/badge.tsx';
import { Button, buttonClass } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { Dialog } from '../../design/dialog.tsx';
import { Facts } from '../../design/facts.tsx';
import { TextField } from '../../design/field.tsx';
import { formatBytes, formatCount, formatMoment, formatNumber, words } from '../../design/format.ts';
import { NotFoundPage } from '../../design/not-found-page.tsx';
import { Empty, Notice } from '../../design/notice.tsx';
import { Page } from '../../design/page.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { Table } from '../../design/table.tsx';
import { ModelDocument, PublishModelVersionDocument, type ModelQuery, type ModelVersionStatus } from '../../gql/graphql.ts';
import { Loaded } from '../../graphql/loaded.tsx';
import { otherProblems, problemOf } from '../../graphql/refusal.ts';
import { useVerb } from '../../graphql/use-verb.ts';
import { EvaluationView, evaluationOf, headline } from '../training/evaluation.tsx';
import { familyName } from '../training/run-state.tsx';
import { VersionDownloads } from './version-downloads.tsx';
import { ComparisonCard } from './comparison-card.tsx';
import { ImportanceCard } from './importance-card.tsx';
import { LineageCard } from './lineage-card.tsx';
import { OptimiseDialog } from './optimise-dialog.tsx';
import { OptimisedCard } from './optimised-card.tsx';
import { DescriptionCard, PolicyCard } from './policy-card.tsx';
import { signatureOf, type Signature } from './signature.ts';
import { VersionCare } from './version-care.tsx';

type Model = NonNullable<ModelQuery['model']>;
type Version = Model['versions']['edges'][number]['node'];

const back = (
  <Link to="/models" className="hover:underline">
    Models
  </Link>
);

const tones: Record<ModelVersionStatus, Tone> = { PENDING: 'neutral', READY: 'good', FAILED: 'bad' };

export function ModelPage({ id }: { id: string }) {
  const query = useQuery(ModelDocument, { variables: { id } });
  return (
    <Loaded what="the model" query={query}>
      {({ model }) =>
        model ? (
          <ModelView model={model} />
        ) : (
          <NotFoundPage what="model" above={back} />
        )
      }
    </Loaded>
  );
}

function ModelView({ model }: { model: Model }) {
  const versions = model.versions.edges.map(({ node }) => node);
  const [chosenId, setChosenId] = useState<string | null>(null);
  const [publishing, setPublishing] = useState<Version | null>(null);
  const chosen = versions.find(({ id }) => id === chosenId) ?? versions[0];
  const endpoint = model.endpoints[0];
  const mayPublish = useCan('endpoint:write');
  const mayApprove = useCan('model:approve');
  const mayWrite = useCan('model:write');

  return (
    <Page
      title={model.name}
      above={back}
      lead={model.description || words(model.task)}
      badge={model.aliases.map((alias) => (
        <Badge key={alias.name} tone={alias.name === 'champion' ? 'accent' : 'neutral'}>
          {alias.name} → {alias.version.number}
        </Badge>
      ))}
      actions={
        endpoint && (
          <Link to="/endpoints/$name" params={{ name: endpoint.name }} className={buttonClass(mayPublish ? 'secondary' : 'primary')}>
            Try endpoint {endpoint.name}
          </Link>
        )
      }
    >
      <Card title="Versions" isFlush>
        {versions.length === 0 ? (
          <Empty title="No versions yet">A training run that succeeds under this name adds one.</Empty>
        ) : (
          <Table
            caption="Versions"
            rows={versions}
            keyOf={(version) => version.id}
            isMarked={(version) => version.id === chosen?.id}
            columns={[
              {
                header: 'Version',
                cell: (version) => (
                  <button type="button" className="link" aria-pressed={version.id === chosen?.id} onClick={() => setChosenId(version.id)}>
                    Version {version.number}
                  </button>
                ),
              },
              { header: 'Status', cell: (version) => <Badge tone={tones[version.status]}>{words(version.status)}</Badge> },
              { header: 'Approval', cell: (version) => (version.approval === 'PENDING_APPROVAL' ? '–' : <Badge tone={version.approval === 'APPROVED' ? 'good' : 'bad'}>{words(version.approval)}</Badge>) },
              { header: 'Family', cell: (version) => familyName(version.family) },
              { header: 'Score', align: 'right', cell: (version) => headline(version.metrics) },
              {
                header: 'Aliases',
                cell: (version) => (
                  <span className="flex flex-wrap gap-1.5">
                    {version.aliases.map((alias) => (
                      <Badge key={alias} tone={alias === 'champion' ? 'accent' : 'neutral'}>
                        {alias}
                      </Badge>
                    ))}
                  </span>
                ),
              },
              { header: 'Created', align: 'right', className: 'whitespace-nowrap', cell: (version) => formatMoment(version.createdAt) },
              {
                header: <span className="sr-only">Actions</span>,
                align: 'right',
                cell: (version) =>
                  mayPublish && version.status === 'READY' && !version.aliases.includes('champion') ? (
                    <Button
                      kind="primary"
                      className="py-1 text-[13px]"
                      aria-label={`Publish version ${version.number}`}
                      onClick={() => setPublishing(version)}
                    >
                      Publish
                    </Button>
                  ) : null,
              },
            ]}
          />
        )}
      </Card>
      {chosen && <VersionView key={chosen.id} version={chosen} modelId={model.id} modelName={model.name} />}
      {chosen && <VersionCare key={`care ${chosen.id}`} versionId={chosen.id} number={chosen.number} isAliased={chosen.aliases.length > 0} />}
      {versions.length > 1 && <ComparisonCard versions={versions} />}
      <LineageCard modelId={model.id} />
      <div className="grid gap-6 xl:grid-cols-2">
        {mayApprove && <PolicyCard model={model} />}
        {mayWrite && <DescriptionCard model={model} />}
      </div>
      <PublishDialog model={model} version={publishing} onClose={() => setPublishing(null)} />
    </Page>
  );
}

function VersionView({ version, modelId, modelName }: { version: Version; modelId: string; modelName: string }) {
  const mayExport = useCan('model:export');
  const evaluation = evaluationOf(version.metrics);
  const signature = signatureOf(version.signature);
  const mayOptimise = useCan('run:submit') && version.status === 'READY' && version.optimisationMethods.length > 0;
  const [isOptimising, setOptimising] = useState(false);
  return (
    <>
      {version.optimisation && <OptimisedCard number={version.number} optimisation={version.optimisation} />}
      {version.failure && <Notice tone="bad" title={`Version ${version.number} cannot be served`}>{version.failure}</Notice>}
      {evaluation && (
        <Card title={`Scores of version ${version.number}`} description="On test rows that took no part in training.">
          <EvaluationView evaluation={evaluation} baseline={null} />
        </Card>
      )}
      <ImportanceCard number={version.number} metrics={version.metrics} />
      <div className="grid gap-6 xl:grid-cols-2">
        {signature && (
          <Card title="Signature" description="What the model takes and gives. A row that does not fit is refused." isFlush>
            <SignatureTable signature={signature} />
          </Card>
        )}
        <Card title="Lineage and package" actions={<>{mayOptimise && <Button onClick={() => setOptimising(true)}>Optimise</Button>}{mayExport && <VersionDownloads modelId={modelId} modelName={modelName} number={version.number} family={version.family} />}</>}>
          <Facts
            facts={[
              ...originFacts(version),
              ['Engines agree', agreementText(version.agreement)],
              ['Size', `${formatBytes(version.sizeBytes)}, ${formatBytes(version.sizeGzBytes)} compressed`],
              ['Signed with', version.signingKeyId ? <code className="font-mono text-xs">{version.signingKeyId}</code> : 'nothing: it is from before packages were signed'],
              ['SHA-256', <code className="font-mono text-xs break-all">{version.packageSha256}</code>],
              ['Version id', <code className="font-mono text-xs break-all">{version.id}</code>],
            ]}
          />
        </Card>
      </div>
      {mayOptimise && <OptimiseDialog version={version} isOpen={isOptimising} onClose={() => setOptimising(false)} />}
    </>
  );
}

function SignatureTable({ signature }: { signature: Signature }) {
  const output = signature.output;
  const rows = [
    ...signature.inputs.map((input) => ({
      role: 'Input',
      name: input.name,
      type: input.type,
      values:
        input.type === 'number' ? `${formatNumber(input.min)} to ${formatNumber(input.max)}`
        : input.type === 'date' ? `${input.min} to ${input.max}`
        : input.type === 'image' ? `PNG or JPEG, ${input.width} × ${input.height} pixels${input.shortSide === undefined ? '' : ` from the middle, the shorter side at ${input.shortSide}`}`
        : firstOf(input.type === 'list' ? input.choices : input.categories),
      isRequired: input.required,
    })),
    { role: 'Output', name: output.name, type: output.type, values: output.classes?.join(', ') ?? (output.count === undefined ? 'a number' : `at most ${output.count}, best first, with scores`), isRequired: true },
  ];
  return (
    <Table
      caption="Signature"
      rows={rows}
      keyOf={(row) => `${row.role} ${row.name}`}
      columns={[
        { header: 'Role', cell: (row) => <Badge tone={row.role === 'Output' ? 'accent' : 'neutral'}>{row.role}</Badge> },
        { header: 'Name', cell: (row) => <span className="font-medium text-steel-900">{row.name}</span> },
        { header: 'Type', cell: (row) => `${row.type}${row.isRequired ? '' : ', may be missing'}` },
        { header: 'Values', className: 'text-[13px] text-steel-600', cell: (row) => row.values },
      ]}
    />
  );
}

/** What it was made from: a run and its data, or a file that somebody brought. */
function originFacts({ run, datasetVersion, source, provenance }: Version): [string, ReactNode][] {
  const { filename, producer, signer } = (provenance ?? {}) as { filename?: string; producer?: string; signer?: { keyId: string; name: string | null } | null };
  return [
    ...(run ? [['Trained by', <Link to="/runs/$id" params={{ id: run.id }} className="link">this run</Link>] satisfies [string, ReactNode]] : []),
    ...(datasetVersion
      ? [['Learnt from', <Link to="/datasets/$id" params={{ id: datasetVersion.dataset.id }} className="link">{datasetVersion.dataset.name}, version {datasetVersion.number}</Link>] satisfies [string, ReactNode]]
      : []),
    ...(source === 'RUN' ? [] : [['Imported from', `${filename ?? 'a file'}${producer ? `, made by ${producer}` : ''}`] satisfies [string, ReactNode]]),
    ...(source === 'PACKAGE' ? [['Was signed by', signer ? `${signer.name ?? 'somebody whom nobody here trusts'} (${signer.keyId})` : 'nobody'] satisfies [string, ReactNode]] : []),
  ];
}

function agreementText(agreement: unknown): string {
  const { rows, maxDifference, tolerance, type } = (agreement ?? {}) as Record<string, unknown>;
  if (type !== 'agrees') return 'No';
  if (rows === 0) return 'Not compared: it came without sample rows';
  return `on ${formatCount(Number(rows))} rows; largest difference ${formatNumber(Number(maxDifference))}, allowed ${formatNumber(Number(tolerance))}`;
}

interface PublishDialogProps {
  model: Model;
  version: Version | null;
  onClose(): void;
}

function PublishDialog({ model, version, onClose }: PublishDialogProps) {
  const existing = model.endpoints.find(({ aliasName }) => aliasName === 'champion')?.name;
  const [endpointName, setEndpointName] = useState(existing ?? model.name);
  const [published, setPublished] = useState<string | null>(null);
  const publish = useVerb(PublishModelVersionDocument, { refetchQueries: ['Model'] });
  const champion = model.aliases.find(({ name }) => name === 'champion');

  function close() {
    publish.reset();
    setPublished(null);
    onClose();
  }

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (!version) return;
    const done = await publish.run({ input: { versionId: version.id, endpointName: endpointName.trim() } });
    if (done) setPublished(done.endpoint.name);
  }

  return (
    <Dialog title={`Publish version ${version?.number ?? ''} of ${model.name}`} isOpen={version !== null} onClose={close}>
      {published === null ? (
        <form onSubmit={(event) => void submit(event)} className="space-y-4">
          <RefusalNotice refusal={publish.refusal} problems={otherProblems(publish.refusal, (field) => field === 'endpointName')} />
          <p>
            {champion
              ? `It becomes the champion. Version ${champion.version.number}, in service now, is kept as previous.`
              : 'It becomes the champion: the version that the endpoint serves.'}
          </p>
          <TextField
            label="Endpoint"
            hint="The name in the address that programs call. It is made if it does not exist."
            required
            value={endpointName}
            onValue={setEndpointName}
            problem={problemOf(publish.refusal, 'endpointName')}
          />
          <div className="flex justify-end gap-2">
            <Button onClick={close}>Not now</Button>
            <Button type="submit" kind="primary" isPending={publish.isPending}>
              Put into service
            </Button>
          </div>
        </form>
      ) : (
        <div className="space-y-4">
          <Notice tone="good" title={`Endpoint ${published} serves it now`}>
            Calls reach the new version within a second.
          </Notice>
          <div className="flex justify-end gap-2">
            <Button onClick={close}>Close</Button>
            <Link to="/endpoints/$name" params={{ name: published }} className={buttonClass('primary')}>
              Try the model
            </Link>
          </div>
        </div>
      )}
    </Dialog>
  );
}

/** Of the names of all users and items only some: there may be thousands. */
function firstOf(names: readonly string[]): string {
  const most = 12;
  return names.length > most ? `${names.slice(0, most).join(', ')} and ${formatCount(names.length - most)} more` : names.join(', ');
}
