import { Link } from '@tanstack/react-router';
import { useEffect, useState, type FormEvent } from 'react';
import { Button, buttonClass } from '../../design/button.tsx';
import { TextField } from '../../design/field.tsx';
import { Notice } from '../../design/notice.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { SetUpDocument } from '../../gql/graphql.ts';
import { otherProblems, problemOf } from '../../graphql/refusal.ts';
import { useVerb } from '../../graphql/use-verb.ts';
import { Entrance } from './entrance.tsx';
import { useLinkToken } from './link-token.ts';
import { NewPasswordField } from './new-password-field.tsx';
import { useEntry } from './use-entry.ts';

const fields = ['tenantName', 'name', 'email', 'password'];

/** Reached by the link printed at the first start: `/setup#token=…` (after the #, so that no server log holds it). */
export function SetUpPage() {
  const token = useLinkToken();
  const [tenantName, setTenantName] = useState('');
  const [name, setName] = useState('');
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const enter = useEntry();
  const setUp = useVerb(SetUpDocument);

  useEffect(() => {
    document.title = 'Set up · Millrace';
  }, []);

  async function submit(event: FormEvent) {
    event.preventDefault();
    const signedIn = await setUp.run({ input: { token, tenantName: tenantName.trim(), name: name.trim(), email: email.trim(), password } });
    if (signedIn) await enter(signedIn);
  }

  return (
    <Entrance title="Set up Millrace" lead="Create your tenant and your own login. This link works once.">
      {token === '' ? (
        <Notice tone="warn" title="The set-up link is not complete">
          <p>Open the whole link that the server printed when it started, with everything after the # sign.</p>
          <Link to="/sign-in" search={{}} className={`${buttonClass()} mt-3`}>
            I have a login already
          </Link>
        </Notice>
      ) : (
        <form onSubmit={(event) => void submit(event)} className="space-y-4">
          <RefusalNotice refusal={setUp.refusal} problems={otherProblems(setUp.refusal, (field) => fields.includes(field))} />
          <TextField
            label="Tenant"
            autoComplete="organization"
            required
            autoFocus
            value={tenantName}
            onValue={setTenantName}
            problem={problemOf(setUp.refusal, 'tenantName')}
          />
          <TextField label="Your name" autoComplete="name" required value={name} onValue={setName} problem={problemOf(setUp.refusal, 'name')} />
          <TextField
            label="Email"
            type="email"
            autoComplete="username"
            required
            value={email}
            onValue={setEmail}
            problem={problemOf(setUp.refusal, 'email')}
          />
          <NewPasswordField label="Password" value={password} onValue={setPassword} problem={problemOf(setUp.refusal, 'password')} />
          <Button type="submit" kind="primary" isPending={setUp.isPending} className="w-full">
            Create tenant
          </Button>
        </form>
      )}
    </Entrance>
  );
}
