import type { Choice } from '../../design/field.tsx';
import { words } from '../../design/format.ts';
import type { Role } from '../../gql/graphql.ts';

const hints: Record<Role, string> = {
  VIEWER: 'reads',
  ENGINEER: 'trains and publishes',
  ADMIN: 'also manages members and keys',
  OWNER: 'may do everything',
  OPERATOR: 'manages the platform',
};

const byRank: readonly Role[] = ['VIEWER', 'ENGINEER', 'ADMIN', 'OWNER'];

/** The roles that somebody of this role may give: none above their own. The platform has operators only. */
export function rolesToGive(own: Role | null): readonly Role[] {
  if (own === 'OPERATOR') return ['OPERATOR'];
  return byRank.slice(0, byRank.indexOf(own ?? 'VIEWER') + 1);
}

export const choiceOf = (role: Role): Choice => ({ value: role, label: `${words(role)}: ${hints[role]}` });
