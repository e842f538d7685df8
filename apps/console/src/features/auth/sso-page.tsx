import { useQuery } from '@apollo/client/react';
import { useState, type FormEvent } from 'react';
import { useViewer } from '../../app/session-context.tsx';
import { Badge } from '../../design/badge.tsx';
import { Button } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { CodeBlock } from '../../design/code-block.tsx';
import { CheckField, SelectField, TextField } from '../../design/field.tsx';
import { formatMoment, words } from '../../design/format.ts';
import { Empty, Notice } from '../../design/notice.tsx';
import { Page } from '../../design/page.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import {
  ClaimDomainDocument,
  ReleaseDomainDocument,
  RemoveSsoConnectionDocument,
  SaveSsoConnectionDocument,
  SingleSignOnDocument,
  VerifyDomainDocument,
  type DomainClaimFieldsFragment,
  type Role,
  type SsoConnectionFieldsFragment,
} from '../../gql/graphql.ts';
import { Loaded } from '../../graphql/loaded.tsx';
import { otherProblems, problemOf } from '../../graphql/refusal.ts';
import { useVerb } from '../../graphql/use-verb.ts';
import { Confirmation } from './confirmation.tsx';
import { rolesToGive } from './roles.ts';

export function SsoPage() {
  const query = useQuery(SingleSignOnDocument);
  return (
    <Page title="Single sign-on" lead="Your people sign in with the account of your company. Your OpenID provider says who they are, and their groups say what they may do.">
      <Loaded what="single sign-on" query={query}>
        {({ ssoConnection, domainClaims }) => (
          <>
            <ConnectionCard key={ssoConnection?.updatedAt ?? 'new'} connection={ssoConnection} />
            <DomainsCard domains={domainClaims} />
          </>
        )}
      </Loaded>
    </Page>
  );
}

interface ConnectionForm {
  issuer: string;
  clientId: string;
  clientSecret: string;
  groupsClaim: string;
  roleByGroup: { group: string; role: Role }[];
  defaultRole: Role | '';
  required: boolean;
}

function formOf(connection: SsoConnectionFieldsFragment | null): ConnectionForm {
  return {
    issuer: connection?.issuer ?? '',
    clientId: connection?.clientId ?? '',
    clientSecret: '',
    groupsClaim: connection?.groupsClaim ?? 'groups',
    roleByGroup: connection?.roleByGroup.map(({ group, role }) => ({ group, role })) ?? [],
    defaultRole: connection?.defaultRole ?? '',
    required: connection?.required ?? false,
  };
}

const fields = ['issuer', 'clientId', 'clientSecret', 'groupsClaim', 'defaultRole'];

