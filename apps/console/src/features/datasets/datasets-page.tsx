import { useQuery } from '@apollo/client/react';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { useCan } from '../../app/session-context.tsx';
import { Button } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { formatBytes, formatCount, formatMoment } from '../../design/format.ts';
import { Empty } from '../../design/notice.tsx';
import { Page } from '../../design/page.tsx';
import { Table } from '../../design/table.tsx';
import { DatasetsDocument } from '../../gql/graphql.ts';
import { Loaded, ShowMore } from '../../graphql/loaded.tsx';
import { UploadForm } from './upload-form.tsx';

export function DatasetsPage() {
  const query = useQuery(DatasetsDocument);
  const navigate = useNavigate();
  const mayWrite = useCan('dataset:write');
  const [isUploading, setUploading] = useState(false);
  const upload = mayWrite && (
    <Button kind="primary" onClick={() => setUploading(true)}>
      Upload a data set
    </Button>
  );
  return (
    <Page
      title="Data sets"
      lead="Tables to learn from. Each is read once, typed, profiled and kept unchanged; new data becomes a new version."
      actions={!isUploading && upload}
    >
      {isUploading && (
        <Card title="New data set">
          <UploadForm
            onDone={(id) => void navigate({ to: '/datasets/$id', params: { id } })}
            onCancel={() => setUploading(false)}
          />
        </Card>
      )}
      <Card isFlush>
        <Loaded what="the data sets" query={query}>
          {({ datasets }) =>
            datasets.edges.length === 0 ? (
              <Empty title="No data sets yet" action={!isUploading && upload}>
                Upload a CSV file with one row for each case, and one column that says what you want to predict.
              </Empty>
            ) : (
              <>
                <Table
                  caption="Data sets"
                  rows={datasets.edges.map(({ node }) => node)}
                  keyOf={(dataset) => dataset.id}
                  columns={[
                    {
                      header: 'Name',
                      cell: (dataset) => (
                        <>
                          <Link to="/datasets/$id" params={{ id: dataset.id }} className="link">
                            {dataset.name}
                          </Link>
                          {dataset.description && <p className="text-[13px] text-steel-500">{dataset.description}</p>}
                        </>
                      ),
                    },
                    { header: 'Version', align: 'right', cell: (dataset) => dataset.latestVersion?.number ?? '–' },
                    { header: 'Rows', align: 'right', cell: ({ latestVersion }) => (latestVersion ? formatCount(latestVersion.rowCount) : '–') },
                    { header: 'Columns', align: 'right', cell: ({ latestVersion }) => latestVersion?.columnCount ?? '–' },
                    { header: 'Size', align: 'right', cell: ({ latestVersion }) => formatBytes(latestVersion?.sizeBytes) },
                    { header: 'Created', align: 'right', cell: (dataset) => formatMoment(dataset.createdAt) },
                  ]}
                />
                <ShowMore pageInfo={datasets.pageInfo} onMore={(after) => query.fetchMore({ variables: { after } })} />
              </>
            )
          }
        </Loaded>
      </Card>
    </Page>
  );
}
