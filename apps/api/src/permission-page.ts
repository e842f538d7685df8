import { type ApiKeyScope, permissionsOfRole, permissionsOfScope, type Role } from '@millrace/auth';
import type { GraphQLSchema } from 'graphql';
import { fieldsWith, permissionRows, routesWith } from './permission-table.ts';

/** docs/permissions.md, which is generated: what the code enforces, for people to read. */
export function permissionPage(schema: GraphQLSchema): string {
  const rows = permissionRows(schema);
  const roles = Object.keys(permissionsOfRole) as Role[];
  const scopes = Object.keys(permissionsOfScope) as ApiKeyScope[];
  const matrix = (holders: readonly string[], heldBy: (row: (typeof rows)[number]) => readonly string[]): string =>
    table(
      ['permission', ...holders],
      rows.map((row) => [code(row.permission), ...holders.map((holder) => (heldBy(row).includes(holder) ? 'yes' : ''))]),
    );
  return `${[
    '# Permissions',
    'Made by `npm run codegen` from the permission table in `libs/auth/src/permissions.ts`, the root fields of the schema and the list of\nroutes in `libs/auth/src/routes.ts`. The same declarations are enforced; `npm run check` fails when this page differs from them. The API\nserves the table as the query `permissionTable`, and each root field says its access in `apps/api/schema.graphql` as `@access`.',
    '## What each permission allows',
    table(['permission', 'allows'], rows.map(({ permission, text }) => [code(permission), text])),
    '## Roles of people',
    matrix(roles, (row) => row.roles),
    '## Scopes of API keys',
    'A key has the permissions of all of its scopes; one with a list of endpoints calls those only.',
    matrix(scopes, (row) => row.scopes),
    '## What asks for a permission',
    table(
      ['permission', 'GraphQL', 'HTTP'],
      rows.map(({ permission, fields, routes }) => [code(permission), list(fields), list(routes)]),
    ),
    'A route that stands with two permissions takes either. `query.node` asks for the permission to read the type that the id names; what\nthe caller may not read is answered like what is not there.',
    '## For whoever is signed in',
    bullets([...fieldsWith(schema, (access) => 'signedIn' in access), ...routesWith(({ access }) => access === 'signed-in')]),
    '## Public',
    'Nobody needs to be signed in for these, and for nothing else.',
    bullets([...fieldsWith(schema, (access) => 'public' in access), ...routesWith(({ access }) => access === 'public')]),
    'Who may do what at these addresses is decided field by field. A WebSocket begins as `GET /graphql` and is closed unless its first message\nbrings a valid credential:',
    bullets(routesWith(({ access }) => access === 'by-field')),
    'The metrics of API and worker are served on ports of their own, on the loopback address unless told otherwise, without a credential.',
  ].join('\n\n')}\n`;
}

const code = (text: string): string => `\`${text}\``;
const list = (items: readonly string[]): string => items.map(code).join('<br>');
const bullets = (items: readonly string[]): string => items.map((item) => `- ${code(item)}`).join('\n');

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}
