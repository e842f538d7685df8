import { createActors } from './actors.ts';
import { createApiKeys } from './api-keys.ts';
import { createGrants } from './grants.ts';
import { type AuthOptions, createGrounds } from './grounds.ts';
import { createInitialKey } from './initial-key.ts';
import { createInvitations } from './invitations.ts';
import { createMembers } from './members.ts';
import { createPlatform } from './platform.ts';
import { createSessions } from './sessions.ts';
import { createSignIn } from './sign-in.ts';
import { createTenantExport } from './tenant-export.ts';
import { createTenantLife } from './tenant-life.ts';
import { createTenantPurge } from './tenant-purge.ts';
import { createTenantSwitch } from './tenant-switch.ts';
import { createTenants } from './tenants.ts';
import { createTrail } from './trail.ts';
import { createVouching } from './vouching.ts';

export type Auth = ReturnType<typeof createAuth>;

/** Who may come in, as whom, and with what right. */
export function createAuth(options: AuthOptions) {
  const grounds = createGrounds(options);
  const sessions = createSessions(grounds);
  return {
    ...createActors(grounds),
    ...createSignIn(grounds, sessions),
    refresh: sessions.refresh,
    signOut: sessions.signOut,
    ...createTenants(grounds, sessions),
    members: { ...createMembers(grounds), ...createInvitations(grounds, sessions), ...createTenantSwitch(grounds, sessions) },
    keys: { ...createApiKeys(grounds), ...createInitialKey(grounds) },
    tenants: { ...createTenantLife(grounds), ...createTenantPurge(grounds), ...createTenantExport(grounds) },
    grants: createGrants(grounds, sessions),
    platform: createPlatform(grounds),
    ...createVouching(grounds),
    trail: createTrail(grounds),
  };
}
