import {
  type ApiKeyScope,
  type HttpRoute,
  httpRoutes,
  type Permission,
  permissions,
  permissionsOfRole,
  permissionsOfScope,
  permissionTexts,
  type Role,
  type ServerName,
} from '@millrace/auth';
import type { GraphQLSchema } from 'graphql';
import { type FieldAccess, rootFieldsOf } from './field-access.ts';

/** A permission, who holds it, and everything that asks for it. */
export interface PermissionRow {
  permission: Permission;
  text: string;
  roles: Role[];
  scopes: ApiKeyScope[];
  /** root fields of the schema, such as `Mutation.submitRun` */
  fields: string[];
  /** of both servers, such as `api: PUT /uploads/{id}`; one that takes either of two permissions stands with both */
  routes: string[];
}

/** The one permission table with what hangs on it, for the schema and docs/permissions.md. */
export function permissionRows(schema: GraphQLSchema): PermissionRow[] {
  return permissions.map((permission) => ({
    permission,
    text: permissionTexts[permission],
    roles: holders(permissionsOfRole, permission),
    scopes: holders(permissionsOfScope, permission),
    fields: fieldsWith(schema, (access) => 'permission' in access && access.permission === permission),
    routes: routesWith(({ access }) => typeof access === 'object' && access.includes(permission)),
  }));
}

export function fieldsWith(schema: GraphQLSchema, matches: (access: FieldAccess) => boolean): string[] {
  return rootFieldsOf(schema).filter(({ access }) => matches(access)).map(({ name }) => name).sort();
}

export function routesWith(matches: (route: HttpRoute) => boolean): string[] {
  return (Object.keys(httpRoutes) as ServerName[]).flatMap((server) =>
    httpRoutes[server].filter(matches).map(({ method, path }) => `${server}: ${method} ${path}`),
  );
}

function holders<Holder extends string>(table: Record<Holder, readonly Permission[]>, permission: Permission): Holder[] {
  return (Object.keys(table) as Holder[]).filter((holder) => table[holder].includes(permission));
}
