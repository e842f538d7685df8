import { useQuery } from '@apollo/client/react';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useCan } from '../../app/session-context.tsx';
import { Badge } from '../../design/badge.tsx';
import { Button, buttonClass } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { TextField } from '../../design/field.tsx';
import { formatMoment, words } from '../../design/format.ts';
import { Empty } from '../../design/notice.tsx';
import { Page } from '../../design/page.tsx';
import { Table } from '../../design/table.tsx';
import { ModelsDocument } from '../../gql/graphql.ts';
import { Loaded, ShowMore } from '../../graphql/loaded.tsx';
import { headline } from '../training/evaluation.tsx';
import { familyName } from '../training/run-state.tsx';
import { ImportDialog } from './import-dialog.tsx';
import { PackageKeysCard } from './package-keys-card.tsx';

export function ModelsPage() {
  const [search, setSearch] = useState('');
  const [tag, setTag] = useState('');
  const query = useQuery(ModelsDocument, { variables: { search: search || null, tag: tag || null } });
  const mayImport = useCan('model:write');
  const [isImporting, setImporting] = useState(false);
  return (
    <Page title="Models" lead="Each successful run adds a version. Aliases such as champion say which version is in service."
      actions={mayImport && <Button onClick={() => setImporting(true)}>Import a model</Button>}
    >
      <div className="grid gap-4 md:grid-cols-2">
        <TextField label="Search" isOptional value={search} onValue={setSearch} />
        <TextField label="Tag" isOptional value={tag} onValue={setTag} />
      </div>
      <Card isFlush>
        <Loaded what="the models" query={query}>
          {({ models }) =>
            models.edges.length === 0 && (search || tag) ? (
              <Empty title="No model like this">Search for another part of a name, or another tag.</Empty>
            ) : models.edges.length === 0 ? (
              <Empty
                title="No models yet"
                action={
                  <Link to="/runs/new" search={{}} className={buttonClass('primary')}>
                    Start a run
                  </Link>
                }
              >
                A training run that succeeds registers its best model here.
              </Empty>
            ) : (
              <>
                <Table
                  caption="Models"
                  rows={models.edges.map(({ node }) => node)}
                  keyOf={(model) => model.id}
                  columns={[
                    {
                      header: 'Name',
                      cell: (model) => (
                        <Link to="/models/$id" params={{ id: model.id }} className="link">
                          {model.name}
                        </Link>
                      ),
                    },
                    { header: 'Task', cell: (model) => words(model.task) },
                    { header: 'Tags', cell: (model) => <span className="flex flex-wrap gap-1.5">{model.tags.map((one) => <Badge key={one}>{one}</Badge>)}</span> },
                    {
                      header: 'Latest version',
                      cell: ({ latestVersion }) => (latestVersion ? `${latestVersion.number} · ${familyName(latestVersion.family)}` : 'None yet'),
                    },
                    { header: 'Score', align: 'right', cell: ({ latestVersion }) => headline(latestVersion?.metrics) },
                    {
                      header: 'Aliases',
                      cell: (model) => (
                        <span className="flex flex-wrap gap-1.5">
                          {model.aliases.map((alias) => (
                            <Badge key={alias.name} tone={alias.name === 'champion' ? 'accent' : 'neutral'}>
                              {alias.name} → {alias.version.number}
                            </Badge>
                          ))}
                        </span>
                      ),
                    },
                    {
                      header: 'Endpoints',
                      cell: (model) =>
                        model.endpoints.length === 0
                          ? '–'
                          : model.endpoints.map((endpoint) => (
                              <Link key={endpoint.id} to="/endpoints/$name" params={{ name: endpoint.name }} className="link mr-2">
                                {endpoint.name}
                              </Link>
                            )),
                    },
                    { header: 'Created', align: 'right', className: 'whitespace-nowrap', cell: (model) => formatMoment(model.createdAt) },
                  ]}
                />
                <ShowMore pageInfo={models.pageInfo} onMore={(after) => query.fetchMore({ variables: { after } })} />
              </>
            )
          }
        </Loaded>
      </Card>
      <PackageKeysCard />
      <ImportDialog
        isOpen={isImporting}
        onClose={() => {
          setImporting(false);
          void query.refetch();
        }}
      />
    </Page>
  );
}
