import { useQuery } from '@apollo/client/react';
import { Link, useRouter, useSearch } from '@tanstack/react-router';
import { useEffect, useState, type FormEvent } from 'react';
import { useSessionState } from '../../app/session-context.tsx';
import { Button } from '../../design/button.tsx';
import { TextField } from '../../design/field.tsx';
import { Notice } from '../../design/notice.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { SetupStateDocument, SignInDocument } from '../../gql/graphql.ts';
import { useVerb } from '../../graphql/use-verb.ts';
import { CompanySignIn } from './company-sign-in.tsx';
import { Entrance } from './entrance.tsx';
import { ssoRefusal } from './sso-refusals.ts';
import { useEntry } from './use-entry.ts';

export function SignInPage() {
  const { from, sso } = useSearch({ from: '/sign-in' });
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const [isCodeNeeded, setCodeNeeded] = useState(false);
  const state = useSessionState();
  const enter = useEntry();
  const signIn = useVerb(SignInDocument);
  const { data } = useQuery(SetupStateDocument, { fetchPolicy: 'network-only' });
  const router = useRouter();

  useEffect(() => {
    document.title = 'Sign in · Millrace';
  }, []);

  // Another tab has signed in: this one comes along.
  useEffect(() => {
    if (state.type === 'signed-in') void router.navigate({ href: from ?? '/' });
  }, [state.type, router, from]);

  async function submit(event: FormEvent) {
    event.preventDefault();
    const outcome = await signIn.run({ input: { email: email.trim(), password, ...(isCodeNeeded ? { code: code.trim() } : {}) } });
    if (outcome?.__typename === 'SecondFactorRequired') setCodeNeeded(true);
    if (outcome?.__typename === 'SignInSuccess') await enter(outcome, from);
  }

  function beginAnew() {
    setCodeNeeded(false);
    setCode('');
    setPassword('');
    signIn.reset();
  }

  if (isCodeNeeded) {
    return (
      <Entrance title="Second factor" lead={`A code beside the password of ${email.trim()}.`}>
        <form onSubmit={(event) => void submit(event)} className="space-y-4">
          <RefusalNotice refusal={signIn.refusal} />
          <TextField
            label="Code"
            autoComplete="one-time-code"
            required
            autoFocus
            value={code}
            onValue={setCode}
            hint="Six digits from your authenticator app, or one of your recovery codes."
          />
          <Button type="submit" kind="primary" isPending={signIn.isPending} className="w-full">
            Sign in
          </Button>
          <Button kind="quiet" className="w-full" onClick={beginAnew}>
            Sign in as somebody else
          </Button>
        </form>
      </Entrance>
    );
  }

  const refused = sso ? ssoRefusal(sso) : null;
  return (
    <Entrance title="Sign in" lead="Use the address and password of your Millrace login.">
      {data?.setupState.isSetUp === false && (
        <div className="mb-5">
          <Notice tone="warn" title="This server has not been set up yet">
            Open the one-time set-up link that the server printed when it started. It creates your tenant and its owner.
          </Notice>
        </div>
      )}
      {refused && (
        <div className="mb-5">
          <Notice tone={sso === 'confirm' ? 'warn' : 'bad'} title={refused.message}>
            {refused.remedy}
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
      <p className="mt-3 text-center text-[13px]">
        <Link to="/forgot-password" className="link">
          Forgot password?
        </Link>
      </p>
      <CompanySignIn email={email} />
    </Entrance>
  );
}
