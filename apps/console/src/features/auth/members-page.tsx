import { useQuery } from '@apollo/client/react';
import { useState } from 'react';
import { useCan, useSession, useViewer } from '../../app/session-context.tsx';
import { Badge } from '../../design/badge.tsx';
import { Button } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { Dialog } from '../../design/dialog.tsx';
import { formatMoment, words } from '../../design/format.ts';
import { Empty } from '../../design/notice.tsx';
import { Page } from '../../design/page.tsx';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { Table } from '../../design/table.tsx';
import {
  AccessGrantsDocument,
  ChangeMemberRoleDocument,
  InvitationsDocument,
  MembersDocument,
  RemoveMemberDocument,
  RevokeAccessGrantDocument,
  RevokeInvitationDocument,
  SessionsDocument,
  type AccessGrantFieldsFragment,
  type InvitationState,
  type MemberFieldsFragment,
  type Role,
} from '../../gql/graphql.ts';
import { Loaded, ShowMore } from '../../graphql/loaded.tsx';
import { useVerb } from '../../graphql/use-verb.ts';
import { Confirmation } from './confirmation.tsx';
import { InviteDialog } from './invite-dialog.tsx';
import { rolesToGive } from './roles.ts';
import { SessionTable } from './sessions-card.tsx';

export function MembersPage() {
  const mayWrite = useCan('member:write');
  const mayAudit = useCan('audit:read');
  const [isInviting, setInviting] = useState(false);
  return (
    <Page
      title="Members"
      lead="Who belongs to your tenant, and what they may do."
      actions={
        mayWrite && (
          <Button kind="primary" onClick={() => setInviting(true)}>
            Invite somebody
          </Button>
        )
      }
    >
      <MembersCard mayWrite={mayWrite} />
      <InvitationsCard mayWrite={mayWrite} />
      {mayAudit && <GrantsCard />}
      <InviteDialog isOpen={isInviting} onClose={() => setInviting(false)} />
    </Page>
  );
}

function MembersCard({ mayWrite }: { mayWrite: boolean }) {
  const viewer = useViewer();
  const session = useSession();
  const query = useQuery(MembersDocument);
  const [removing, setRemoving] = useState<MemberFieldsFragment | null>(null);
  const [looking, setLooking] = useState<MemberFieldsFragment | null>(null);
  const changeRole = useVerb(ChangeMemberRoleDocument, { refetchQueries: ['Members'] });
  const remove = useVerb(RemoveMemberDocument, { refetchQueries: ['Members'] });
  const roles = rolesToGive(viewer?.role ?? null);

  async function giveRole({ person }: MemberFieldsFragment, role: Role) {
    const changed = await changeRole.run({ input: { personId: person.id, role } });
    if (changed && person.id === viewer?.person?.id) await session.look().catch(() => undefined);
  }

  return (
    <Card title="Members" isFlush>
      {changeRole.refusal && (
        <div className="p-5">
          <RefusalNotice refusal={changeRole.refusal} />
        </div>
      )}
      <Loaded what="the members" query={query}>
        {({ members }) => (
          <>
            <Table
              caption="Members"
              rows={members.edges.map(({ node }) => node)}
              keyOf={({ person }) => person.id}
              columns={[
                {
                  header: 'Name',
                  cell: ({ person }) => (
                    <>
                      <span className="font-medium text-steel-900">{person.name}</span>
                      {person.id === viewer?.person?.id && <span className="text-steel-500"> (you)</span>}
                      <span className="block text-[13px] text-steel-500">{person.email}</span>
                    </>
                  ),
                },
                {
                  header: 'Role',
                  cell: (member) =>
                    mayWrite && roles.includes(member.role) ? (
                      <select
                        aria-label={`Role of ${member.person.name}`}
                        className="control w-auto py-1"
                        value={member.role}
                        disabled={changeRole.isPending}
                        onChange={(event) => void giveRole(member, event.target.value as Role)}
                      >
                        {roles.map((role) => (
                          <option key={role} value={role}>
                            {words(role)}
                          </option>
                        ))}
                      </select>
                    ) : (
                      words(member.role)
                    ),
                },
                {
                  header: 'Second factor',
                  cell: ({ hasSecondFactor }) => (hasSecondFactor ? <Badge tone="good">On</Badge> : <Badge tone="warn">Off</Badge>),
                },
                { header: 'Since', isExtra: true, cell: ({ since }) => formatMoment(since) },
                {
                  header: <span className="sr-only">Actions</span>,
                  align: 'right',
                  cell: (member) => (
                    <div className="flex justify-end gap-2">
                      <Button className="py-1 text-[13px]" aria-label={`Sessions of ${member.person.name}`} onClick={() => setLooking(member)}>
                        Sessions
                      </Button>
                      {mayWrite && member.person.id !== viewer?.person?.id && (
                        <Button kind="danger" className="py-1 text-[13px]" aria-label={`Remove ${member.person.name}`} onClick={() => setRemoving(member)}>
                          Remove
                        </Button>
                      )}
                    </div>
                  ),
                },
              ]}
            />
            <ShowMore pageInfo={members.pageInfo} onMore={(after) => query.fetchMore({ variables: { after } })} />
          </>
        )}
      </Loaded>
      <Confirmation
        title={`Remove ${removing?.person.name ?? ''}?`}
        verb="Remove"
        isOpen={removing !== null}
        isPending={remove.isPending}
        refusal={remove.refusal}
        onClose={() => {
          remove.reset();
          setRemoving(null);
        }}
        onConfirm={async () => {
          if (removing && (await remove.run({ input: { personId: removing.person.id } }))) setRemoving(null);
        }}
      >
        They are out within a second, with all of their sessions here. What they have made stays, and so do the API keys that they made: look through those.
      </Confirmation>
      <SessionsDialog member={looking} onClose={() => setLooking(null)} />
    </Card>
  );
}

