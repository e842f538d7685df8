import type { Permission } from './permissions.ts';

/**
 * Who may call a route: anybody; whoever is signed in; as the fields say that an operation asks for; or whoever holds
 * one of the permissions.
 */
export type RouteAccess = 'public' | 'signed-in' | 'by-field' | readonly [Permission, ...Permission[]];

export interface HttpRoute {
  method: 'GET' | 'POST' | 'PUT' | 'OPTIONS';
  /** as it is registered at the server, parameters in braces */
  path: string;
  access: RouteAccess;
  /** the word for it in the audit trail */
  action?: string;
}

const prediction = { access: ['endpoint:predict'], action: 'endpoint.predict' } as const;
const description = { access: ['endpoint:predict', 'model:read'], action: 'endpoint.describe' } as const;

/**
 * Every HTTP route of the product. A route that is registered but not listed here, or listed but not registered, fails
 * the specs of its server; so does one that lets in anybody else. GET includes HEAD.
 */
export const httpRoutes = {
  /** control plane. WebSockets are served at `GET /graphql`; metrics on a port of their own, which is not for the public */
  api: [
    { method: 'GET', path: '/graphql', access: 'by-field' },
    { method: 'POST', path: '/graphql', access: 'by-field' },
    { method: 'OPTIONS', path: '/graphql', access: 'public' },
    { method: 'GET', path: '/graphql/stream', access: 'signed-in' },
    { method: 'POST', path: '/graphql/stream', access: 'signed-in' },
    { method: 'PUT', path: '/uploads/{id}', access: ['dataset:write'], action: 'upload.receive' },
    { method: 'GET', path: '/auth/sso', access: 'public' },
    { method: 'GET', path: '/auth/sso/callback', access: 'public' },
    { method: 'GET', path: '/export', access: ['tenant:write'], action: 'tenant.export' },
    { method: 'GET', path: '/models/{model}/versions/{version}/package', access: ['model:export'], action: 'model.export' },
    { method: 'GET', path: '/models/{model}/versions/{version}/layers', access: ['model:export'], action: 'model.export' },
    { method: 'GET', path: '/audit', access: ['audit:read'], action: 'audit.export' },
    { method: 'GET', path: '/usage/export', access: ['usage:read'], action: 'usage.export' },
    { method: 'GET', path: '/healthz', access: 'public' },
    { method: 'GET', path: '/readyz', access: 'public' },
    { method: 'GET', path: '/*', access: 'public' }, // the console's files
  ],
  /** data plane */
  inference: [
    { method: 'POST', path: '/predict', ...prediction },
    { method: 'GET', path: '/v1/key', access: 'signed-in' },
    { method: 'GET', path: '/v1/models/{model}', ...description },
    { method: 'GET', path: '/v1/models/{model}/metadata', ...description },
    { method: 'POST', path: '/v1/models/{model}:predict', ...prediction },
    { method: 'POST', path: '/v1/models/{model}:explain', ...prediction },
    { method: 'POST', path: '/v1/models/{model}:classify', ...prediction },
    { method: 'POST', path: '/v1/models/{model}:regress', ...prediction },
    { method: 'GET', path: '/v1/models/{model}/versions/{version}', ...description },
    { method: 'GET', path: '/v1/models/{model}/versions/{version}/metadata', ...description },
    { method: 'POST', path: '/v1/models/{model}/versions/{version}:predict', ...prediction },
    { method: 'POST', path: '/v1/predictions', ...prediction },
    { method: 'GET', path: '/v1/predictions/{id}', ...prediction },
    { method: 'POST', path: '/v1/predictions/{id}/cancel', ...prediction },
    { method: 'POST', path: '/v1/feedback', access: ['endpoint:predict', 'endpoint:feedback'], action: 'feedback.give' },
    { method: 'POST', path: '/v1/models/{model}/versions/{version}:explain', ...prediction },
    { method: 'POST', path: '/v1/models/{model}/versions/{version}:classify', ...prediction },
    { method: 'POST', path: '/v1/models/{model}/versions/{version}:regress', ...prediction },
    { method: 'GET', path: '/v1/models/{model}/labels/{label}', ...description },
    { method: 'GET', path: '/v1/models/{model}/labels/{label}/metadata', ...description },
    { method: 'POST', path: '/v1/models/{model}/labels/{label}:predict', ...prediction },
    { method: 'POST', path: '/v1/models/{model}/labels/{label}:classify', ...prediction },
    { method: 'POST', path: '/v1/models/{model}/labels/{label}:regress', ...prediction },
    { method: 'GET', path: '/v2', access: 'public' },
    { method: 'GET', path: '/v2/health/live', access: 'public' },
    { method: 'GET', path: '/v2/health/ready', access: 'public' },
    { method: 'GET', path: '/v2/models/{model}', ...description },
    { method: 'GET', path: '/v2/models/{model}/ready', ...description },
    { method: 'POST', path: '/v2/models/{model}/infer', ...prediction },
    { method: 'GET', path: '/v2/models/{model}/versions/{version}', ...description },
    { method: 'GET', path: '/v2/models/{model}/versions/{version}/ready', ...description },
    { method: 'POST', path: '/v2/models/{model}/versions/{version}/infer', ...prediction },
    { method: 'POST', path: '/v2/models/{model}/explain', ...prediction },
    { method: 'POST', path: '/v2/models/{model}/versions/{version}/explain', ...prediction },
    { method: 'POST', path: '/models/{model}/invocations', ...prediction },
    { method: 'POST', path: '/invocations', ...prediction },
    { method: 'GET', path: '/', access: 'public' },
    { method: 'GET', path: '/ping', access: 'public' },
    { method: 'GET', path: '/health', access: 'public' },
    { method: 'GET', path: '/version', access: 'public' },
    { method: 'GET', path: '/metrics', access: 'public' },
    { method: 'GET', path: '/openapi.json', access: 'public' },
    { method: 'GET', path: '/docs', access: 'public' },
  ],
} as const satisfies Record<string, readonly HttpRoute[]>;

export type ServerName = keyof typeof httpRoutes;

/** The row of a route; null when there is none. */
export function findRoute(server: ServerName, method: string, path: string): HttpRoute | null {
  const asked = method === 'HEAD' ? 'GET' : method;
  return httpRoutes[server].find((route) => route.method === asked && route.path === path) ?? null;
}

/** The word for a route in the audit trail. */
export function actionOfRoute({ method, path, action }: HttpRoute): string {
  return action ?? `http.${method.toLowerCase()} ${path}`;
}
