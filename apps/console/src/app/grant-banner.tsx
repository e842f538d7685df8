import { useQuery } from '@apollo/client/react';
import { useNavigate } from '@tanstack/react-router';
import { formatMoment } from '../design/format.ts';
import { RevokeAccessGrantDocument, SessionsDocument } from '../gql/graphql.ts';
import { useVerb } from '../graphql/use-verb.ts';
import { useCan, useSession } from './session-context.tsx';

/** Stands above every page while an operator looks into a tenant, so that nobody forgets where they are. */
export function GrantBanner({ grantId, tenantName }: { grantId: string; tenantName: string }) {
  const session = useSession();
  const navigate = useNavigate();
  const mayRevoke = useCan('grant:write');
  const revoke = useVerb(RevokeAccessGrantDocument);
  // The session ends with the grant.
  const { data } = useQuery(SessionsDocument, { variables: {} });
  const until = data?.sessions.find(({ isCurrent }) => isCurrent)?.expiresAt;

  async function end() {
    if (mayRevoke) await revoke.run({ input: { id: grantId } });
    await session.end();
    await navigate({ to: '/sign-in', search: {} });
  }

  return (
    <div role="status" className="sticky top-0 z-10 flex flex-wrap items-center justify-between gap-3 border-b border-[#ecd9a5] bg-warn-50 px-6 py-2.5 text-warn-700 lg:px-9">
      <p className="font-medium">
        You look into {tenantName} as an operator{until ? ` until ${formatMoment(until)}` : ''}, every act is recorded.
      </p>
      <button type="button" onClick={() => void end()} className="rounded-md border border-warn-700/40 bg-white px-3 py-1 text-[13px] font-medium text-warn-700 hover:bg-warn-50">
        End
      </button>
    </div>
  );
}
