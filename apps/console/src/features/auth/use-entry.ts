import { useApolloClient } from '@apollo/client/react';
import { useRouter } from '@tanstack/react-router';
import { useSession } from '../../app/session-context.tsx';
import type { SignedIn } from '../../graphql/session.ts';

/** Goes into the console with a session that has just been opened. Nothing of an earlier one is shown again. */
export function useEntry(): (signedIn: SignedIn, to?: string) => Promise<void> {
  const session = useSession();
  const client = useApolloClient();
  const router = useRouter();
  return async (signedIn, to = '/') => {
    await client.clearStore();
    session.begin(signedIn);
    await router.navigate({ href: to });
  };
}