function ConnectionCard({ connection }: { connection: SsoConnectionFieldsFragment | null }) {
  const [form, setForm] = useState(() => formOf(connection));
  const [isRemoving, setRemoving] = useState(false);
  const roles = rolesToGive(useViewer()?.role ?? null);
  const save = useVerb(SaveSsoConnectionDocument, { refetchQueries: ['SingleSignOn'] });
  const remove = useVerb(RemoveSsoConnectionDocument, { refetchQueries: ['SingleSignOn'] });
  const redirectUri = connection?.redirectUri ?? `${window.location.origin}/auth/sso/callback`;

  async function submit(event: FormEvent) {
    event.preventDefault();
    const { clientSecret, defaultRole, issuer, clientId, groupsClaim, ...rest } = form;
    await save.run({
      input: {
        ...rest,
        issuer: issuer.trim(),
        clientId: clientId.trim(),
        groupsClaim: groupsClaim.trim(),
        defaultRole: defaultRole === '' ? null : defaultRole,
        ...(clientSecret === '' ? {} : { clientSecret }),
      },
    });
  }

  return (
    <Card
      title="Connection to your provider"
      description={connection ? `Saved ${formatMoment(connection.updatedAt)}.` : 'OpenID Connect, with a client that you register at the provider.'}
      actions={
        connection && (
          <Button kind="danger" className="py-1 text-[13px]" onClick={() => setRemoving(true)}>
            Remove
          </Button>
        )
      }
    >
      <form onSubmit={(event) => void submit(event)} className="space-y-5">
        <RefusalNotice refusal={save.refusal} problems={otherProblems(save.refusal, (field) => fields.includes(field))} />
        <CodeBlock label="Redirect URI, to register at the provider" text={redirectUri} isWrapped />
        <div className="grid gap-4 md:grid-cols-2">
          <TextField
            label="Issuer"
            type="url"
            required
            placeholder="https://login.company.example"
            value={form.issuer}
            onValue={(issuer) => setForm({ ...form, issuer })}
            problem={problemOf(save.refusal, 'issuer')}
          />
          <TextField
            label="Client ID"
            required
            value={form.clientId}
            onValue={(clientId) => setForm({ ...form, clientId })}
            problem={problemOf(save.refusal, 'clientId')}
          />
          <TextField
            label="Client secret"
            type="password"
            autoComplete="off"
            required={connection === null}
            value={form.clientSecret}
            onValue={(clientSecret) => setForm({ ...form, clientSecret })}
            hint={connection ? 'Left empty, it stays as it is. It is shown to nobody.' : 'Kept encrypted, and shown to nobody.'}
            problem={problemOf(save.refusal, 'clientSecret')}
          />
          <TextField
            label="Claim with the groups"
            required
            value={form.groupsClaim}
            onValue={(groupsClaim) => setForm({ ...form, groupsClaim })}
            hint="A name, or a path such as realm_access.roles."
            problem={problemOf(save.refusal, 'groupsClaim')}
          />
        </div>
        <GroupRoles form={form} roles={roles} onForm={setForm} />
        <SelectField
          label="Everybody else"
          value={form.defaultRole}
          onValue={(value) => setForm({ ...form, defaultRole: value as Role | '' })}
          choices={[{ value: '', label: 'Kept out' }, ...roles.map((role) => ({ value: role, label: words(role) }))]}
          problem={problemOf(save.refusal, 'defaultRole')}
        />
        <CheckField
          label="Only single sign-on"
          hint="Members in verified domains can no longer come in by password, but for owners. Sessions that did end."
          isChecked={form.required}
          onChecked={(required) => setForm({ ...form, required })}
        />
        <div className="flex justify-end">
          <Button type="submit" kind="primary" isPending={save.isPending}>
            Save the connection
          </Button>
        </div>
      </form>
      <Confirmation
        title="Remove the connection?"
        verb="Remove"
        isOpen={isRemoving}
        isPending={remove.isPending}
        refusal={remove.refusal}
        onClose={() => {
          remove.reset();
          setRemoving(false);
        }}
        onConfirm={async () => {
          if (await remove.run({})) setRemoving(false);
        }}
      >
        Nobody comes in by single sign-on any more. Whoever has no password needs a link for one.
      </Confirmation>
    </Card>
  );
}

interface GroupRolesProps {
  form: ConnectionForm;
  roles: readonly Role[];
  onForm(form: ConnectionForm): void;
}

function GroupRoles({ form, roles, onForm }: GroupRolesProps) {
  const { roleByGroup } = form;
  const change = (index: number, next: Partial<ConnectionForm['roleByGroup'][number]>) =>
    onForm({ ...form, roleByGroup: roleByGroup.map((row, at) => (at === index ? { ...row, ...next } : row)) });
  return (
    <fieldset className="space-y-2">
      <legend className="mb-1.5 text-[13px] font-medium text-steel-700">Role of each group</legend>
      {roleByGroup.map((row, index) => (
        <div key={index} className="flex gap-2">
          <input
            aria-label={`Group ${index + 1}`}
            className="control"
            required
            placeholder="Name of the group, as the provider sends it"
            value={row.group}
            onChange={(event) => change(index, { group: event.target.value })}
          />
          <select
            aria-label={`Role of group ${index + 1}`}
            className="control w-44"
            value={row.role}
            onChange={(event) => change(index, { role: event.target.value as Role })}
          >
            {[...new Set([...roles, row.role])].map((role) => (
              <option key={role} value={role}>
                {words(role)}
              </option>
            ))}
          </select>
          <Button
            kind="quiet"
            aria-label={`Leave out group ${index + 1}`}
            onClick={() => onForm({ ...form, roleByGroup: roleByGroup.filter((_row, at) => at !== index) })}
          >
            Leave out
          </Button>
        </div>
      ))}
      <Button className="py-1 text-[13px]" onClick={() => onForm({ ...form, roleByGroup: [...roleByGroup, { group: '', role: 'VIEWER' }] })}>
        Add a group
      </Button>
    </fieldset>
  );
}

