import { ApolloProvider } from '@apollo/client/react';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { createConsoleRouter } from './app/router.tsx';
import { SessionProvider } from './app/session-context.tsx';
import { createGraphqlClient } from './graphql/client.ts';
import { createSession } from './graphql/session.ts';
import { createTabLock } from './graphql/tab-lock.ts';
import './styles.css';

const session = createSession({
  storage: window.localStorage,
  fetch: window.fetch.bind(window),
  lock: createTabLock(window.localStorage, navigator.locks as LockManager | undefined),
  events: window,
});
const client = createGraphqlClient(session);
const router = createConsoleRouter(session);

const element = document.getElementById('root');
if (!element) throw new Error('The page has no root element');

createRoot(element).render(
  <StrictMode>
    <SessionProvider session={session}>
      <ApolloProvider client={client}>
        <RouterProvider router={router} />
      </ApolloProvider>
    </SessionProvider>
  </StrictMode>,
);