function SessionsDialog({ member, onClose }: { member: MemberFieldsFragment | null; onClose(): void }) {
  const query = useQuery(SessionsDocument, { variables: { personId: member?.person.id ?? '' }, skip: member === null });
  return (
    <Dialog title={`Sessions of ${member?.person.name ?? ''}`} isOpen={member !== null} onClose={onClose} isWide>
      <div className="space-y-4">
        <Loaded what="the sessions" query={query}>
          {({ sessions }) => (sessions.length === 0 ? <p>There are none.</p> : <SessionTable sessions={sessions} />)}
        </Loaded>
        <div className="flex justify-end">
          <Button onClick={onClose}>Close</Button>
        </div>
      </div>
    </Dialog>
  );
}

const tones: Record<InvitationState, 'accent' | 'good' | 'neutral' | 'bad'> = { OPEN: 'accent', ACCEPTED: 'good', EXPIRED: 'neutral', REVOKED: 'bad' };

function InvitationsCard({ mayWrite }: { mayWrite: boolean }) {
  const query = useQuery(InvitationsDocument);
  const revoke = useVerb(RevokeInvitationDocument, { refetchQueries: ['Invitations'] });
  return (
    <Card title="Invitations" description="Each is a link that is good once." isFlush>
      {revoke.refusal && (
        <div className="p-5">
          <RefusalNotice refusal={revoke.refusal} />
        </div>
      )}
      <Loaded what="the invitations" query={query}>
        {({ invitations }) =>
          invitations.edges.length === 0 ? (
            <Empty title="No invitations yet">Whoever you invite appears here until they have come.</Empty>
          ) : (
            <>
              <Table
                caption="Invitations"
                rows={invitations.edges.map(({ node }) => node)}
                keyOf={({ id }) => id}
                columns={[
                  { header: 'Email', cell: ({ email }) => <span className="font-medium text-steel-900">{email}</span> },
                  { header: 'Role', cell: ({ role }) => words(role) },
                  { header: 'State', cell: ({ state }) => <Badge tone={tones[state]}>{words(state)}</Badge> },
                  { header: 'Made', isExtra: true, cell: ({ createdAt }) => formatMoment(createdAt) },
                  { header: 'Good until', cell: ({ expiresAt }) => formatMoment(expiresAt) },
                  {
                    header: <span className="sr-only">Actions</span>,
                    align: 'right',
                    cell: ({ id, email, state }) =>
                      mayWrite && state === 'OPEN' ? (
                        <Button
                          kind="danger"
                          className="py-1 text-[13px]"
                          isPending={revoke.isPending}
                          aria-label={`Withdraw the invitation of ${email}`}
                          onClick={() => void revoke.run({ input: { id } })}
                        >
                          Withdraw
                        </Button>
                      ) : null,
                  },
                ]}
              />
              <ShowMore pageInfo={invitations.pageInfo} onMore={(after) => query.fetchMore({ variables: { after } })} />
            </>
          )
        }
      </Loaded>
    </Card>
  );
}

function GrantsCard() {
  const query = useQuery(AccessGrantsDocument);
  const mayEnd = useCan('grant:write');
  const revoke = useVerb(RevokeAccessGrantDocument, { refetchQueries: ['AccessGrants'] });
  return (
    <Card title="Operators’ access" description="Operators of this Millrace see nothing of your data without a grant. It is limited in time, and all that they do stands in your audit trail." isFlush>
      {revoke.refusal && (
        <div className="p-5">
          <RefusalNotice refusal={revoke.refusal} />
        </div>
      )}
      <Loaded what="the access grants" query={query}>
        {({ accessGrants }) =>
          accessGrants.edges.length === 0 ? (
            <Empty title="No operator has looked in">A grant appears here as soon as an operator takes one, with the reason.</Empty>
          ) : (
            <>
              <Table
                caption="Operators’ access"
                rows={accessGrants.edges.map(({ node }) => node)}
                keyOf={({ id }) => id}
                isMarked={isRunning}
                columns={[
                  { header: 'Operator', cell: ({ operatorName }) => <span className="font-medium text-steel-900">{operatorName}</span> },
                  { header: 'As', cell: ({ role }) => words(role) },
                  { header: 'Why', cell: ({ reason }) => reason },
                  { header: 'From', isExtra: true, cell: ({ createdAt }) => formatMoment(createdAt) },
                  { header: 'Until', cell: ({ expiresAt, revokedAt }) => formatMoment(revokedAt ?? expiresAt) },
                  {
                    header: <span className="sr-only">Actions</span>,
                    align: 'right',
                    cell: (grant) =>
                      !isRunning(grant) ? (
                        <Badge>Over</Badge>
                      ) : mayEnd ? (
                        <Button
                          kind="danger"
                          className="py-1 text-[13px]"
                          isPending={revoke.isPending}
                          aria-label={`End the access of ${grant.operatorName}`}
                          onClick={() => void revoke.run({ input: { id: grant.id } })}
                        >
                          End access
                        </Button>
                      ) : (
                        <Badge tone="warn">Now</Badge>
                      ),
                  },
                ]}
              />
              <ShowMore pageInfo={accessGrants.pageInfo} onMore={(after) => query.fetchMore({ variables: { after } })} />
            </>
          )
        }
      </Loaded>
    </Card>
  );
}

const isRunning = ({ revokedAt, expiresAt }: AccessGrantFieldsFragment): boolean =>
  revokedAt === null && new Date(expiresAt) > new Date();
