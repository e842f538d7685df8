import { type PermissionRow, permissionRows } from '../../permission-table.ts';
import { builder } from '../../schema-builder.ts';
import { apiKeyScopeEnum } from './api-key-types.ts';
import { roleEnum } from './viewer-types.ts';

const permissionRowType = builder.objectRef<PermissionRow>('PermissionRow').implement({
  description: 'A permission, who holds it, and everything that asks for it.',
  fields: (t) => ({
    permission: t.exposeString('permission', { description: 'Such as run:submit.' }),
    text: t.exposeString('text', { description: 'What it allows, for people.' }),
    roles: t.expose('roles', { type: [roleEnum], description: 'Roles of people that hold it.' }),
    scopes: t.expose('scopes', { type: [apiKeyScopeEnum], description: 'Scopes of API keys that hold it.' }),
    fields: t.exposeStringList('fields', { description: 'Root fields that ask for it, such as Mutation.submitRun.' }),
    routes: t.exposeStringList('routes', { description: 'HTTP routes that ask for it, such as api: PUT /uploads/{id}.' }),
  }),
});

builder.queryField('permissionTable', (t) =>
  t.field({
    type: [permissionRowType],
    authScopes: { signedIn: true },
    description: 'Everything that may be allowed, to whom it is, and what asks for it: as it is enforced.',
    resolve: (_root, _args, _context, { schema }) => permissionRows(schema),
  }),
);
