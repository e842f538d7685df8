import { useQuery } from '@apollo/client/react';
import { useState, type FormEvent } from 'react';
import { useCan } from '../../app/session-context.tsx';
import { Button } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { TextField } from '../../design/field.tsx';
import { Notice } from '../../design/notice.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { EndpointServingDocument, UpdateEndpointServingDocument, type EndpointServingQuery } from '../../gql/graphql.ts';
import { Loaded } from '../../graphql/loaded.tsx';
import { otherProblems, problemOf } from '../../graphql/refusal.ts';
import { useVerb } from '../../graphql/use-verb.ts';

type Serving = NonNullable<EndpointServingQuery['endpoint']>['serving'];

const fields = ['maxBatchRows', 'maxQueueDelayMs', 'deadlineMs', 'idleSeconds', 'recordDays'];

/** How the inference servers answer an endpoint's requests: batches, deadline, scale to zero. */
export function ServingCard({ name }: { name: string }) {
  const query = useQuery(EndpointServingDocument, { variables: { name } });
  return <Loaded what="how it is served" query={query}>{({ endpoint }) => endpoint && <ServingForm name={name} serving={endpoint.serving} />}</Loaded>;
}

function ServingForm({ name, serving }: { name: string; serving: Serving }) {
  const mayChange = useCan('endpoint:write');
  const [maxBatchRows, setMaxBatchRows] = useState(String(serving.maxBatchRows));
  const [maxQueueDelayMs, setMaxQueueDelayMs] = useState(String(serving.maxQueueDelayMs));
  const [deadlineMs, setDeadlineMs] = useState(String(serving.deadlineMs));
  const [idleMinutes, setIdleMinutes] = useState(serving.idleSeconds == null ? '' : String(serving.idleSeconds / 60));
  const [recordDays, setRecordDays] = useState(serving.recordDays == null ? '' : String(serving.recordDays));
  const [isSaved, setSaved] = useState(false);
  const update = useVerb(UpdateEndpointServingDocument);

  async function submit(event: FormEvent) {
    event.preventDefault();
    setSaved(false);
    const idleSeconds = idleMinutes.trim() === '' ? null : Math.round(Number(idleMinutes) * 60);
    const done = await update.run({ input: { endpointName: name, maxBatchRows: Number(maxBatchRows), maxQueueDelayMs: Number(maxQueueDelayMs), deadlineMs: Number(deadlineMs), idleSeconds, recordDays: recordDays.trim() === '' ? null : Number(recordDays) } });
    setSaved(done !== null);
  }

  const problem = (field: string) => problemOf(update.refusal, field);
  return (
    <Card title="Serving" description="How requests are answered. The inference servers follow within a second.">
      <form onSubmit={(event) => void submit(event)} className="space-y-4">
        <RefusalNotice refusal={update.refusal} problems={otherProblems(update.refusal, (field) => fields.includes(field))} />
        {isSaved && <Notice tone="good" title="Saved" />}
        <fieldset disabled={!mayChange} className="grid gap-4 md:grid-cols-2 xl:grid-cols-4">
          <TextField label="Rows run together" type="number" min={1} max={4096} hint="1 to 4096: requests that wait at the same time share a call up to so many rows." value={maxBatchRows} onValue={setMaxBatchRows} problem={problem('maxBatchRows')} />
          <TextField label="Wait for others (ms)" type="number" min={0} max={1000} hint="0 to 1000: how long a lone request waits to share a call. 0 answers it at once." value={maxQueueDelayMs} onValue={setMaxQueueDelayMs} problem={problem('maxQueueDelayMs')} />
          <TextField label="Deadline (ms)" type="number" min={10} max={60_000} hint="10 to 60000: what would take longer gets 503 with Retry-After." value={deadlineMs} onValue={setDeadlineMs} problem={problem('deadlineMs')} />
          <TextField label="Unload after (minutes)" isOptional type="number" min={1} max={10_080} step="any" hint="Without a request for so long, the model leaves memory; the next one loads it. Empty keeps it." value={idleMinutes} onValue={setIdleMinutes} problem={problem('idleSeconds')} />
          <TextField label="Keep answers (days)" isOptional type="number" min={1} max={365} hint="1 to 365: what was answered is kept, never what was asked, so that feedback on it is scored. Empty keeps nothing." value={recordDays} onValue={setRecordDays} problem={problem('recordDays')} />
        </fieldset>
        {mayChange && (
          <div className="flex justify-end">
            <Button type="submit" kind="primary" isPending={update.isPending}>Save serving</Button>
          </div>
        )}
      </form>
    </Card>
  );
}