function DomainsCard({ domains }: { domains: readonly DomainClaimFieldsFragment[] }) {
  const [domain, setDomain] = useState('');
  const claim = useVerb(ClaimDomainDocument, { refetchQueries: ['SingleSignOn'] });

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (await claim.run({ input: { domain: domain.trim() } })) setDomain('');
  }

  return (
    <Card title="Email domains" description="Only addresses in domains that you have proved to be yours come in by single sign-on.">
      <div className="space-y-5">
        <form onSubmit={(event) => void submit(event)} className="space-y-4">
          <RefusalNotice refusal={claim.refusal} problems={otherProblems(claim.refusal, (field) => field === 'domain')} />
          <div className="flex items-end gap-2">
            <TextField
              label="Domain"
              className="flex-1"
              required
              placeholder="company.example"
              value={domain}
              onValue={setDomain}
              problem={problemOf(claim.refusal, 'domain')}
            />
            <Button type="submit" isPending={claim.isPending}>
              Claim
            </Button>
          </div>
        </form>
        {domains.length === 0 ? (
          <Empty title="No domains yet">Claim the one behind the @ of your company’s email addresses.</Empty>
        ) : (
          <ul className="space-y-4">
            {domains.map((each) => (
              <Domain key={each.id} claim={each} />
            ))}
          </ul>
        )}
      </div>
    </Card>
  );
}

function Domain({ claim }: { claim: DomainClaimFieldsFragment }) {
  const { id, domain, record, verifiedAt } = claim;
  const [isReleasing, setReleasing] = useState(false);
  const verify = useVerb(VerifyDomainDocument, { refetchQueries: ['SingleSignOn'] });
  const release = useVerb(ReleaseDomainDocument, { refetchQueries: ['SingleSignOn'] });
  return (
    <li className="space-y-3 rounded-md border border-steel-200 p-4">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <p className="flex items-center gap-2.5 font-medium text-steel-900">
          {domain} {verifiedAt ? <Badge tone="good">Yours since {formatMoment(verifiedAt)}</Badge> : <Badge tone="warn">Not proved yet</Badge>}
        </p>
        <div className="flex gap-2">
          {!verifiedAt && (
            <Button kind="primary" className="py-1 text-[13px]" isPending={verify.isPending} aria-label={`Verify ${domain}`} onClick={() => void verify.run({ input: { id } })}>
              Verify
            </Button>
          )}
          <Button kind="danger" className="py-1 text-[13px]" aria-label={`Release ${domain}`} onClick={() => setReleasing(true)}>
            Release
          </Button>
        </div>
      </div>
      <RefusalNotice refusal={verify.refusal} />
      {!verifiedAt && (
        <>
          <CodeBlock label={`TXT record for ${domain}`} text={record} isWrapped />
          <Notice title="Put this into the DNS of the domain, then verify">
            Where that is not possible, an operator of this Millrace can approve the claim; tell them its id: <code>{id}</code>
          </Notice>
        </>
      )}
      <Confirmation
        title={`Release ${domain}?`}
        verb="Release"
        isOpen={isReleasing}
        isPending={release.isPending}
        refusal={release.refusal}
        onClose={() => {
          release.reset();
          setReleasing(false);
        }}
        onConfirm={async () => {
          if (await release.run({ input: { id } })) setReleasing(false);
        }}
      >
        Addresses in this domain no longer come in by single sign-on, and another tenant may claim it.
      </Confirmation>
    </li>
  );
}
