import { useQuery } from '@apollo/client/react';
import { useState, type FormEvent } from 'react';
import { useCan } from '../../app/session-context.tsx';
import { Badge } from '../../design/badge.tsx';
import { Button } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { CodeBlock } from '../../design/code-block.tsx';
import { Figure } from '../../design/facts.tsx';
import { TextField } from '../../design/field.tsx';
import { formatCount, formatMoment } from '../../design/format.ts';
import { Empty, Notice } from '../../design/notice.tsx';
import { Page } from '../../design/page.tsx';
import { Table } from '../../design/table.tsx';
import { AuditChainDocument, AuditEventsDocument } from '../../gql/graphql.ts';
import { DownloadLink } from '../../graphql/download-link.tsx';
import { Loaded, ShowMore } from '../../graphql/loaded.tsx';

interface Filters {
  action: string;
  actor: string;
  subject: string;
  result: string;
  from: string;
  to: string;
}

const none: Filters = { action: '', actor: '', subject: '', result: '', from: '', to: '' };

/** What is left empty filters nothing. Days are those of the reader. */
function variablesOf({ from, to, ...texts }: Filters) {
  const given = Object.fromEntries(Object.entries(texts).flatMap(([name, value]) => (value.trim() === '' ? [] : [[name, value.trim()]])));
  return { ...given, ...periodOf({ from, to }) };
}

function periodOf({ from, to }: Pick<Filters, 'from' | 'to'>): { from?: string; to?: string } {
  return {
    ...(from === '' ? {} : { from: new Date(`${from}T00:00`).toISOString() }),
    // the day itself belongs to it
    ...(to === '' ? {} : { to: new Date(new Date(`${to}T00:00`).setDate(new Date(`${to}T00:00`).getDate() + 1)).toISOString() }),
  };
}

export function AuditPage() {
  const [filters, setFilters] = useState(none);
  const [picks, setPicks] = useState(0);
  const query = useQuery(AuditEventsDocument, { variables: variablesOf(filters) });
  const isFiltered = Object.values(filters).some((value) => value !== '');

  /** Shows what one actor did; the form begins anew with it. */
  function pick(actor: string) {
    setFilters({ ...filters, actor });
    setPicks(picks + 1);
  }

  return (
    <Page
      title="Audit trail"
      lead="Who did what, and when. Entries cannot be changed or removed, and each is tied to the one before it."
      actions={<ExportLinks period={periodOf(filters)} />}
    >
      <ChainCard />
      <Card title="Entries" isFlush>
        <FilterForm key={picks} filters={filters} onFilters={setFilters} />
        <Loaded what="the audit trail" query={query}>
          {({ auditEvents }) =>
            auditEvents.edges.length === 0 ? (
              <Empty title={isFiltered ? 'Nothing fits' : 'Nothing recorded yet'}>
                {isFiltered ? 'No entry fits all of the filters.' : 'Sign-ins, keys, data sets, runs and publications appear here as they happen.'}
              </Empty>
            ) : (
              <>
                <Table
                  caption="Audit trail"
                  rows={auditEvents.edges.map(({ node }) => node)}
                  keyOf={(event) => event.id}
                  columns={[
                    { header: 'No.', isExtra: true, align: 'right', cell: (event) => event.number ?? '–' },
                    { header: 'When', className: 'whitespace-nowrap', cell: (event) => formatMoment(event.at) },
                    {
                      header: 'Who',
                      cell: (event) => (
                        <button
                          type="button"
                          className="link text-left"
                          title={event.actor}
                          aria-label={`Only what ${event.actorLabel} did, as ${event.actor}`}
                          onClick={() => pick(event.actor)}
                        >
                          {event.actorLabel}
                          {event.actor.startsWith('operator:') && ' (operator)'}
                        </button>
                      ),
                    },
                    { header: 'Did', cell: (event) => <span className="font-medium text-steel-900">{event.action}</span> },
                    { header: 'To', cell: (event) => <code className="font-mono text-xs">{event.subject ?? '–'}</code> },
                    { header: 'From', isExtra: true, cell: (event) => <code className="font-mono text-xs">{event.address ?? '–'}</code> },
                    {
                      header: 'Result',
                      cell: (event) => <Badge tone={event.result === 'ok' ? 'good' : 'bad'}>{event.result}</Badge>,
                    },
                  ]}
                />
                <ShowMore pageInfo={auditEvents.pageInfo} onMore={(after) => query.fetchMore({ variables: { after } })} />
              </>
            )
          }
        </Loaded>
      </Card>
    </Page>
  );
}

function ExportLinks({ period }: { period: Record<string, string> }) {
  const mayRead = useCan('audit:read');
  if (!mayRead) return null;
  return (['jsonl', 'csv'] as const).map((format) => (
    <DownloadLink key={format} href={`/audit?${new URLSearchParams({ format, ...period }).toString()}`} filename={`audit.${format}`}>
      Export {format.toUpperCase()}
    </DownloadLink>
  ));
}

function FilterForm({ filters, onFilters }: { filters: Filters; onFilters(filters: Filters): void }) {
  const [draft, setDraft] = useState(filters);
  function submit(event: FormEvent) {
    event.preventDefault();
    onFilters(draft);
  }
  const field = (name: keyof Filters) => ({ value: draft[name], onValue: (value: string) => setDraft({ ...draft, [name]: value }) });
  return (
    <form onSubmit={submit} aria-label="Filters" className="grid gap-3 border-b border-steel-100 px-5 py-4 sm:grid-cols-3 xl:grid-cols-7">
      <TextField label="Action" placeholder="run. or run.submit" {...field('action')} />
      <TextField label="Actor" placeholder="person:per_…" {...field('actor')} />
      <TextField label="Subject" placeholder="An id or name" {...field('subject')} />
      <TextField label="Result" placeholder="ok, forbidden" {...field('result')} />
      <TextField label="From day" type="date" {...field('from')} />
      <TextField label="To day" type="date" {...field('to')} />
      <div className="flex items-end gap-1">
        <Button type="submit">Filter</Button>
        <Button
          kind="quiet"
          onClick={() => {
            setDraft(none);
            onFilters(none);
          }}
        >
          Clear
        </Button>
      </div>
    </form>
  );
}

function ChainCard() {
  const query = useQuery(AuditChainDocument);
  return (
    <Card title="Chain" description="Every entry holds the hash of the one before it. Keep the head elsewhere, and nobody can rewrite what lies before it.">
      <Loaded what="the state of the chain" query={query}>
        {({ auditChain: { length, head, verified, firstBroken } }) => (
          <div className="space-y-4">
            {firstBroken && (
              <Notice tone="bad" title={`The chain is broken${firstBroken.number === null ? '' : ` at entry ${firstBroken.number}`}`}>
                {firstBroken.reason} Entries before it are as they were written.
              </Notice>
            )}
            <div className="grid gap-6 sm:grid-cols-[auto_auto_minmax(0,1fr)]">
              <Figure label="Entries" value={formatCount(length)} />
              <Figure label="State" value={verified ? <Badge tone="good">Verified</Badge> : <Badge tone="bad">Not verified</Badge>} />
              {head && <CodeBlock label="Head of the chain" text={head} isWrapped />}
            </div>
          </div>
        )}
      </Loaded>
    </Card>
  );
}
