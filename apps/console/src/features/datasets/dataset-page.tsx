import { useQuery } from '@apollo/client/react';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { useCan } from '../../app/session-context.tsx';
import { Button, buttonClass } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { Dialog } from '../../design/dialog.tsx';
import { Figure } from '../../design/facts.tsx';
import { formatBytes, formatCount, formatMoment } from '../../design/format.ts';
import { NotFoundPage } from '../../design/not-found-page.tsx';
import { Page } from '../../design/page.tsx';
import { Table } from '../../design/table.tsx';
import { DatasetDocument, DeleteDatasetDocument, type DatasetQuery } from '../../gql/graphql.ts';
import { Loaded } from '../../graphql/loaded.tsx';
import { useVerb } from '../../graphql/use-verb.ts';
import { Confirmation } from '../auth/confirmation.tsx';
import { ColumnCard } from './column-card.tsx';
import { ColumnDrawer } from './column-drawer.tsx';
import { ContactSheet } from './contact-sheet.tsx';
import { TargetCard } from './target-card.tsx';
import { TypesForm } from './types-form.tsx';
import { UploadForm } from './upload-form.tsx';
import { WarningList } from './warning-list.tsx';

interface SampleRow {
  index: number;
  row: Record<string, unknown>;
}

const back = (
  <Link to="/datasets" className="hover:underline">
    Data sets
  </Link>
);

export function DatasetPage({ id }: { id: string }) {
  const query = useQuery(DatasetDocument, { variables: { id } });
  return (
    <Loaded what="the data set" query={query}>
      {({ dataset }) =>
        dataset ? (
          <DatasetView dataset={dataset} />
        ) : (
          <NotFoundPage what="data set" above={back} />
        )
      }
    </Loaded>
  );
}

function DatasetView({ dataset }: { dataset: NonNullable<DatasetQuery['dataset']> }) {
  const [dialog, setDialog] = useState<'add' | 'append' | 'types' | 'delete' | null>(null);
  const navigate = useNavigate();
  const remove = useVerb(DeleteDatasetDocument, { refetchQueries: ['Datasets'] });
  const close = () => setDialog(null);
  const [openColumn, setOpenColumn] = useState<string | null>(null);
  const mayWrite = useCan('dataset:write');
  const mayTrain = useCan('run:submit');
  const latest = dataset.latestVersion;
  const images = latest?.columns.find((column) => column.images)?.images;
  const sampleColumns = latest?.columns.map((column) => column.name) ?? [];
  return (
    <Page
      title={dataset.name}
      above={back}
      lead={dataset.description || undefined}
      actions={
        <>
          {mayWrite && (
            <>
              <Button kind="danger" onClick={() => setDialog('delete')}>
                Delete
              </Button>
              {!images && <Button onClick={() => setDialog('types')}>Correct types</Button>}
              <Button onClick={() => setDialog('append')}>Append rows</Button>
              <Button onClick={() => setDialog('add')}>Add a version</Button>
            </>
          )}
          {mayTrain && latest && (
            <Link to="/runs/new" search={{ dataset: dataset.id }} className={buttonClass('primary')}>
              Train a model
            </Link>
          )}
        </>
      }
    >
      {latest && (
        <>
          <Card>
            <div className="grid gap-6 sm:grid-cols-2 lg:grid-cols-4">
              <Figure label="Rows" value={formatCount(latest.rowCount)} />
              <Figure label="Columns" value={latest.columnCount} />
              <Figure label="Size" value={formatBytes(latest.sizeBytes)} note={`from ${latest.upload.filename}`} />
              <Figure label="Version" value={latest.number} note={`read ${formatMoment(latest.createdAt)}`} />
            </div>
          </Card>
          <WarningList label="Warnings about the table" warnings={latest.warnings} />
          {images && <ContactSheet datasetId={dataset.id} images={images} />}
          <section aria-label="Columns">
            <h2 className="mb-3 text-[15px] font-semibold text-steel-900">Columns</h2>
            <div className="grid grid-cols-[repeat(auto-fill,minmax(205px,1fr))] gap-4">
              {latest.columns.map((column) => (
                <ColumnCard key={column.name} column={column} rowCount={latest.rowCount} onOpen={() => setOpenColumn(column.name)} />
              ))}
            </div>
          </section>
          <ColumnDrawer
            column={latest.columns.find(({ name }) => name === openColumn) ?? null}
            rowCount={latest.rowCount}
            onClose={() => setOpenColumn(null)}
          />
          {!images && <TargetCard datasetId={dataset.id} columns={latest.columns} />}
          <Card title="Sample rows" description="Spread evenly over the data." isFlush>
            <Table
              caption="Sample rows"
              rows={latest.sampleRows.map((row, index): SampleRow => ({ index, row: row as Record<string, unknown> }))}
              keyOf={({ index }) => index}
              columns={sampleColumns.map((name) => ({
                header: name,
                align: latest.columns.find((column) => column.name === name)?.type === 'NUMBER' ? 'right' : 'left',
                className: 'whitespace-nowrap',
                cell: ({ row }: SampleRow) => cellText(row[name]),
              }))}
            />
          </Card>
        </>
      )}
      <Card title="Versions" isFlush>
        <Table
          caption="Versions"
          rows={dataset.versions.edges.map(({ node }) => node)}
          keyOf={(version) => version.id}
          columns={[
            { header: 'Version', cell: (version) => <span className="font-medium text-steel-900">{version.number}</span> },
            { header: 'Made of', cell: (version) => madeOf(version) },
            { header: 'Rows', align: 'right', cell: (version) => formatCount(version.rowCount) },
            { header: 'Size', align: 'right', cell: (version) => formatBytes(version.sizeBytes) },
            {
              header: 'SHA-256',
              cell: (version) => (
                <code title={version.sha256} className="font-mono text-xs">
                  {version.sha256.slice(0, 16)}…
                </code>
              ),
            },
            { header: 'Created', align: 'right', cell: (version) => formatMoment(version.createdAt) },
          ]}
        />
      </Card>
      <Dialog title={`Add a version of ${dataset.name}`} isOpen={dialog === 'add'} onClose={close}>
        <UploadForm datasetId={dataset.id} onDone={close} onCancel={close} />
      </Dialog>
      <Dialog title={`Append rows to ${dataset.name}`} isOpen={dialog === 'append'} onClose={close}>
        <UploadForm datasetId={dataset.id} isAppending onDone={close} onCancel={close} />
      </Dialog>
      <Dialog title={`Correct the types of ${dataset.name}`} isOpen={dialog === 'types'} onClose={close} isWide>
        <TypesForm datasetId={dataset.id} columns={latest?.columns ?? []} onDone={close} />
      </Dialog>
      <Confirmation
        title={`Delete ${dataset.name}?`}
        verb="Delete the data set"
        isOpen={dialog === 'delete'}
        isPending={remove.isPending}
        refusal={remove.refusal}
        onClose={close}
        onConfirm={async () => {
          if (await remove.run({ input: { id: dataset.id } })) await navigate({ to: '/datasets' });
        }}
      >
        All its versions and the files that they were made of are deleted for good. Models that were trained on it stay.
      </Confirmation>
    </Page>
  );
}

type Version = NonNullable<DatasetQuery['dataset']>['versions']['edges'][number]['node'];

function madeOf({ origin, parent, upload }: Version): string {
  if (!parent) return upload.filename;
  return origin === 'APPEND' ? `version ${parent.number} and ${upload.filename}` : `version ${parent.number}, types corrected`;
}

function cellText(value: unknown) {
  if (value === null || value === undefined) return <span className="text-steel-400">missing</span>;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
