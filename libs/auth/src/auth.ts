import { createActors } from './actors.ts';
import { createApiKeys } from './api-keys.ts';
import { type AuthOptions, createGrounds } from './grounds.ts';
import { createMembers } from './members.ts';
import { createSessions } from './sessions.ts';
import { createSignIn } from './sign-in.ts';
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
    members: createMembers(grounds),
    keys: createApiKeys(grounds),
    ...createVouching(grounds),
    trail: createTrail(grounds),
  };
}
