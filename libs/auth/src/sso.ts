import { createOutbound } from '@millrace/outbound';
import { createDomainClaims } from './domain-claims.ts';
import type { AuthOptions, Grounds } from './grounds.ts';
import { createOpenId } from './openid.ts';
import type { Sessions } from './sessions.ts';
import type { SignInThrottle } from './sign-in-throttle.ts';
import { createSsoConnections } from './sso-connections.ts';
import { createSsoSignIn } from './sso-sign-in.ts';

/** Single sign-on: a tenant's own OpenID provider lets its people in, and only those of its own e-mail domains. */
export function createSso(grounds: Grounds, sessions: Sessions, throttle: SignInThrottle, options: Pick<AuthOptions, 'outbound' | 'textRecords'>) {
  const { logger, clock } = grounds;
  const { fetch } = options.outbound ?? createOutbound({ allowedNetworks: [], logger });
  const openId = createOpenId({ fetch, clock, logger });
  return {
    ...createSsoConnections(grounds, openId),
    ...createDomainClaims(grounds, options.textRecords),
    ...createSsoSignIn(grounds, sessions, openId, throttle),
  };
}
