import { useQuery } from '@apollo/client/react';
import { useNavigate, useRouter, useSearch } from '@tanstack/react-router';
import { useEffect, useState, type FormEvent } from 'react';
import { useSession } from '../../app/session-context.tsx';
import { Button } from '../../design/button.tsx';
import { TextField } from '../../design/field.tsx';
import { Notice } from '../../design/notice.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { SetupStateDocument, SignInDocument } from '../../gql/graphql.ts';
import { useVerb } from '../../graphql/use-verb.ts';
import { Entrance } from './entrance.tsx';

export function SignInPage() {
  const { from } = useSearch({ from: '/sign-in' });
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const session = useSession();
  const navigate = useNavigate();
  const router = useRouter();
  const signIn = useVerb(SignInDocument);
  const { data } = useQuery(SetupStateDocument, { fetchPolicy: 'network-only' });

  useEffect(() => {
    document.title = 'Sign in · Millrace';
  }, []);

  async function submit(event: FormEvent) {
    event.preventDefault();
    const signedIn = await signIn.run({ input: { email: email.trim(), password } });
    if (!signedIn) return;
    session.begin(signedIn);
    if (from) router.history.push(from);
    else await navigate({ to: '/' });
  }

  return (
    <Entrance title="Sign in" lead="Use the address and password of your Millrace login.">
      {data?.setupState.isSetUp === false && (
        <div className="mb-5">
          <Notice tone="warn" title="This server has not been set up yet">
            Open the one-time set-up link that the server printed when it started. It creates your tenant and its owner.
          </Notice>
        </div>
      )}
      <form onSubmit={(event) => void submit(event)} className="space-y-4">
        <RefusalNotice refusal={signIn.refusal} />
        <TextField label="Email" type="email" autoComplete="username" required autoFocus value={email} onValue={setEmail} />
        <TextField label="Password" type="password" autoComplete="current-password" required value={password} onValue={setPassword} />
        <Button type="submit" kind="primary" isPending={signIn.isPending} className="w-full">
          Sign in
        </Button>
      </form>
    </Entrance>
  );
}
