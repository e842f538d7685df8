import { useQuery } from '@apollo/client/react';
import { useCan } from '../../app/session-context.tsx';
import { CodeBlock } from '../../design/code-block.tsx';
import { Dialog } from '../../design/dialog.tsx';
import { Facts } from '../../design/facts.tsx';
import { formatBytes, formatMoment } from '../../design/format.ts';
import { AsyncPredictionContentDocument, WebhookDeliveriesDocument, type AsyncPredictionFieldsFragment } from '../../gql/graphql.ts';
import { Loaded } from '../../graphql/loaded.tsx';
import { DeliveryState } from './delivery-state.tsx';

/** One prediction made later: what was asked and answered, and who was told of it. */
export function PredictionDialog({ prediction, onClose }: { prediction: AsyncPredictionFieldsFragment; onClose(): void }) {
  const mayRead = useCan('endpoint:predict');
  const maySeeDeliveries = useCan('key:read');
  return (
    <Dialog title={`Prediction for ${prediction.endpointName}`} isOpen isWide onClose={onClose}>
      <div className="space-y-4">
        <Facts
          facts={[
            ['Id', <code key="id" className="font-mono text-xs">{prediction.id}</code>],
            ['Asked by', `${prediction.actorLabel} (${prediction.actor})`],
            ['Accepted', formatMoment(prediction.createdAt)],
            ['Begun', formatMoment(prediction.startedAt)],
            ['Ended', formatMoment(prediction.completedAt)],
            ['Input', formatBytes(prediction.inputBytes)],
          ]}
        />
        {mayRead && <Content id={prediction.id} />}
        {maySeeDeliveries && prediction.webhookReceiver !== null && <Deliveries predictionId={prediction.id} />}
      </div>
    </Dialog>
  );
}

/** Much of it is more than anybody reads, and than a page holds. */
const mostCharacters = 20_000;

function textOf(value: unknown): string {
  const text = JSON.stringify(value, null, 2);
  return text.length > mostCharacters ? `${text.slice(0, mostCharacters)}\n… ${formatBytes(text.length)} in all` : text;
}

function Content({ id }: { id: string }) {
  const query = useQuery(AsyncPredictionContentDocument, { variables: { id }, fetchPolicy: 'no-cache' });
  return (
    <Loaded what="what was asked and answered" query={query}>
      {({ asyncPredictionContent: content }) =>
        content === null ? (
          <p>It is not kept any more.</p>
        ) : (
          <>
            <CodeBlock label="Input" text={textOf(content.input)} />
            {content.output !== null && <CodeBlock label="Output" text={textOf(content.output)} />}
            {content.error !== null && <CodeBlock label="Error" text={textOf(content.error)} />}
            {content.webhook !== null && <CodeBlock label="Webhook" text={content.webhook} />}
          </>
        )
      }
    </Loaded>
  );
}

function Deliveries({ predictionId }: { predictionId: string }) {
  const query = useQuery(WebhookDeliveriesDocument, { variables: { predictionId }, pollInterval: 3_000 });
  return (
    <Loaded what="its deliveries" query={query}>
      {({ webhookDeliveries }) => (
        <Facts facts={webhookDeliveries.edges.map(({ node }) => [`Event ${node.event}`, <DeliveryState key={node.id} delivery={node} />] as const)} />
      )}
    </Loaded>
  );
}
