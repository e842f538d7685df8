import { useQuery } from '@apollo/client/react';
import { Link } from '@tanstack/react-router';
import { useEffect, useState, type FormEvent } from 'react';
import { Button, buttonClass } from '../../design/button.tsx';
import { TextField } from '../../design/field.tsx';
import { Notice } from '../../design/notice.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { RequestPasswordResetDocument, SetupStateDocument } from '../../gql/graphql.ts';
import { Loaded } from '../../graphql/loaded.tsx';
import { useVerb } from '../../graphql/use-verb.ts';
import { Entrance } from './entrance.tsx';

export function ForgotPasswordPage() {
  const query = useQuery(SetupStateDocument);
  const [email, setEmail] = useState('');
  const [answer, setAnswer] = useState<string | null>(null);
  const request = useVerb(RequestPasswordResetDocument);

  useEffect(() => {
    document.title = 'Forgot password · Millrace';
  }, []);

  async function submit(event: FormEvent) {
    event.preventDefault();
    const sent = await request.run({ input: { email: email.trim() } });
    if (sent) setAnswer(sent.message);
  }

  return (
    <Entrance title="Forgot password?" lead="A new one is set with a link that is good once, for an hour.">
      <Loaded what="this server’s settings" query={query}>
        {({ setupState }) =>
          !setupState.sendsMail ? (
            <Notice tone="neutral" title="This server sends no mail">
              Ask the operator of this Millrace for a link to set a new password. Nobody will ask you for the old one.
            </Notice>
          ) : answer !== null ? (
            <Notice tone="good" title="Look into your mailbox">
              {answer}
            </Notice>
          ) : (
            <form onSubmit={(event) => void submit(event)} className="space-y-4">
              <RefusalNotice refusal={request.refusal} />
              <TextField label="Email" type="email" autoComplete="username" required autoFocus value={email} onValue={setEmail} />
              <Button type="submit" kind="primary" isPending={request.isPending} className="w-full">
                Send the link
              </Button>
            </form>
          )
        }
      </Loaded>
      <Link to="/sign-in" search={{}} className={`${buttonClass('quiet')} mt-4 w-full`}>
        Back to sign-in
      </Link>
    </Entrance>
  );
}
