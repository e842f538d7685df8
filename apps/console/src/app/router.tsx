import { createRootRouteWithContext, createRoute, createRouter, lazyRouteComponent, Link, Outlet, redirect } from '@tanstack/react-router';
import { buttonClass } from '../design/button.tsx';
import { Empty, Loading } from '../design/notice.tsx';
import { RefusalNotice } from '../design/refusal-notice.tsx';
import { ApiKeysPage } from '../features/auth/api-keys-page.tsx';
import { AuditPage } from '../features/auth/audit-page.tsx';
import { ForgotPasswordPage } from '../features/auth/forgot-password-page.tsx';
import { InvitationPage } from '../features/auth/invitation-page.tsx';
import { MembersPage } from '../features/auth/members-page.tsx';
import { PermissionsPage } from '../features/auth/permissions-page.tsx';
import { ResetPage } from '../features/auth/reset-page.tsx';
import { SetUpPage } from '../features/auth/set-up-page.tsx';
import { SignInPage } from '../features/auth/sign-in-page.tsx';
import { TenantPage } from '../features/auth/tenant-page.tsx';
import { DatasetPage } from '../features/datasets/dataset-page.tsx';
import { DatasetsPage } from '../features/datasets/datasets-page.tsx';
import { OverviewPage } from '../features/overview/overview-page.tsx';
import { UsagePage } from '../features/quota/usage-page.tsx';
import { EndpointPage } from '../features/registry/endpoint-page.tsx';
import { EndpointsPage } from '../features/registry/endpoints-page.tsx';
import { ModelPage } from '../features/registry/model-page.tsx';
import { ModelsPage } from '../features/registry/models-page.tsx';
import { NewRunPage } from '../features/training/new-run-page.tsx';
import { RunPage } from '../features/training/run-page.tsx';
import { RunsPage } from '../features/training/runs-page.tsx';
import { refusalOfThrown } from '../graphql/refusal.ts';
import type { Session } from '../graphql/session.ts';
import { Shell } from './shell.tsx';

const root = createRootRouteWithContext<{ session: Session }>()({
  component: Outlet,
  notFoundComponent: NotFound,
  errorComponent: ({ error, reset }) => (
    <div className="mx-auto max-w-xl space-y-4 px-6 py-20">
      <RefusalNotice refusal={refusalOfThrown(error)} />
      <button type="button" className={buttonClass('primary')} onClick={reset}>
        Try again
      </button>
    </div>
  ),
});

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

const setUp = createRoute({ getParentRoute: () => root, path: '/setup', component: SetUpPage });
const forgotPassword = createRoute({ getParentRoute: () => root, path: '/forgot-password', component: ForgotPasswordPage });
const reset = createRoute({ getParentRoute: () => root, path: '/reset', component: ResetPage });
const invitation = createRoute({ getParentRoute: () => root, path: '/invitation', component: InvitationPage });

const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  validateSearch: (search: Record<string, unknown>): { from?: string; sso?: string } => {
    const from = text(search['from']);
    const sso = text(search['sso']);
    // only ever back into this console, never to a site that somebody put into a link
    return { ...(from && /^\/(?![/\\])/.test(from) ? { from } : {}), ...(sso ? { sso } : {}) };
  },
  beforeLoad: async ({ context }) => {
    await context.session.restore().catch(() => undefined);
    if (context.session.getState().type === 'signed-in') throw redirect({ to: '/' });
  },
  component: SignInPage,
});

const shell = createRoute({
  getParentRoute: () => root,
  id: 'shell',
  beforeLoad: async ({ context, location }) => {
    await context.session.restore();
    if (context.session.getState().type === 'signed-in') return;
    throw redirect({ to: '/sign-in', search: location.pathname === '/' ? {} : { from: location.pathname } });
  },
  component: Shell,
});

