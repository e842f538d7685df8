import { createActors } from './actors.ts';
import { createApiKeys } from './api-keys.ts';
import { createGrants } from './grants.ts';
import { type AuthOptions, createGrounds } from './grounds.ts';
import { createInitialKey } from './initial-key.ts';
import { createInvitations } from './invitations.ts';
import { createMembers } from './members.ts';
import { createOpenSessions } from './open-sessions.ts';
import { createPasswords } from './passwords.ts';
import { createPlatform } from './platform.ts';
import { createCodeCheck, createSecondFactor } from './second-factor.ts';
import { createSessions } from './sessions.ts';
import { createSignIn } from './sign-in.ts';
import { createSignInThrottle } from './sign-in-throttle.ts';
import { createTenantExport } from './tenant-export.ts';
import { createTenantLife } from './tenant-life.ts';
import { createTenantPurge } from './tenant-purge.ts';
import { createTenantSwitch } from './tenant-switch.ts';
import { createSso } from './sso.ts';
import { createTenants } from './tenants.ts';
import { createTrail } from './trail.ts';
import { createVouching } from './vouching.ts';

export type Auth = ReturnType<typeof createAuth>;

/** Who may come in, as whom, and with what right. */
export function createAuth(options: AuthOptions) {
  const grounds = createGrounds(options);
  const sessions = createSessions(grounds);
  const throttle = createSignInThrottle(grounds);
  const codes = createCodeCheck(grounds);
  const passwords = createPasswords(grounds, throttle);
  return {
    ...createActors(grounds),
    ...createSignIn(grounds, sessions, throttle, codes),
    refresh: sessions.refresh,
    signOut: sessions.signOut,
    ...createTenants(grounds, sessions),
    members: { ...createMembers(grounds), ...createInvitations(grounds, sessions, throttle), ...createTenantSwitch(grounds, sessions) },
    keys: { ...createApiKeys(grounds), ...createInitialKey(grounds) },
    sessions: createOpenSessions(grounds),
    passwords,
    secondFactor: createSecondFactor(grounds, codes, throttle),
    tenants: { ...createTenantLife(grounds), ...createTenantPurge(grounds), ...createTenantExport(grounds) },
    sso: createSso(grounds, sessions, throttle, options),
    grants: createGrants(grounds, sessions),
    platform: createPlatform(grounds),
    ...createVouching(grounds),
    trail: createTrail(grounds),
    /** Forgets what has run out: to be called now and then. */
    async sweep(): Promise<void> {
      await throttle.sweep();
      await passwords.sweep();
    },
  };
}
