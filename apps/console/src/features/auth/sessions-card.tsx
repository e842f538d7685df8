import { useQuery } from '@apollo/client/react';
import { Badge } from '../../design/badge.tsx';
import { Button } from '../../design/button.tsx';
import { Card } from '../../design/card.tsx';
import { formatMoment } from '../../design/format.ts';
import { RefusalNotice } from '../../design/refusal-notice.tsx';
import { Table } from '../../design/table.tsx';
import { RevokeOtherSessionsDocument, RevokeSessionDocument, SessionsDocument, type SessionFieldsFragment, type SignInMethod } from '../../gql/graphql.ts';
import { Loaded } from '../../graphql/loaded.tsx';
import { useVerb } from '../../graphql/use-verb.ts';

const methods: Record<SignInMethod, string> = { PASSWORD: 'Password', SSO: 'Single sign-on', GRANT: 'Access grant' };

/** Where one is signed in. */
export function SessionsCard() {
  const query = useQuery(SessionsDocument, { variables: {} });
  const revokeOthers = useVerb(RevokeOtherSessionsDocument, { refetchQueries: ['Sessions'] });
  const others = query.data?.sessions.filter(({ isCurrent }) => !isCurrent) ?? [];
  return (
    <Card
      title="Sessions"
      description="Where you are signed in. End what you do not know, and change your password."
      isFlush
      actions={
        others.length > 0 && (
          <Button kind="danger" className="py-1 text-[13px]" isPending={revokeOthers.isPending} onClick={() => void revokeOthers.run({})}>
            Sign out everywhere else
          </Button>
        )
      }
    >
      <RefusalNotice refusal={revokeOthers.refusal} />
      <Loaded what="your sessions" query={query}>
        {({ sessions }) => <SessionTable sessions={sessions} />}
      </Loaded>
    </Card>
  );
}

/** Also of another person, for administrators. */
export function SessionTable({ sessions }: { sessions: readonly SessionFieldsFragment[] }) {
  const revoke = useVerb(RevokeSessionDocument, { refetchQueries: ['Sessions'] });
  return (
    <>
      <RefusalNotice refusal={revoke.refusal} />
      <Table
        caption="Sessions"
        rows={sessions}
        keyOf={(session) => session.id}
        columns={[
          {
            header: 'Program',
            cell: (session) => (
              <span className="font-medium text-steel-900" title={session.userAgent ?? undefined}>
                {programOf(session.userAgent)}
              </span>
            ),
          },
          { header: 'Address', cell: (session) => <code className="font-mono text-xs">{session.address ?? '–'}</code> },
          { header: 'Tenant', cell: (session) => session.tenantName },
          { header: 'Signed in with', isExtra: true, cell: (session) => methods[session.method] },
          { header: 'Since', cell: (session) => formatMoment(session.createdAt) },
          { header: 'Last used', cell: (session) => formatMoment(session.lastUsedAt) },
          {
            header: <span className="sr-only">Actions</span>,
            align: 'right',
            cell: (session) =>
              session.isCurrent ? (
                <Badge tone="accent">This one</Badge>
              ) : (
                <Button
                  kind="danger"
                  className="py-1 text-[13px]"
                  isPending={revoke.isPending}
                  aria-label={`End the session of ${programOf(session.userAgent)} since ${formatMoment(session.createdAt)}`}
                  onClick={() => void revoke.run({ input: { id: session.id } })}
                >
                  End
                </Button>
              ),
          },
        ]}
      />
    </>
  );
}

/** `Firefox on Windows`; what a program calls itself is long and says little. */
function programOf(userAgent: string | null): string {
  if (!userAgent) return 'Unknown program';
  const browser = [
    ['Edg/', 'Edge'],
    ['Firefox/', 'Firefox'],
    ['Chrome/', 'Chrome'],
    ['Safari/', 'Safari'],
  ].find(([sign]) => userAgent.includes(sign!))?.[1];
  const system = ['Windows', 'Android', 'iPhone', 'iPad', 'Mac OS', 'Linux'].find((name) => userAgent.includes(name));
  if (!browser) return userAgent.slice(0, 40);
  return system ? `${browser} on ${system}` : browser;
}