const overview = createRoute({
  getParentRoute: () => shell,
  path: '/',
  beforeLoad: ({ context }) => {
    const state = context.session.getState();
    // Operators have no data sets to look over: they begin with the tenants.
    if (state.type === 'signed-in' && state.viewer.permissions.includes('platform:read')) throw redirect({ to: '/platform/tenants' });
  },
  component: OverviewPage,
});
const datasets = createRoute({ getParentRoute: () => shell, path: '/datasets', component: DatasetsPage });
const dataset = createRoute({
  getParentRoute: () => shell,
  path: '/datasets/$id',
  component: function DatasetRoute() {
    return <DatasetPage id={dataset.useParams().id} />;
  },
});
const runs = createRoute({ getParentRoute: () => shell, path: '/runs', component: RunsPage });
const newRun = createRoute({
  getParentRoute: () => shell,
  path: '/runs/new',
  validateSearch: (search: Record<string, unknown>): { dataset?: string } => {
    const chosen = text(search['dataset']);
    return chosen ? { dataset: chosen } : {};
  },
  component: function NewRunRoute() {
    return <NewRunPage datasetId={newRun.useSearch().dataset} />;
  },
});
const run = createRoute({
  getParentRoute: () => shell,
  path: '/runs/$id',
  component: function RunRoute() {
    const { id } = run.useParams();
    return <RunPage key={id} id={id} />;
  },
});
const models = createRoute({ getParentRoute: () => shell, path: '/models', component: ModelsPage });
const model = createRoute({
  getParentRoute: () => shell,
  path: '/models/$id',
  component: function ModelRoute() {
    return <ModelPage id={model.useParams().id} />;
  },
});
const endpoints = createRoute({ getParentRoute: () => shell, path: '/endpoints', component: EndpointsPage });
const endpoint = createRoute({
  getParentRoute: () => shell,
  path: '/endpoints/$name',
  component: function EndpointRoute() {
    const { name } = endpoint.useParams();
    return <EndpointPage key={name} name={name} />;
  },
});
const predictions = createRoute({ getParentRoute: () => shell, path: '/predictions', component: lazyRouteComponent(() => import('../features/registry/predictions-page.tsx'), 'PredictionsPage') });
const webhooks = createRoute({ getParentRoute: () => shell, path: '/webhooks', component: lazyRouteComponent(() => import('../features/registry/webhooks-page.tsx'), 'WebhooksPage') });
const keys = createRoute({ getParentRoute: () => shell, path: '/keys', component: ApiKeysPage });
const usage = createRoute({ getParentRoute: () => shell, path: '/usage', component: UsagePage });
const audit = createRoute({ getParentRoute: () => shell, path: '/audit', component: AuditPage });

const permissions = createRoute({ getParentRoute: () => shell, path: '/permissions', component: PermissionsPage });
const members = createRoute({ getParentRoute: () => shell, path: '/members', component: MembersPage });
const singleSignOn = createRoute({ getParentRoute: () => shell, path: '/single-sign-on', component: lazyRouteComponent(() => import('../features/auth/sso-page.tsx'), 'SsoPage') });
const tenant = createRoute({ getParentRoute: () => shell, path: '/tenant', component: TenantPage });
const account = createRoute({ getParentRoute: () => shell, path: '/account', component: lazyRouteComponent(() => import('../features/auth/account-page.tsx'), 'AccountPage') });
const platform = [
  createRoute({ getParentRoute: () => shell, path: '/platform/tenants', component: lazyRouteComponent(() => import('../features/platform/tenants-page.tsx'), 'TenantsPage') }),
  createRoute({ getParentRoute: () => shell, path: '/platform/plans', component: lazyRouteComponent(() => import('../features/platform/plans-page.tsx'), 'PlansPage') }),
  createRoute({ getParentRoute: () => shell, path: '/platform/access', component: lazyRouteComponent(() => import('../features/platform/access-page.tsx'), 'AccessPage') }),
  createRoute({ getParentRoute: () => shell, path: '/platform/logins', component: lazyRouteComponent(() => import('../features/platform/logins-page.tsx'), 'LoginsPage') }),
  createRoute({ getParentRoute: () => shell, path: '/platform/health', component: lazyRouteComponent(() => import('../features/platform/health-page.tsx'), 'HealthPage') }),
] as const;

const routeTree = root.addChildren([
  setUp,
  signIn,
  forgotPassword,
  reset,
  invitation,
  shell.addChildren([overview, datasets, dataset, runs, newRun, run, models, model, endpoints, endpoint, predictions, webhooks, keys, usage, audit, permissions, members, singleSignOn, tenant, account, ...platform]),
]);

export function createConsoleRouter(session: Session) {
  return createRouter({
    routeTree,
    context: { session },
    defaultPendingComponent: () => <Loading what="the console" />,
    scrollRestoration: true,
  });
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof createConsoleRouter>;
  }
}

function NotFound() {
  return (
    <Empty
      title="There is no such page"
      action={
        <Link to="/" className={buttonClass('primary')}>
          Go to the overview
        </Link>
      }
    >
      The address may be mistyped, or the thing it showed may be gone.
    </Empty>
  );
}
