import { useState, type FormEvent } from 'react';
import { Button } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { CodeBlock } from '../../design/code-block.tsx';
import { TextField } from '../../design/field.tsx';
import { formatMoment } from '../../design/format.ts';
import { Notice } from '../../design/notice.tsx';
import { Page } from '../../design/page.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { ApproveDomainDocument, CreatePasswordResetDocument, ResetSecondFactorDocument } from '../../gql/graphql.ts';
import { problemOf } from '../../graphql/refusal.ts';
import { useVerb } from '../../graphql/use-verb.ts';
import { linkWith } from '../auth/link-token.ts';

/** Help for people who cannot come in, which nobody but an operator can give. */
export function LoginsPage() {
  return (
    <Page title="Logins" lead="Help for people who cannot come in. Be sure who asks: all of it stands in the audit trail of their tenant.">
      <div className="grid items-start gap-6 xl:grid-cols-2">
        <PasswordLinkCard />
        <SecondFactorCard />
        <DomainCard />
      </div>
    </Page>
  );
}

function PasswordLinkCard() {
  const [email, setEmail] = useState('');
  const [link, setLink] = useState<{ token: string; expiresAt: string } | null>(null);
  const create = useVerb(CreatePasswordResetDocument);

  async function submit(event: FormEvent) {
    event.preventDefault();
    setLink(null);
    setLink(await create.run({ input: { email: email.trim() } }));
  }

  return (
    <Card title="Link for a new password" description="Where no mail is sent, or for a first password.">
      <form onSubmit={(event) => void submit(event)} className="space-y-4">
        <RefusalNotice refusal={create.refusal} />
        <TextField label="Email" type="email" required value={email} onValue={setEmail} problem={problemOf(create.refusal, 'email')} />
        <div className="flex justify-end">
          <Button type="submit" kind="primary" isPending={create.isPending}>
            Make the link
          </Button>
        </div>
        {link && (
          <>
            <Notice tone="warn" title="Copy the link now: it will not be shown again">
              It is good once, until {formatMoment(link.expiresAt)}.
            </Notice>
            <CodeBlock label="Password link" text={linkWith('/reset', link.token)} isWrapped />
          </>
        )}
      </form>
    </Card>
  );
}

function SecondFactorCard() {
  const [email, setEmail] = useState('');
  const [message, setMessage] = useState<string | null>(null);
  const reset = useVerb(ResetSecondFactorDocument);

  async function submit(event: FormEvent) {
    event.preventDefault();
    setMessage(null);
    setMessage((await reset.run({ input: { email: email.trim() } }))?.message ?? null);
  }

  return (
    <Card title="Lost second factor" description="For somebody who has neither the app nor a recovery code. Their password alone opens the login afterwards.">
      <form onSubmit={(event) => void submit(event)} className="space-y-4">
        <RefusalNotice refusal={reset.refusal} />
        {message && <Notice tone="good" title={message} />}
        <TextField label="Email" type="email" required value={email} onValue={setEmail} problem={problemOf(reset.refusal, 'email')} />
        <div className="flex justify-end">
          <Button type="submit" kind="danger" isPending={reset.isPending}>
            Remove the second factor
          </Button>
        </div>
      </form>
    </Card>
  );
}

function DomainCard() {
  const [id, setId] = useState('');
  const [domain, setDomain] = useState<string | null>(null);
  const approve = useVerb(ApproveDomainDocument);

  async function submit(event: FormEvent) {
    event.preventDefault();
    setDomain(null);
    setDomain((await approve.run({ input: { id: id.trim() } }))?.domain ?? null);
  }

  return (
    <Card title="Approve an email domain" description="For a tenant that cannot put a record into its DNS. Its single sign-on page shows the id of the claim.">
      <form onSubmit={(event) => void submit(event)} className="space-y-4">
        <RefusalNotice refusal={approve.refusal} />
        {domain !== null && <Notice tone="good" title={`${domain} is the tenant’s now`} />}
        <TextField label="Id of the claim" required placeholder="dom_…" value={id} onValue={setId} problem={problemOf(approve.refusal, 'id')} />
        <div className="flex justify-end">
          <Button type="submit" kind="primary" isPending={approve.isPending}>
            Approve
          </Button>
        </div>
      </form>
    </Card>
  );
}
