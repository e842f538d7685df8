import { createContext, useContext, useSyncExternalStore, type ReactNode } from 'react';
import type { Session, SessionState, Viewer } from '../graphql/session.ts';

const SessionContext = createContext<Session | null>(null);

export function SessionProvider({ session, children }: { session: Session; children: ReactNode }) {
  return <SessionContext value={session}>{children}</SessionContext>;
}

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error('There is no SessionProvider above');
  return session;
}

export function useSessionState(): SessionState {
  const session = useSession();
  return useSyncExternalStore(session.subscribe, session.getState);
}

/** Null only for the moment between signing out and leaving the page. */
export function useViewer(): Viewer | null {
  const state = useSessionState();
  return state.type === 'signed-in' ? state.viewer : null;
}

/** Where programs send their rows. The API may know only a loopback address: for others that is the console's own host. */
export function useInferenceUrl(): string {
  const url = new URL(useViewer()?.inferenceUrl ?? window.location.origin);
  if (['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)) url.hostname = window.location.hostname;
  return url.origin;
}

/** Whether the person may do this; a page hides what would be refused anyway. */
export function useCan(permission: string): boolean {
  return useViewer()?.permissions.includes(permission) ?? false;
}
