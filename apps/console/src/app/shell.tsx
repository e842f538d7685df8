import { useApolloClient } from '@apollo/client/react';
import { Link, Outlet, useNavigate } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { Logo } from '../design/logo.tsx';
import { words } from '../design/format.ts';
import type { Viewer } from '../graphql/session.ts';
import { GrantBanner } from './grant-banner.tsx';
import { useCan, useSession, useSessionState } from './session-context.tsx';

interface Place {
  to: string;
  label: string;
  isExact?: boolean;
  permission?: string;
}

const groups: { title: string | null; permission?: string; places: Place[] }[] = [
  { title: null, places: [{ to: '/', label: 'Overview', isExact: true, permission: 'dataset:read' }] },
  {
    title: 'Platform',
    permission: 'platform:read',
    places: [
      { to: '/platform/tenants', label: 'Tenants' },
      { to: '/platform/plans', label: 'Plans' },
      { to: '/platform/access', label: 'Access grants', permission: 'platform:grant' },
      { to: '/platform/logins', label: 'Logins', permission: 'platform:write' },
      { to: '/platform/health', label: 'Health' },
    ],
  },
  {
    title: 'Build',
    permission: 'dataset:read',
    places: [
      { to: '/datasets', label: 'Data sets' },
      { to: '/runs', label: 'Training runs' },
      { to: '/models', label: 'Models' },
    ],
  },
  {
    title: 'Serve',
    permission: 'model:read',
    places: [
      { to: '/endpoints', label: 'Endpoints' },
      { to: '/predictions', label: 'Predictions made later', permission: 'usage:read' },
      { to: '/keys', label: 'API keys', permission: 'key:read' },
      { to: '/webhooks', label: 'Webhooks', permission: 'key:read' },
    ],
  },
  {
    title: 'Tenant',
    places: [
      { to: '/members', label: 'Members', permission: 'member:read' },
      { to: '/single-sign-on', label: 'Single sign-on', permission: 'sso:write' },
      { to: '/usage', label: 'Usage and quota', permission: 'usage:read' },
      { to: '/audit', label: 'Audit trail', permission: 'audit:read' },
      { to: '/permissions', label: 'Permissions' },
      { to: '/tenant', label: 'Tenant settings', permission: 'tenant:write' },
    ],
  },
];

/** One person in one tenant: what is shown to them is shown to nobody else. */
const identityOf = ({ tenant, person, grantId }: Viewer): string => `${tenant.id} ${person?.id ?? ''} ${grantId ?? ''}`;

/** The frame around every page of a signed-in person. */
export function Shell() {
  const state = useSessionState();
  const session = useSession();
  const client = useApolloClient();
  const navigate = useNavigate();

  // Also where the server has ended the session: nobody stays on a page that can load nothing.
  useEffect(() => {
    if (state.type !== 'signed-out') return;
    void client.clearStore();
    const here = window.location.pathname;
    void navigate({ to: '/sign-in', search: here === '/' ? {} : { from: here }, replace: true });
  }, [state.type, client, navigate]);

  // Into another tenant, perhaps by another tab, whose cookies are this one's as well: nothing of the former is shown.
  const identity = state.type === 'signed-in' ? identityOf(state.viewer) : null;
  const [shownIdentity, setShownIdentity] = useState(identity);
  useEffect(() => {
    if (identity === null || identity === shownIdentity) return;
    void client.clearStore().then(async () => {
      await navigate({ to: '/' });
      setShownIdentity(identity);
    });
  }, [identity, shownIdentity, client, navigate]);

  // Much may have happened while nobody looked: another role, or none.
  useEffect(() => {
    const look = () => {
      if (document.visibilityState === 'visible') void session.look().catch(() => undefined);
    };
    document.addEventListener('visibilitychange', look);
    return () => document.removeEventListener('visibilitychange', look);
  }, [session]);

  if (state.type !== 'signed-in') return null;
  const { tenant, person, role, grantId } = state.viewer;

  async function signOut() {
    await session.end();
    await navigate({ to: '/sign-in', search: {} });
  }

  return (
    <div className="grid min-h-screen grid-cols-[232px_minmax(0,1fr)]">
      <a
        href="#content"
        className="sr-only focus:not-sr-only focus:absolute focus:top-2 focus:left-2 focus:z-10 focus:rounded focus:bg-white focus:px-3 focus:py-2"
      >
        Skip to content
      </a>
      <aside className="sticky top-0 flex h-screen flex-col overflow-y-auto bg-steel-900 text-steel-300">
        <Link to="/" className="flex items-center gap-3 px-5 py-5 text-white">
          <Logo className="size-8 text-accent-200" />
          <span className="text-lg font-semibold tracking-tight">Millrace</span>
        </Link>
        <nav aria-label="Main" className="flex-1 space-y-5 px-3 py-2">
          {groups.map((group) => (
            <NavigationGroup key={group.title ?? 'top'} {...group} />
          ))}
        </nav>
        <div className="border-t border-white/10 px-5 py-4">
          <p className="truncate font-medium text-white" title={tenant.name}>
            {tenant.name}
          </p>
          <p className="truncate text-[13px]" title={person?.email}>
            {person?.name ?? (grantId ? 'Operator' : 'API key')}
            {role && <span className="text-steel-400"> · {words(role)}</span>}
          </p>
          {person && (
            <Link to="/account" className="mt-1.5 inline-block text-[13px] text-white underline-offset-2 hover:underline">
              Your account
            </Link>
          )}
          <button
            type="button"
            onClick={() => void signOut()}
            className="mt-3 w-full rounded-md border border-white/20 px-3 py-1.5 text-[13px] font-medium text-white hover:bg-white/10"
          >
            Sign out
          </button>
        </div>
      </aside>
      <main id="content" tabIndex={-1} className="min-w-0 outline-none">
        {identity === shownIdentity && (
          <>
            {grantId && <GrantBanner grantId={grantId} tenantName={tenant.name} />}
            <Outlet />
          </>
        )}
      </main>
    </div>
  );
}

function NavigationGroup({ title, permission, places }: (typeof groups)[number]) {
  const isAllowed = useCan(permission ?? 'tenant:read');
  if (!isAllowed) return null;
  return (
    <div>
      {title && <p className="px-2.5 pb-1.5 text-[11px] font-medium tracking-wide text-steel-400 uppercase">{title}</p>}
      <ul className="space-y-0.5">
        {places.map((place) => (
          <NavigationItem key={place.to} place={place} />
        ))}
      </ul>
    </div>
  );
}

function NavigationItem({ place }: { place: Place }) {
  const isAllowed = useCan(place.permission ?? 'tenant:read');
  if (!isAllowed) return null;
  return (
    <li>
      <Link
        to={place.to}
        activeOptions={{ exact: place.isExact === true }}
        className="block rounded-md px-2.5 py-1.5 text-[14px] hover:bg-white/8 hover:text-white"
        activeProps={{ className: 'bg-white/12 text-white font-medium' }}
      >
        {place.label}
      </Link>
    </li>
  );
}
