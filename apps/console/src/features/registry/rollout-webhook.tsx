import { useState } from 'react';
import { Button } from '../../design/button.tsx';
import { TextField } from '../../design/field.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { SetEndpointWebhookDocument } from '../../gql/graphql.ts';
import { otherProblems, problemOf } from '../../graphql/refusal.ts';
import { useVerb } from '../../graphql/use-verb.ts';

/** Which address is told how the endpoint's rollouts end. Of one that is set only the receiver is known. */
export function RolloutWebhook({ name, receiver, mayChange }: { name: string; receiver: string | null; mayChange: boolean }) {
  const save = useVerb(SetEndpointWebhookDocument);
  const [url, setUrl] = useState('');
  const set = async (to: string | null) => {
    if ((await save.run({ input: { endpointName: name, url: to } })) !== null) setUrl('');
  };
  const standing = receiver === null ? 'Nobody is told when a rollout is promoted or rolled back.' : `${receiver} is told when a rollout is promoted, rolled back or cancelled.`;
  if (!mayChange) return <p className="text-[13.5px] text-steel-600">{standing}</p>;
  return (
    <form
      className="space-y-2"
      onSubmit={(event) => {
        event.preventDefault();
        void set(url.trim());
      }}
    >
      <p className="text-[13.5px] text-steel-600">{standing}</p>
      <div className="flex flex-wrap items-end gap-3">
        <TextField className="min-w-72 grow" label="Webhook of rollouts" type="url" required placeholder="https://partner.example/hook" value={url} onValue={setUrl} problem={problemOf(save.refusal, 'url')} />
        <Button type="submit" isPending={save.isPending}>
          {receiver === null ? 'Tell this address' : 'Tell this one instead'}
        </Button>
        {receiver !== null && (
          <Button type="button" isPending={save.isPending} onClick={() => void set(null)}>
            Tell nobody
          </Button>
        )}
      </div>
      <RefusalNotice refusal={save.refusal} problems={otherProblems(save.refusal, (field) => field === 'url')} />
    </form>
  );
}
