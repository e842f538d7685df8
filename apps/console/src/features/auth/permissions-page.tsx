import { useQuery } from '@apollo/client/react';
import { Card } from '../../design/card.tsx';
import { words } from '../../design/format.ts';
import { Page } from '../../design/page.tsx';
import { Table } from '../../design/table.tsx';
import { PermissionTableDocument, type ApiKeyScope, type PermissionTableQuery, type Role } from '../../gql/graphql.ts';
import { Loaded } from '../../graphql/loaded.tsx';

type Row = PermissionTableQuery['permissionTable'][number];

const roles: readonly Role[] = ['VIEWER', 'ENGINEER', 'ADMIN', 'OWNER', 'OPERATOR'];
const scopes: readonly ApiKeyScope[] = ['PREDICT', 'FEEDBACK', 'READ', 'TRAIN', 'ADMIN'];

export function PermissionsPage() {
  const query = useQuery(PermissionTableDocument);
  return (
    <Page title="Permissions" lead="What each role of a person and each scope of an API key may do, as the server enforces it.">
      <Loaded what="the permissions" query={query}>
        {({ permissionTable }) => (
          <>
            <Card title="Roles" isFlush>
              <Table
                caption="Permissions by role"
                rows={permissionTable}
                keyOf={({ permission }) => permission}
                columns={[
                  { header: 'Permission', cell: named },
                  ...roles.map((role) => ({ header: words(role), cell: (row: Row) => <Mark isSet={row.roles.includes(role)} /> })),
                ]}
              />
            </Card>
            <Card title="Scopes of API keys" isFlush>
              <Table
                caption="Permissions by scope"
                rows={permissionTable.filter((row) => row.scopes.length > 0)}
                keyOf={({ permission }) => permission}
                columns={[
                  { header: 'Permission', cell: named },
                  ...scopes.map((scope) => ({ header: words(scope), cell: (row: Row) => <Mark isSet={row.scopes.includes(scope)} /> })),
                ]}
              />
            </Card>
          </>
        )}
      </Loaded>
    </Page>
  );
}

const named = ({ permission, text }: Row) => (
  <>
    <code className="font-mono text-[13px] font-medium text-steel-900">{permission}</code>
    <span className="block text-[13px] text-steel-500">{text}</span>
  </>
);

function Mark({ isSet }: { isSet: boolean }) {
  return isSet ? <span className="font-medium text-good-700">Yes</span> : <span className="text-steel-300" aria-label="No">–</span>;
}
