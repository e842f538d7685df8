import { useQuery } from '@apollo/client/react';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useInferenceUrl } from '../../app/session-context.tsx';
import { Badge } from '../../design/badge.tsx';
import { buttonClass } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { CodeBlock } from '../../design/code-block.tsx';
import { NotFoundPage } from '../../design/not-found-page.tsx';
import { Notice } from '../../design/notice.tsx';
import { Page } from '../../design/page.tsx';
import { EndpointDocument, type EndpointQuery } from '../../gql/graphql.ts';
import { Loaded } from '../../graphql/loaded.tsx';
import { familyName } from '../training/run-state.tsx';
import { curlLines } from './curl-lines.ts';
import { exampleRow, readRow, signatureOf, type Row, type Signature } from './signature.ts';
import { LiveScoresCard } from './live-scores-card.tsx';
import { ServingCard } from './serving-card.tsx';
import { TrafficCard } from './traffic-card.tsx';
import { TryForm } from './try-form.tsx';

type Endpoint = NonNullable<EndpointQuery['endpoint']>;

const back = (
  <Link to="/endpoints" className="hover:underline">
    Endpoints
  </Link>
);

export function EndpointPage({ name }: { name: string }) {
  const query = useQuery(EndpointDocument, { variables: { name } });
  return (
    <Loaded what="the endpoint" query={query}>
      {({ endpoint }) =>
        endpoint ? (
          <EndpointView endpoint={endpoint} />
        ) : (
          <NotFoundPage what="endpoint" above={back} />
        )
      }
    </Loaded>
  );
}

function EndpointView({ endpoint }: { endpoint: Endpoint }) {
  const { servedVersion, model } = endpoint;
  const signature = signatureOf(servedVersion?.signature);
  return (
    <Page
      title={endpoint.name}
      above={back}
      badge={servedVersion ? <Badge tone="good">Serves version {servedVersion.number}</Badge> : <Badge tone="warn">Serves nothing</Badge>}
      lead={
        <>
          Follows {endpoint.aliasName} of{' '}
          <Link to="/models/$id" params={{ id: model.id }} className="link">
            {model.name}
          </Link>
          {servedVersion && ` · ${familyName(servedVersion.family)}`}
        </>
      }
      actions={
        <Link to="/keys" className={buttonClass()}>
          API keys
        </Link>
      }
    >
      {servedVersion && signature ? (
        <>
          <Workbench key={servedVersion.id} endpoint={endpoint.name} signature={signature} />
          <TrafficCard name={endpoint.name} />
          <LiveScoresCard name={endpoint.name} />
          <ServingCard name={endpoint.name} />
        </>
      ) : (
        <Notice tone="warn" title={`Nothing is in service: ${model.name} has no ready version under ${endpoint.aliasName}`}>
          <Link to="/models/$id" params={{ id: model.id }} className="link">
            Publish a version
          </Link>
        </Notice>
      )}
    </Page>
  );
}

/** A row to try, its answer, and the calls that ask for the same from a program. */
function Workbench({ endpoint, signature }: { endpoint: string; signature: Signature }) {
  const [draft, setDraft] = useState(() => exampleRow(signature));
  const [shown, setShown] = useState(0);
  const read = readRow(signature, draft);
  const row: Row = read.type === 'row' ? read.row : exampleOf(signature);
  const lines = curlLines({ baseUrl: useInferenceUrl(), endpoint, signature, row });
  const line = lines[shown] ?? lines[0];
  return (
    <>
      <TryForm endpoint={endpoint} signature={signature} draft={draft} onDraft={setDraft} />
      <Card
        title="Call it from a program"
        description="The same row over each protocol. Set MILLRACE_KEY to an API key that may predict."
        actions={
          <div role="group" aria-label="Protocol" className="flex flex-wrap rounded-md border border-steel-300 p-0.5">
            {lines.map(({ label }, index) => (
              <button
                key={label}
                type="button"
                aria-pressed={index === shown}
                onClick={() => setShown(index)}
                className="rounded px-2.5 py-1 text-[13px] text-steel-600 aria-pressed:bg-accent-600 aria-pressed:font-medium aria-pressed:text-white"
              >
                {label}
              </button>
            ))}
          </div>
        }
      >
        {line && <CodeBlock key={line.label} label={`curl, ${line.label}`} text={line.text} />}
      </Card>
    </>
  );
}

function exampleOf(signature: Signature): Row {
  const read = readRow(signature, exampleRow(signature));
  return read.type === 'row' ? read.row : {};
}
