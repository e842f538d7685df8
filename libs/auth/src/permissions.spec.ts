import { permissionsOfRole, rankOf, type Role, rolesByRank } from './permissions.ts';
import { highestRole } from './sso-connections.ts';

it('every role has a rank: those of a tenant by what they may do, an operator above them all', () => {
  const ranked = (Object.keys(permissionsOfRole) as Role[]).sort((one, other) => rankOf(one) - rankOf(other));
  expect(ranked).toEqual([...rolesByRank, 'OPERATOR']);
  for (const [index, role] of rolesByRank.slice(1).entries()) {
    expect(permissionsOfRole[role]).toEqual(expect.arrayContaining([...permissionsOfRole[rolesByRank[index]!]]));
  }
});

it('a connection that gave an operator’s role would be above everybody in the tenant', () => {
  expect(highestRole({ roleByGroup: {}, defaultRole: 'OPERATOR' })).toBe('OPERATOR');
});
