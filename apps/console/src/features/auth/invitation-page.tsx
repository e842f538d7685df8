import { useQuery } from '@apollo/client/react';
import { Link } from '@tanstack/react-router';
import { useEffect, useState, type FormEvent } from 'react';
import { Button, buttonClass } from '../../design/button.tsx';
import { TextField } from '../../design/field.tsx';
import { formatMoment, words } from '../../design/format.ts';
import { Notice } from '../../design/notice.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { AcceptInvitationDocument, InvitationPreviewDocument } from '../../gql/graphql.ts';
import { Loaded } from '../../graphql/loaded.tsx';
import { otherProblems, problemOf } from '../../graphql/refusal.ts';
import { useVerb } from '../../graphql/use-verb.ts';
import { CompanySignIn } from './company-sign-in.tsx';
import { Entrance } from './entrance.tsx';
import { useLinkToken } from './link-token.ts';
import { NewPasswordField } from './new-password-field.tsx';
import { useEntry } from './use-entry.ts';

const fields = ['name', 'password'];

/** Reached by the link that whoever invites hands over: `/invitation#token=…`. */
export function InvitationPage() {
  const token = useLinkToken();
  const query = useQuery(InvitationPreviewDocument, { variables: { token }, skip: token === '' });

  useEffect(() => {
    document.title = 'Invitation · Millrace';
  }, []);

  if (token === '') return <Unusable />;
  if (query.data?.invitation === null) return <Unusable />;
  return (
    <Loaded what="the invitation" query={query}>
      {({ invitation }) => invitation && <Accept token={token} {...invitation} />}
    </Loaded>
  );
}

interface AcceptProps {
  token: string;
  tenantName: string;
  role: string;
  email: string;
  expiresAt: string;
}

function Accept({ token, tenantName, role, email, expiresAt }: AcceptProps) {
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [hasAccount, setHasAccount] = useState(false);
  const [accepted, setAccepted] = useState<string | null>(null);
  const enter = useEntry();
  const accept = useVerb(AcceptInvitationDocument);

  async function submit(event: FormEvent) {
    event.preventDefault();
    const outcome = await accept.run({ input: { token, name: name.trim(), password } });
    if (outcome?.__typename === 'InvitationAccepted') setAccepted(outcome.message);
    if (outcome?.__typename === 'SignInSuccess') await enter(outcome);
  }

  if (accepted !== null) {
    return (
      <Entrance title={`Join ${tenantName}`} lead={email}>
        <Notice tone="good" title="The invitation is accepted">
          <p>{accepted}</p>
          <Link to="/sign-in" search={{}} className={`${buttonClass('primary')} mt-3`}>
            Go to sign-in
          </Link>
        </Notice>
      </Entrance>
    );
  }

  return (
    <Entrance title={`Join ${tenantName}`} lead={`An invitation for ${email}, as ${words(role).toLowerCase()}. It is good until ${formatMoment(expiresAt)}.`}>
      <div role="group" aria-label="Login" className="mb-5 grid grid-cols-2 rounded-md border border-steel-300 bg-white p-0.5">
        {[false, true].map((choice) => (
          <button
            key={String(choice)}
            type="button"
            aria-pressed={choice === hasAccount}
            onClick={() => setHasAccount(choice)}
            className="rounded px-2.5 py-1.5 text-[13px] text-steel-600 aria-pressed:bg-accent-600 aria-pressed:font-medium aria-pressed:text-white"
          >
            {choice ? 'I have a login here' : 'I am new here'}
          </button>
        ))}
      </div>
      <form onSubmit={(event) => void submit(event)} className="space-y-4">
        <RefusalNotice
          refusal={accept.refusal}
          problems={otherProblems(accept.refusal, (field) => fields.includes(field) && !(hasAccount && field === 'name'))}
        />
        <input type="hidden" autoComplete="username" value={email} readOnly />
        {!hasAccount && (
          <TextField label="Your name" autoComplete="name" required autoFocus value={name} onValue={setName} problem={problemOf(accept.refusal, 'name')} />
        )}
        {hasAccount ? (
          <TextField
            label="Password of your login"
            type="password"
            autoComplete="current-password"
            required
            value={password}
            onValue={setPassword}
            hint="It stays as it is, as does your name."
            problem={problemOf(accept.refusal, 'password')}
          />
        ) : (
          <NewPasswordField label="Password" value={password} onValue={setPassword} problem={problemOf(accept.refusal, 'password')} />
        )}
        <Button type="submit" kind="primary" isPending={accept.isPending} className="w-full">
          Accept the invitation
        </Button>
      </form>
      {accept.refusal?.code.includes('single_sign_on') && <CompanySignIn email={email} />}
    </Entrance>
  );
}

function Unusable() {
  return (
    <Entrance title="Invitation" lead="A link to join a tenant of this Millrace.">
      <Notice tone="warn" title="This link leads nowhere">
        <p>It may have been used or withdrawn, or be too old or incomplete. Ask whoever invited you for a new one, and open all of it, with everything after the # sign.</p>
        <Link to="/sign-in" search={{}} className={`${buttonClass()} mt-3`}>
          I have a login already
        </Link>
      </Notice>
    </Entrance>
  );
}
